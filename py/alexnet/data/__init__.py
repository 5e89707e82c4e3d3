"""A prepared dataset: its format, its reader, and one image made square."""
