"""The command line: `semrsm lab | report | layers | check`."""

from .command_line import main

__all__ = ["main"]
