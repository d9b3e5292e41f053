"""Provider "libvirt": virtual machines of a host, each booted from one read-only image; see docs/explanation/renting.md."""
