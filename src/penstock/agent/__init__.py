"""The program on a machine that runs attempts. Standard library only, Python 3.9 or newer."""
