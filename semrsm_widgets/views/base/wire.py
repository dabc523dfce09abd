"""What goes over the wire between a view and its page: one form for all messages.

A message is JSON and the buffers beside it. Its `kind` says what it is about, other fields are facts, and `arrays`
names the buffers, in their order, as [name, type, shape]:

- numbers: one buffer, little-endian, row by row; the type is that of JavaScript's typed array that reads it;
- pictures: as many buffers as the shape says, of type "jpeg"; an empty one stands for a picture that cannot be read.

Facts are what JSON can carry: null stands for what is not finite, in arrays NaN stands as it is. `wire.js` reads it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXACT_IMAGES = 300
"""Up to this many images a message carries exact values and certificates."""

PICTURES = "jpeg"
"""The type of pictures."""

_TYPES = {"Float32Array": "<f4", "Int32Array": "<i4", "Uint16Array": "<u2", "Uint8Array": "u1"}
_NAMES: dict[np.dtype[Any], str] = {np.dtype(kind): name for name, kind in _TYPES.items()}
# What the page has no need of in full: doubles, long integers, and truth values.
_NARROWED: dict[str, np.dtype[Any]] = {"f": np.dtype("<f4"), "i": np.dtype("<i4"), "b": np.dtype("u1")}


def is_exact(images: int) -> bool:
    """Return whether a message about so many images carries exact values and certificates."""
    return images <= EXACT_IMAGES


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message: its JSON and its buffers."""

    content: dict[str, Any]
    buffers: list[bytes] = field(repr=False)

    @classmethod
    def of(
        cls,
        kind: str,
        /,
        *,
        arrays: Mapping[str, NDArray[Any]] | None = None,
        pictures: Mapping[str, Sequence[bytes]] | None = None,
        **facts: Any,
    ) -> Message:
        """Return a message in the form that all have.

        Args:
            kind: what it is about.
            arrays: by name; floats go as float32, integers as int32 unless they are unsigned, truth values as bytes.
            pictures: lists of JPEG files by name; they come after the arrays.
            **facts: everything else; see `plain`.
        """
        heads, buffers = [], []
        for name, values in (arrays or {}).items():
            narrow = np.ascontiguousarray(values, dtype=_NARROWED.get(values.dtype.kind, values.dtype))
            heads.append([name, _NAMES[narrow.dtype], list(narrow.shape)])
            buffers.append(narrow.tobytes())
        for name, some in (pictures or {}).items():
            heads.append([name, PICTURES, [len(some)]])
            buffers += some
        named = {"arrays": heads} if heads else {}
        return cls(content={"kind": kind, **plain(facts), **named}, buffers=buffers)

    def parts(self) -> list[tuple[str, str, bytes]]:
        """Return name and type of each buffer, and the buffer."""
        heads = [
            (name, kind)
            for name, kind, shape in self.content.get("arrays", ())
            for _ in range(shape[0] if kind == PICTURES else 1)
        ]
        return [(name, kind, buffer) for (name, kind), buffer in zip(heads, self.buffers, strict=True)]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the numbers by name, as the page reads them."""
        shapes = {name: shape for name, _, shape in self.content.get("arrays", ())}
        return {
            name: np.frombuffer(buffer, _TYPES[kind]).reshape(shapes[name])
            for name, kind, buffer in self.parts()
            if kind != PICTURES
        }


def plain(value: Any, digits: int | None = None) -> Any:
    """Return a value as JSON can carry it.

    Null for what is not finite, lists for tuples, numbers for NumPy's, and a dataclass, such as a `NullLevel`, as its
    fields.

    Args:
        value: a number, a text, or any nesting of lists, mappings and dataclasses of them.
        digits: how many digits of a number are kept; all of them unless given.
    """
    if isinstance(value, Mapping):
        return {str(name): plain(each, digits) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each, digits) for each in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name), digits) for each in fields(value)}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist(), digits)
    if isinstance(value, float):
        return None if not math.isfinite(value) else value if digits is None else float(f"{value:.{digits}g}")
    return value
