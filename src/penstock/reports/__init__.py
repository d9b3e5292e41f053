"""What it cost and how long it took: the same pure numbers for live and simulated runs."""
