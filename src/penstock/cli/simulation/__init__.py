"""What `simulate`, `sweep` and `advise` share: what is replayed, on which farms, under which policies; and how it is shown."""

SEED_MOST = 2**62
"""The largest seed: chance is drawn in 64 bits."""
