"""Optional packages, imported only when they are asked for; rows of results, and these as data frames."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from importlib import import_module
from math import isnan
from typing import Any, cast


class Row:
    """A row of results, a frozen dataclass with `eq=False`: equal to one of the same values, NaN where it has NaN.

    NaN is unlike itself, so two calls with one answer would be unlike; before Python 3.13 that depended on whether both
    had the same object for NaN.
    """

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def _values(self) -> tuple[Any, ...]:
        """Return what is compared: None, which no number is, stands for NaN."""
        values = (getattr(self, field.name) for field in fields(cast("Any", self)))
        return tuple(None if isinstance(value, float) and isnan(value) else value for value in values)


def optional(package: str, extra: str = "interop") -> Any:
    """Return an optional package, which the named extra of this one installs.

    Raises:
        ImportError: it is not installed; the text says what to install.
    """
    root, before = package.partition(".")[0], set(sys.modules)
    try:
        return import_module(package)
    except KeyboardInterrupt:
        # What is there by now would stay, and its half-made package, begun anew, would not know it.
        for name in sys.modules.keys() - before:
            if name == root or name.startswith(f"{root}."):
                del sys.modules[name]
        raise
    except ImportError as error:
        raise ImportError(f'{root} is not installed. Install it with: pip install "semrsm-widgets[{extra}]"') from error


def data_frame(columns: Mapping[str, Any]) -> Any:
    """Return a `pandas.DataFrame` of named columns."""
    return optional("pandas").DataFrame(dict(columns))


def frame_of(rows: Sequence[Any], row: type) -> Any:
    """Return a `pandas.DataFrame` with a line for each of some frozen dataclasses, a column for each field."""
    names = [field.name for field in fields(row)]
    return optional("pandas").DataFrame([asdict(each) for each in rows], columns=names)
