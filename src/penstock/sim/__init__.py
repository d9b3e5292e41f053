"""A farm under a virtual clock: the same policy, told of a history instead of the world."""
