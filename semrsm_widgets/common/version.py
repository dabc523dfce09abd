"""The version, where nothing else is: the build reads it here, and modules need not import the root for it."""

__version__ = "0.1.0"
