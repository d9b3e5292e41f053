"""What `simulate`, `sweep` and `advise` share: what is replayed, on which farms, under which policies; and how it is shown."""
