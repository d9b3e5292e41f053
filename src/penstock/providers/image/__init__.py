"""The image of virtual machines: kernel, first file system, root. Made without being root, from the machine's own archive."""
