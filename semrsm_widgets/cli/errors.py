"""How a command says that it cannot go on."""

from __future__ import annotations

INTERRUPTED = 130
"""The exit status of a command that was stopped by Ctrl-C, as a shell has it."""


class CommandError(Exception):
    """A command cannot go on: `text` is for the user, `code` is the exit status (2: wrong use)."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code
