"""Images by likeness: features in files, the nearest by Euclidean distance, and by short binary codes (paper, 6.1)."""
