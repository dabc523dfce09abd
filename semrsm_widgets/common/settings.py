"""The settings that hold for all of the package."""

from __future__ import annotations

import os
import warnings

from .checks import message

_WORDS = (
    {"": True} | dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(("0", "false", "no", "off"), False)
)


def _from_environment(variable: str, otherwise: str) -> bool:
    """Return what the environment wishes; what it does not say is yes."""
    value = os.environ.get(variable, "").strip().lower()
    if value not in _WORDS:
        warnings.warn(message(variable, "0 or 1", repr(value), otherwise), RuntimeWarning, stacklevel=2)
    return _WORDS.get(value, True)


class Options:
    """Settings for all of the package, as `semrsm_widgets.options`.

    Attributes:
        progress: whether long calls show how far they are; the environment's SEMRSM_PROGRESS=0 starts with False.
        ahead: whether a notebook's kernel imports torch, timm and the views, and makes the matcher ready, while no cell
            runs after the import of the package; the environment's SEMRSM_AHEAD=0 starts with False.

    Example:
        >>> srsm.options.progress = False
    """

    __slots__ = ("_ahead", "_progress")

    def __init__(self) -> None:
        self._progress = _from_environment("SEMRSM_PROGRESS", "Progress is shown.")
        self._ahead = _from_environment("SEMRSM_AHEAD", "Libraries are imported ahead.")

    @property
    def progress(self) -> bool:
        """Whether long calls show how far they are, where there is a notebook or a terminal."""
        return self._progress

    @progress.setter
    def progress(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise TypeError(message("options.progress", "True or False", value))
        self._progress = value

    @property
    def ahead(self) -> bool:
        """Whether a notebook's kernel imports what the first calls need while no cell runs."""
        return self._ahead

    @ahead.setter
    def ahead(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise TypeError(message("options.ahead", "True or False", value))
        self._ahead = value

    def __repr__(self) -> str:
        return f"Options(progress={self._progress}, ahead={self._ahead})"


options = Options()
"""The settings that hold for every call."""
