"""The event loop over columns, in the part of Python that can be compiled (docs/decisions/0130)."""
