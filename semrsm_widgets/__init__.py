"""See what a vision model finds alike: semantic representational similarity matrices, and widgets to look at them."""

__version__ = "0.1.0"
