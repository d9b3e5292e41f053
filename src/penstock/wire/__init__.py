"""What hub, agent and command line say to each other."""
