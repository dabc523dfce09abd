"""What stores have of the images of a call that is only planned: nothing is made, written or locked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .attributes import token_facts
from .gram_form import form_of
from .gram_store import GramStore
from .places import GRAM, TOKENS, open_place
from .token_reading import DIGEST_BYTES
from .token_store import ids_of, layers_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


class TokensThere(NamedTuple):
    """What a store has of N images at a layer.

    Attributes:
        images: (N,) which of them are there.
        digests: (N, 32) the SHA-256 of their tokens; zeros where they are not there, or not in their last place yet.
    """

    images: NDArray[np.bool_]
    digests: NDArray[np.uint8]


def tokens_there(store: Any, ids: Sequence[str]) -> dict[str, TokensThere]:
    """Return what a store has of images, known by their ids alone, by layer; nothing of their tokens is read.

    Raises:
        FileNotFoundError: there is no store.
        ValueError: it holds something else, or is of a newer version.
    """
    place = open_place(store, TOKENS)
    facts = token_facts(place)
    if facts is None:
        return {}
    known = ids_of(place, facts)
    row_of = {each: row for row, each in enumerate(known)}
    rows = np.array([row_of.get(each, -1) for each in ids], np.int64)
    is_known = rows >= 0
    found = {}
    for layer in layers_of(place, known, np.arange(len(known)), facts):
        there, digests = np.zeros(len(ids), np.bool_), np.zeros((len(ids), DIGEST_BYTES), np.uint8)
        marks, own = layer.marks()
        there[is_known], digests[is_known] = marks[rows[is_known]], own[rows[is_known]]
        found[layer.name] = TokensThere(there, digests)
    return found


def pairs_left(store: Any, settings: Mapping[str, str], digests: NDArray[np.uint8]) -> int:
    """Return how many pairs of images with themselves a call would match into a store.

    Tiles are read only where a call was stopped, or where images come back that the last call had left out.

    Args:
        store: anything that Zarr opens.
        settings: what products depend on besides the images.
        digests: (N, 32) checksums of the images' tokens; zeros for those that have none yet.

    Raises:
        FileNotFoundError: there is no store.
        ValueError: it is of other tokens or another matcher, or holds something else.
    """
    pairs = _pairs_of(len(digests))
    place = open_place(store, GRAM)
    facts = place.facts(GRAM)
    if facts is None:
        return pairs
    empty = np.arange(0)
    found = GramStore(place, form_of(facts, place), settings, (empty, empty), [digests])
    found.check()
    known = found.rows[0][found.rows[0] < facts["shape"][0]]
    if found.is_settled and np.isin(known, found.rows_of_last_call()[0]).all():
        return pairs - _pairs_of(len(known))
    return sum(int((np.triu(each.pairs, 1) if each.top == each.left else each.pairs).sum()) for each in found.missing())


def _pairs_of(count: int) -> int:
    return count * (count - 1) // 2
