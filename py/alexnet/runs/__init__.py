"""A run's folder: who holds it and what is in it."""
