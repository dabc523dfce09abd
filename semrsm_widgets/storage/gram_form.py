"""What a matched Gram in a store is made of: its form, its images by the checksums of their tokens, parts of tiles."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from semrsm_widgets.common import describe, message, printable
from semrsm_widgets.tokens import StoredTensor, in_blocks

from .token_reading import DIGEST_BYTES, StoredPart, digests_of, to_array

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

_AT_ONCE = 256  # images whose checksums are made


def checksums(values: Tensor) -> NDArray[np.uint8]:
    """Return (N, 32) the SHA-256 of each image's tokens (N, S, D), wherever they lie; of a store nothing is read."""
    if isinstance(values, StoredTensor) and isinstance(values.source, StoredPart):
        found: NDArray[np.uint8] = values.source.digests[values.images]
        return found
    parts = [np.zeros((0, DIGEST_BYTES), np.uint8)]
    for _, part in in_blocks(values):
        for first in range(0, len(part), _AT_ONCE):
            parts.append(digests_of(to_array(part[first : first + _AT_ONCE].cpu().contiguous())))
    return np.concatenate(parts)


def kind_of(values: Tensor) -> str:
    """Return what tokens (N, S, D) are, besides their numbers."""
    return f"{values.shape[1]} x {values.shape[2]} {str(values.dtype).removeprefix('torch.')}"


@dataclass(frozen=True, kw_only=True)
class GramForm:
    """What a matched Gram is, besides its numbers.

    Attributes:
        shape: (N, M), of all images that were ever there.
        sizes: (S, T).
        symmetric: whether a set was compared with itself: tiles above the diagonal alone are there.
        matcher: its repr.
        block: images on a side of a tile.
    """

    shape: tuple[int, int]
    sizes: tuple[int, int]
    symmetric: bool
    matcher: str
    block: int

    def tiles(self) -> Iterator[tuple[int, int]]:
        """Yield the first images (row, column) of all tiles, a row of tiles after another."""
        for top in range(0, self.shape[0], self.block):
            for left in range(top if self.symmetric else 0, self.shape[1], self.block):
                yield top, left

    def side(self, first: int, axis: int) -> slice:
        """Return the images of a tile along an axis."""
        return slice(first, min(first + self.block, self.shape[axis]))


class Lacking(NamedTuple):
    """Pairs (n, m) of a tile, which begins at the images `top` and `left`, that are not there."""

    top: int
    left: int
    pairs: NDArray[np.bool]


class Patch(NamedTuple):
    """Some rows and columns of a tile, from its first on: (n,), (m,), and their products and upper bounds (n, m)."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    products: NDArray[np.float64]
    upper_bound: NDArray[np.float64]


def rows_of(there: NDArray[np.uint8], now: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return (N,) which row each image has by its checksum; those that are new get the next ones.

    Of images with the same tokens, each has its own.
    """
    free: defaultdict[bytes, deque[int]] = defaultdict(deque)
    for k, digest in enumerate(there):
        free[digest.tobytes()].append(k)
    rows, following = np.zeros(len(now), np.int64), len(there)
    for i, digest in enumerate(now):
        if own := free.get(digest.tobytes()):
            rows[i] = own.popleft()
        else:
            rows[i], following = following, following + 1
    return rows


def form_of(facts: Mapping[str, Any], label: str) -> GramForm:
    """Return the form that a store says it has.

    Args:
        facts: what it says; whoever wrote it need not be us.
        label: what to call it.

    Raises:
        ValueError: what it says is no form.
    """

    def count(value: Any, least: int) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and value >= least

    def counts(value: Any, least: int) -> bool:
        return isinstance(value, list | tuple) and len(value) == 2 and all(count(each, least) for each in value)

    sound = {
        "shape": counts(facts.get("shape"), 0),
        "sizes": counts(facts.get("sizes"), 1),
        "symmetric": isinstance(facts.get("symmetric"), bool),
        "matcher": isinstance(facts.get("matcher"), str),
        "block": count(facts.get("block"), 1),
        "settings": isinstance(facts.get("settings"), dict),
        "order": isinstance(facts.get("order", ""), str),
    }
    if broken := next((name for name, is_sound in sound.items() if not is_sound), None):
        got = f"{label!r}, whose {broken!r} is {describe(facts.get(broken))}"
        raise ValueError(message("store", "a matched Gram that is whole", got, "Match it anew, into another store."))
    shape, sizes = facts["shape"], facts["sizes"]
    return GramForm(
        shape=(shape[0], shape[1]),
        sizes=(sizes[0], sizes[1]),
        symmetric=facts["symmetric"],
        matcher=printable(facts["matcher"]),
        block=facts["block"],
    )
