"""Recorded messages in little room: what is alike stands together, is deflated, and waits as base64 in the page.

A pack holds the messages of one layer. Their binary buffers are cut into columns, one for each buffer of each kind of
message, and each column into planes of bytes: the high bytes of all numbers, then the next ones. Deflate finds what
they share. `recorded.js` reads it.
"""

from __future__ import annotations

import json
import struct
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .products import PRODUCTS, Shares, is_product

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .recording import Message

JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG"
# Stands for NaN among rounded numbers.
_NAN = -32768


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """How far the numbers of an array are rounded.

    Attributes:
        step: to multiples of this; or
        share: to multiples of this share of the array's own largest number.
    """

    step: float | None = None
    share: float | None = None

    def step_of(self, numbers: NDArray[np.float32]) -> float:
        """Return the step for an array."""
        if self.step is not None:
            return self.step
        assert self.share is not None
        return self.share * float(np.max(np.abs(numbers[np.isfinite(numbers)]), initial=0.0)) or 1.0


@dataclass
class Blobs:
    """Buffers that are pictures, each kept once, as base64.

    Attributes:
        convert: what becomes of a JPEG; a report without pictures keeps none.
    """

    convert: Callable[[bytes], bytes] = bytes
    texts: list[str] = field(default_factory=list)
    _places: dict[bytes, int] = field(default_factory=dict)

    def place(self, picture: bytes) -> int:
        """Return the number of a picture."""
        if picture not in self._places:
            self._places[picture] = len(self.texts)
            self.texts.append(b64encode(self.convert(picture)).decode("ascii"))
        return self._places[picture]


@dataclass
class _Column:
    numbers: str
    parts: list[NDArray[Any]] = field(default_factory=list)
    count: int = 0

    def add(self, values: NDArray[Any]) -> int:
        """Append values and return where they start."""
        start = self.count
        self.parts.append(values)
        self.count += len(values)
        return start

    def packed(self) -> tuple[dict[str, Any], bytes]:
        """Return what is to be known of the column, and its planes of bytes, the highest first."""
        values = np.concatenate(self.parts)
        offset = 0
        if self.numbers == "steps" and np.abs(values[values != _NAN]).max(initial=0) < 2**7:
            values = np.where(values == _NAN, -(2**7), values).astype(np.int8)
        if self.numbers == "Int32Array" and values.size and values.min() >= -1:  # -1 is "none"
            offset = 1 if values.min() < 0 else 0
            top = values.max() + offset
            values = (values + offset).astype(np.uint8 if top < 2**8 else np.uint16 if top < 2**16 else np.int32)
        width = values.dtype.itemsize
        planes = np.ascontiguousarray(values).view(np.uint8).reshape(-1, width).T[::-1]
        head = {"numbers": self.numbers, "width": width, "count": self.count, "offset": offset}
        return head, planes.tobytes()


def pack(
    messages: Iterable[Message],
    roundings: Mapping[str, Rounding],
    blobs: Blobs,
    shares: Mapping[int, Shares] | None = None,
) -> str:
    """Return messages as base64 of deflated bytes.

    A message may name its buffers: `arrays` in its content holds [name, type] of each, in their order, where types
    are JavaScript's. Of those, float32 numbers may be rounded, and an array "inverse" that is the inverse of the first
    array, a permutation, is left out, as is one of `PRODUCTS`. All others are kept exactly.

    Args:
        messages: what to pack.
        roundings: name of an array, or its end -> how its numbers are rounded.
        blobs: where pictures go.
        shares: of the images of this layer, so that contributions can be left out.
    """
    columns: dict[tuple[str, str, str], _Column] = {}
    order: dict[tuple[str, str, str], int] = {}

    def keep(kind: str, name: str, numbers: str, buffer: bytes) -> dict[str, Any]:
        values, step = _numbers(name, numbers, buffer, roundings)
        key = (kind, name, values.dtype.str)
        column = columns.setdefault(key, _Column("steps" if step else numbers))
        place = {"column": order.setdefault(key, len(order)), "start": column.add(values), "count": len(values)}
        return {**place, "step": step}

    rows = []
    for message in messages:
        kind = message.content["kind"]
        named = message.content.get("arrays") or [[str(k), ""] for k in range(len(message.buffers))]
        products = _products(message, shares or {})
        places: list[dict[str, Any]] = []
        for (name, numbers), buffer in zip(named, message.buffers, strict=True):
            if buffer.startswith((JPEG, PNG)):
                places.append({"blob": blobs.place(buffer)})
            elif name == "inverse" and _inverse(message.buffers[0], len(buffer) // 4) == buffer:
                places.append({"inverse": len(buffer) // 4})
            elif name in products:
                places.append({"product": asdict(PRODUCTS[name])})
            else:
                places.append(keep(kind, name, numbers, buffer))
        rows.append({"content": message.content, "scope": message.scope, "buffers": places})
    kept = {
        image: [keep("shares", "share", "Float32Array", values.tobytes()) for values in (each.whole, each.mean)]
        for image, each in (shares or {}).items()
    }
    heads, planes = zip(*(column.packed() for column in columns.values()), strict=True) if columns else ((), ())
    head = json.dumps(
        {"messages": rows, "columns": heads, "shares": kept}, ensure_ascii=False, allow_nan=False
    ).encode()
    packed = zlib.compress(struct.pack("<I", len(head)) + head + b"".join(planes), 9)
    return b64encode(packed).decode("ascii")


def _products(message: Message, shares: Mapping[int, Shares]) -> list[str]:
    """Return the arrays of a pair's message that follow from others."""
    pair = message.content.get("pair", ())
    if len(pair) != 2 or not all(image in shares for image in pair) or "arrays" not in message.content:
        return []
    sides = shares[pair[0]], shares[pair[1]]
    types = {"Int32Array": np.int32, "Float32Array": np.float32, "Uint8Array": np.uint8}
    arrays: dict[str, Any] = {
        name: np.frombuffer(buffer, types[numbers])
        for (name, numbers), buffer in zip(message.content["arrays"], message.buffers, strict=True)
    }
    return [name for name in arrays if name in PRODUCTS and is_product(name, arrays, sides)]


def _numbers(
    name: str, numbers: str, buffer: bytes, roundings: Mapping[str, Rounding]
) -> tuple[NDArray[Any], float | None]:
    """Return a buffer's numbers as they are kept, and the step of rounded ones."""
    if numbers == "Int32Array":
        return np.frombuffer(buffer, np.int32), None
    if numbers == "Float32Array":
        values = np.frombuffer(buffer, np.float32)
        rounding = next((each for end, each in roundings.items() if name.endswith(end)), None)
        if rounding is None:
            return values, None
        step = rounding.step_of(values)
        steps = np.rint(np.where(np.isfinite(values), values, 0) / step)
        return np.where(np.isfinite(values), steps, _NAN).astype(np.int16), step
    # Numbers of four bytes, most likely; whatever they are, their planes are put together again.
    return np.frombuffer(buffer, np.uint8 if len(buffer) % 4 or numbers == "Uint8Array" else np.float32), None


def _inverse(permutation: bytes, size: int) -> bytes:
    """Return the inverse of an int32 permutation with -1 for none, as bytes."""
    partners = np.frombuffer(permutation, np.int32)
    found = np.full(size, -1, np.int32)
    matched = np.flatnonzero(partners >= 0)
    found[partners[matched]] = matched
    return found.tobytes()
