"""The two-column convolutional net of 2012: engine, net, training, evaluation."""

__version__ = "0.1.0"
