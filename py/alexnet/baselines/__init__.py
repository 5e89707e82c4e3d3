"""What the net was measured against: SIFT with Fisher vectors, and sparse coding of HOG, LBP and SIFT (paper, 6).

NumPy and SciPy in worker processes; nothing here knows the net, its engines or its links.
"""
