"""The hub's HTTP edge: the API that agents and people call."""
