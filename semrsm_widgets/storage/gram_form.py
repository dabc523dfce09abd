"""What a matched Gram in a store is made of: its form, its images by the checksums of their tokens, parts of tiles."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from semrsm_widgets.common import printable
from semrsm_widgets.tokens import StoredTensor, in_blocks

from .attributes import are_counts, check_sound, is_count
from .token_reading import DIGEST_BYTES, StoredPart, digests_of, to_array

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from .places import Place

TILES = "tiles"
SETTLED = "settled"
"""The attribute that says that all tiles are there, with what `fallbacks` adds up to: a file a tile takes its time."""
ORDERS = ("orders/0", "orders/1")
"""Where it is said which images a store is of, where they are not all of them in its order: in turn, as whoever opens
it meanwhile reads the last one, and what a killed call has left is written over."""
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
    pairs: NDArray[np.bool_]


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


def form_of(facts: Mapping[str, Any], place: Place) -> GramForm:
    """Return the form that a store says it has, and that its arrays have.

    Args:
        facts: what it says; whoever wrote it need not be us.
        place: the store.

    Raises:
        ValueError: what it says is no form, or not that of what is there.
    """
    shape, sizes, block = facts.get("shape"), facts.get("sizes"), facts.get("block")
    symmetric, order, settings = facts.get("symmetric"), facts.get("order", ""), facts.get("settings")
    tiles = place.group.get(TILES)
    room = getattr(tiles, "shape", ())[1:]
    has_shape, has_block = are_counts(shape, 0), is_count(block, 1)
    sound = {
        TILES: len(room) == 2,
        "shape": has_shape and all(count <= most for count, most in zip(shape or (), room, strict=False)),
        "sizes": are_counts(sizes, 1),
        "symmetric": isinstance(symmetric, bool) and symmetric != ("y_sq_norms" in place.group),
        "matcher": isinstance(facts.get("matcher"), str),
        "block": has_block and (tiles is None or tiles.chunks[1:] == (block, block)),
        "settings": isinstance(settings, dict) and all(isinstance(each, str) for each in settings.values()),
        "order": isinstance(order, str) and (order == "" or (order in ORDERS and order in place.group)),
    }
    if symmetric is True and has_shape:
        sound["shape"] &= facts["shape"][0] == facts["shape"][1]
    todo = "Match it anew, into another store."
    check_sound(sound, facts, repr(place.label), "a matched Gram that is whole", todo)
    return GramForm(
        shape=(facts["shape"][0], facts["shape"][1]),
        sizes=(facts["sizes"][0], facts["sizes"][1]),
        symmetric=facts["symmetric"],
        matcher=printable(facts["matcher"]),
        block=facts["block"],
    )


def settled(place: Place) -> tuple[int, int] | None:
    """Return what a store says that its `fallbacks` add up to, all tiles being there; None where it does not say it.

    Raises:
        ValueError: it says something else.
    """
    both = place.attribute(SETTLED)
    if both is None:
        return None
    todo = "Match it anew, into another store."
    check_sound(
        {SETTLED: are_counts(both, 0)}, {SETTLED: both}, repr(place.label), "a matched Gram that is whole", todo
    )
    return both[0], both[1]
