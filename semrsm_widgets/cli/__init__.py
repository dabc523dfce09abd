"""The command line: `semrsm lab | report | layers | check | warm`."""

from .command_line import main

__all__ = ["main"]
