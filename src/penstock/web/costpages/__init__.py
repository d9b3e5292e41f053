"""The pages about costs: what is drawn on them, what is said, and where each number leads."""
