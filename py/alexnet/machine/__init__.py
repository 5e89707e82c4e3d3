"""What is here, who started us, which engine and which link."""
