"""What has been asked of an Analysis, and the answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from semrsm_widgets.common import Memo
from semrsm_widgets.matching import Assignment
from semrsm_widgets.rsm import Estimate, MatchedGram, NullLevel

if TYPE_CHECKING:
    from torch import Tensor

    from semrsm_widgets.matching import Matcher


class GramKey(NamedTuple):
    """What a Gram depends on."""

    layer: str
    matcher: Matcher


class NullKey(NamedTuple):
    """What the Grams of unrelated tokens depend on: n sampled pairs, and the seed of the sample."""

    layer: str
    matcher: Matcher
    n: int
    seed: int


class AssignmentKey(NamedTuple):
    """What the assignment of images i and j depends on."""

    layer: str
    i: int
    j: int
    matcher: Matcher


class Answers:
    """The answers an Analysis keeps, each computed once, whichever threads ask for it.

    Attributes:
        grams: of the images.
        query_grams: of the queries, in rows, with the images.
        class_token_grams: by layer, and whether it is of the queries.
        nulls: Grams of unrelated tokens.
        levels: what a kernel makes of `nulls`; of the package's own kernels only: others may change their mind.
        widths: σ of the RBF, by layer.
        assignments: of pairs of images.
        estimates: by layer.
        token_norms: by layer.
    """

    def __init__(self) -> None:
        self.grams: Memo[GramKey, MatchedGram] = Memo()
        self.query_grams: Memo[GramKey, MatchedGram] = Memo()
        self.class_token_grams: Memo[tuple[str, bool], MatchedGram] = Memo()
        self.nulls: Memo[NullKey, list[MatchedGram]] = Memo()
        self.levels: dict[Any, NullLevel] = {}
        self.widths: Memo[str, float] = Memo()
        self.assignments: Memo[AssignmentKey, Assignment] = Memo()
        self.estimates: Memo[str, Estimate] = Memo()
        self.token_norms: Memo[str, Tensor] = Memo()

    def select(self, images: Sequence[int]) -> Answers:
        """Return the answers that hold for some of the images, in their order.

        Nulls stay those of all images. What depends on how many there are, such as an estimate, is left out.
        """
        part = Answers()
        for key, gram in self.grams.items():
            part.grams.put(key, gram.select(images, images))
        for key, gram in self.query_grams.items():
            part.query_grams.put(key, gram.select(columns=images))
        for (layer, of_queries), gram in self.class_token_grams.items():
            part.class_token_grams.put((layer, of_queries), gram.select(None if of_queries else images, images))
        for null_key, grams in self.nulls.items():
            part.nulls.put(null_key, grams)
        place = {image: k for k, image in enumerate(images)}
        for pair_key, assignment in self.assignments.items():
            i, j = place.get(pair_key.i), place.get(pair_key.j)
            if i is not None and j is not None:
                part.assignments.put(pair_key._replace(i=i, j=j), assignment)
        return part
