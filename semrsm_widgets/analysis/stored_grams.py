"""The matched Grams of an Analysis in a store: a group for each layer and matcher, gone on with after a kill."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from semrsm_widgets.rsm import PAIR_BYTES, StoredGram, kept_gram, matched_gram, token_gram
from semrsm_widgets.storage import group_name, part_of

if TYPE_CHECKING:
    from torch import Tensor

    from semrsm_widgets.common import Progress
    from semrsm_widgets.matching import Matcher
    from semrsm_widgets.rsm import MatchedGram
    from semrsm_widgets.tokens import Tokens

QUERIES = "queries"


def gram_names(layer: str, matcher: Matcher) -> tuple[str, str]:
    """Return under which names the Gram of a layer is kept in a store of several."""
    return group_name(layer), group_name(repr(matcher))


def gram_place(store: Any, layer: str, matcher: Matcher) -> Any:
    """Return the group in which an Analysis with that `store` keeps the Gram of a layer, made where it is not there."""
    return part_of(store, *gram_names(layer, matcher))


class StoredGrams:
    """Where the Grams of an Analysis are kept.

    Args:
        store: the path of a folder, a URL, a Zarr store or group.
        memory: bytes of a Gram that are read at once.
    """

    def __init__(self, store: Any, memory: int) -> None:
        self._store, self.memory = store, memory
        part_of(store)  # what is no place for Grams says so before anything is matched

    def kept(self, layer: str, tokens: Tokens, matcher: Matcher) -> StoredGram | None:
        """Return the Gram of a layer if it is complete."""
        found = kept_gram(self._place(layer, matcher), tokens.values, matcher)
        return None if found is None else found.within(self.memory)

    def matched(self, layer: str, tokens: Tokens, matcher: Matcher, progress: Progress) -> StoredGram:
        """Return the Gram of a layer, having matched what is missing of it."""
        return self._within(matched_gram(tokens, matcher=matcher, store=self._place(layer, matcher), progress=progress))

    def matched_queries(
        self, layer: str, queries: Tokens, tokens: Tokens, matcher: Matcher, progress: Progress
    ) -> StoredGram:
        """Return the Gram of queries with the images of a layer, having matched what is missing of it."""
        place = part_of(self._store, group_name(layer), QUERIES, group_name(repr(matcher)))
        return self._within(matched_gram(queries, tokens, matcher=matcher, store=place, progress=progress))

    def of_class_tokens(self, rows: Tensor, columns: Tensor | None) -> MatchedGram:
        """Return the Gram of class tokens (N, 1, D), with themselves or with others; it is not kept, but multiplied."""
        return token_gram(rows, columns, memory=self.memory)

    def hold(self, rows: int, columns: int) -> bool:
        """Return whether a Gram of so many images with so many may be read at once."""
        return PAIR_BYTES * rows * columns <= self.memory

    def _within(self, gram: MatchedGram) -> StoredGram:
        assert isinstance(gram, StoredGram), "a Gram that was to be stored"
        return gram.within(self.memory)

    def _place(self, layer: str, matcher: Matcher) -> Any:
        return gram_place(self._store, layer, matcher)
