"""Pictures as SVG that we write: elements, scales, axes. Pages of the hub and pages of simulations draw with them."""
