"""Training: the loop, the stream of images, the schedule."""
