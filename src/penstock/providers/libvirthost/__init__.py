"""A libvirt of one's own, unprivileged, whose machines reach the hub's port and nothing else."""
