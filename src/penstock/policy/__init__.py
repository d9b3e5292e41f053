"""What to do: pure functions from a snapshot of the farm to a decision with its reasons."""
