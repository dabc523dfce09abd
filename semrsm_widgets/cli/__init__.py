"""The command line: `semrsm lab | report | layers | run | check | warm`."""

from .command_line import main

__all__ = ["main"]
