"""Where changes and source trees come from."""
