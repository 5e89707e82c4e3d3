"""How fast a net is on this machine."""
