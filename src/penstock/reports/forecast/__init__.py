"""What the year will cost: from a statement's last readings, and from the days of a ledger. docs/explanation/forecast.md.

Exact throughout: fractions and integers inside, decimals where a figure is printed, rounded there and half up.
"""
