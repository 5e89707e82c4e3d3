"""The whole of a training again, plainly, in NumPy and float64, from the paper: what the program is held to.

Nothing here comes from the program; what both read is a recipe's TOML and a prepared dataset's files.
"""
