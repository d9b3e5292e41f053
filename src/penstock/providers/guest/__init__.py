"""What a virtual machine runs from its first moment: waits to be told who it is, then gets the agent from its hub."""
