"""The paper's figures, and pictures of runs and data."""
