"""A net at work, and its weights to and from other programs."""
