"""Guards of budgets: when they fire, and what they keep from happening. Pure: figures and rows in, states and curbs out."""
