"""A day of a small farm on which everything goes wrong, drawn from a seed: the hub's own services, held against every
invariant after every step. `lived(seed).wrong` is what was not as it must be."""

from penstock.sim.storm.day import Day, lived

__all__ = ["Day", "lived"]
