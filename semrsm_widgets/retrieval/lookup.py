"""One query among the images: how alike each image is to it under every similarity, and what that retrieves.

A query is an image of the set, a picture from outside it, or some patches of either. It costs N matchings, not the
N² / 2 of an RSM; where the RSM is there already, its row is taken.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from semrsm_widgets.analysis import present
from semrsm_widgets.common import Memo, Progress
from semrsm_widgets.matching import Identity
from semrsm_widgets.rsm import (
    NULL_PAIRS,
    PATCH_SIMILARITIES,
    SIMILARITIES,
    Kernel,
    MatchedGram,
    NullLevel,
    UndefinedKernelError,
    matched_gram,
    null_grams,
    rbf,
    rbf_sigma,
)
from semrsm_widgets.tokens import PatchBox, box_tokens

from .metrics import average_precision, chance_average_precision, label_f1
from .query import Query, check_rankings
from .ranking import nearest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.analysis import Analysis
    from semrsm_widgets.matching import Matcher
    from semrsm_widgets.tokens import Tokens

LARGEST_K = 20
"""Up to this many answers F1@k and certainty are given."""
# Rows are small: as many as one looks at in a while.
_KEPT = 128


class RowKey(NamedTuple):
    """What the Gram of a query with all images depends on; `query` is the key of a Query.

    `in_rsm` is whether it is a row of an RSM that was there.
    """

    layer: str
    query: Hashable
    box: PatchBox | None
    matcher: Matcher
    in_rsm: bool = False


class NotDefinedError(ValueError):
    """A similarity that has no value for this kind of query; the text says why."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Ranked:
    """The images in the order of their similarity to a query.

    Attributes:
        name: "aligned", "semantic", "pooled", "class token", or that of a ranking of one's own.
        values: (N,) float64, the similarities; NaN at the query itself.
        order: (R,) int64, the images without the query, nearest first; empty if undefined.
        certain: (K,) bool: whether it is proven that no other image belongs among the first 1, 2, ... K; None where
            there is nothing to prove, or no certificate.
        f1: (K,) float64, F1@1 to F1@K among the images that have a label; empty without labels.
        average_precision: among the same; NaN without labels, or where no other image shares one.
        reason: why there is no such ranking; else empty.
    """

    name: str
    values: NDArray[np.float64]
    order: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    certain: NDArray[np.bool_] | None = None
    f1: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    average_precision: float = np.nan
    reason: str = ""

    def __repr__(self) -> str:
        what = self.reason or f"{len(self.order)} images, average precision {self.average_precision:.4f}"
        return f"Ranked({self.name!r}: {what})"


@dataclass(frozen=True, eq=False, kw_only=True)
class Answers:
    """What is known of the labels: which images are right, and what chance retrieves.

    Attributes:
        f1: (N,) float64, F1 of each image's labels with the query's; 1 for the same, 0 for none in common, NaN for an
            image without a label, which counts neither as right nor as wrong.
        relevant: how many other images share a label with the query.
        chance_f1: F1@k of labelled images in a random order, for every k.
        chance_average_precision: average precision of a random order of them; NaN if nothing is relevant.
        labelled: how many other images have a label.
        unlabelled: how many have none and are left out.
    """

    f1: NDArray[np.float64]
    relevant: int
    chance_f1: float
    chance_average_precision: float
    labelled: int
    unlabelled: int

    def __repr__(self) -> str:
        left_out = f"; {self.unlabelled} without a label left out" if self.unlabelled else ""
        return f"Answers({self.relevant} of {self.labelled} images are right{left_out})"


class Lookup:
    """Looks up queries among the images of an Analysis; remembers what it matched.

    Args:
        analysis: whose images.
        rankings: name -> (N, N) similarities of your own, larger is more similar, to stand beside the others.

    Raises:
        TypeError: `rankings` is no mapping of names to matrices of numbers.
        ValueError: a matrix that is not (N, N) or not finite, or a name that is taken.
    """

    def __init__(self, analysis: Analysis, rankings: Mapping[str, Any] | None = None) -> None:
        self.analysis = analysis
        self.rankings = check_rankings(rankings, len(analysis))
        # A worker and whoever saves a figure ask at the same time.
        self._rows: Memo[RowKey, MatchedGram] = Memo(keep=_KEPT)
        self._nulls: Memo[tuple[str, PatchBox], list[MatchedGram]] = Memo(keep=_KEPT)

    def __repr__(self) -> str:
        return f"Lookup({self.analysis!r}{''.join(f', {name!r}' for name in self.rankings)})"

    def names(self, layer: str) -> tuple[str, ...]:
        """Return the similarities of a layer: the class token's only where the layer has one."""
        tokens = self.analysis.tokens[layer]
        has_class_token = tokens.has_class_token and tokens.prefix is not None
        return (*(SIMILARITIES if has_class_token else PATCH_SIMILARITIES), *self.rankings)

    def patches(self, layer: str, query: Query) -> tuple[int, int]:
        """Return how many tokens of the query are looked up, and of how many."""
        count = int(self._tokens(layer, query).values.shape[1])
        if query.box is None:
            return count, count
        top, left, bottom, right = query.box
        return (bottom - top) * (right - left), count

    def has(self, layer: str, query: Query) -> bool:
        """Return whether the semantic similarities of a query are there already."""
        matcher = self.analysis.matcher
        return self._in_rsm(layer, query, matcher) or RowKey(layer, query.key, query.box, matcher) in self._rows

    def has_null(self, layer: str, query: Query) -> bool:
        """Return whether the level of unrelated tokens is there already."""
        return self.analysis.has_null(layer) if query.box is None else (layer, query.box) in self._nulls

    def match(self, layer: str, query: Query, progress: Progress | None = None) -> MatchedGram:
        """Return the matched products (1, R) of a query with all other images, computed on first use.

        Args:
            layer: one of the Analysis' layers.
            query: what is looked up.
            progress: called with (pairs done, pairs in all) while it is computed; may raise to cancel.
        """
        return self._row(layer, query, self.analysis.matcher, progress)

    def kernel(self, layer: str, query: Query, kernel: Kernel) -> tuple[Kernel, float | None, bool]:
        """Return the kernel with the RBF's σ filled in, that σ, and whether it is the query's own.

        σ is that of the layer's semantic Gram, as in RSMs, where that Gram is there and the query is whole; else it is
        derived from the query's own row. The order of the images is the same under any σ.

        Raises:
            UndefinedKernelError: σ cannot be derived.
        """
        if kernel is not rbf:
            return kernel, None, False
        if query.box is None and self.analysis.has(layer):
            return *self.analysis.shared_kernel(layer, rbf), False
        sigma = rbf_sigma(self.match(layer, query))
        return partial(rbf, sigma=sigma), sigma, True

    def rank(self, name: str, layer: str, query: Query, kernel: Kernel) -> Ranked:
        """Return the images ranked by one similarity; with the reason where it is not defined for this query.

        Args:
            name: one of `names(layer)`.
            layer: one of the Analysis' layers.
            query: what is looked up.
            kernel: from `kernel(...)`; under the plain RBF the class token's width is its own in any case.
        """
        try:
            values, upper = self._values(name, layer, query, kernel)
        except (NotDefinedError, UndefinedKernelError) as error:
            return Ranked(name=name, values=np.full(len(self.analysis), np.nan), reason=str(error))
        others = self._others(query)
        order = others[nearest(values[None, others], queries=True)[0]] if len(others) else others
        f1, precision = self._scores(order, query)
        return Ranked(
            name=name,
            values=values,
            order=order,
            certain=None if upper is None else _certain(values[order], upper[order]),
            f1=f1,
            average_precision=precision,
        )

    def answers(self, query: Query) -> Answers | None:
        """Return which images are right and what chance retrieves; None without labels."""
        f1 = self._label_f1(query)
        if f1 is None:
            return None
        every = f1[self._others(query)]
        others = every[~np.isnan(every)]
        relevant = int((others > 0).sum())
        chance = float(chance_average_precision(relevant, len(others))) if relevant else np.nan
        return Answers(
            f1=f1,
            relevant=relevant,
            chance_f1=float(others.mean()) if len(others) else np.nan,
            chance_average_precision=chance,
            labelled=len(others),
            unlabelled=len(every) - len(others),
        )

    def null(self, layer: str, query: Query, kernel: Kernel, progress: Progress | None = None) -> NullLevel:
        """Return what the semantic similarity reaches between unrelated tokens, as many as the query has.

        Args:
            layer: one of the Analysis' layers.
            query: for a box it is the level of boxes at that place in other images.
            kernel: from `kernel(...)`.
            progress: called with (pairs done, pairs in all) while it is computed; may raise to cancel.

        Raises:
            ValueError: fewer than two images.
        """
        if query.box is None:
            return self.analysis.null(layer, kernel, progress=progress)
        box = query.box

        def compute(report: Progress) -> list[MatchedGram]:
            tokens = present(self.analysis.tokens[layer])
            part = torch.from_numpy(box_tokens(box, tokens.grid))
            return null_grams(tokens.values, self.analysis.matcher, n=NULL_PAIRS, seed=0, part=part, progress=report)

        grams = self._nulls.get((layer, box), compute, progress)
        return NullLevel.of(grams, kernel)

    # -- grams, (1, R) each: the query with all other images ------------------------------------------------------

    def _gram(self, name: str, layer: str, query: Query) -> MatchedGram:
        """Return the Gram of one similarity; raise NotDefinedError where there is none."""
        if name == "semantic":
            return self.match(layer, query)
        if name == "class token":
            return self._class_token_gram(layer, query)
        if name == "pooled" and query.box is not None:
            gram = self.match(layer, query)
            return gram.pooled().scaled(min(gram.sizes))
        if name == "aligned" and query.box is not None:
            why = "Not defined for a part of an image: aligned compares every patch with the one at the same position."
            raise NotDefinedError(why)
        gram = self._row(layer, query, Identity(), None)
        return gram if name == "aligned" else gram.pooled().scaled(gram.sizes[0])

    def _class_token_gram(self, layer: str, query: Query) -> MatchedGram:
        if query.box is not None:
            raise NotDefinedError("The class token stands for the whole image, not for some of its patches.")
        if query.index is not None:
            gram = self.analysis.class_token_gram(layer)
        else:
            gram = matched_gram(self._tokens(layer, query).cls(), self.analysis.tokens[layer].cls(), matcher=Identity())
        assert gram is not None  # it is a name of this layer
        return self._without_query(gram, query)

    def _row(self, layer: str, query: Query, matcher: Matcher, progress: Progress | None) -> MatchedGram:
        """Return the (1, R) Gram of a query under a matcher: from the RSM, from what is remembered, or computed."""
        in_rsm = self._in_rsm(layer, query, matcher)

        def compute(report: Progress) -> MatchedGram:
            if in_rsm:
                return self._without_query(self.analysis.gram(layer, matcher=matcher), query)
            database = present(self.analysis.tokens[layer])
            gram = matched_gram(self._looked_up(layer, query), database, matcher=matcher, progress=report)
            return self._without_query(gram, query)

        return self._rows.get(RowKey(layer, query.key, query.box, matcher, in_rsm), compute, progress)

    def _in_rsm(self, layer: str, query: Query, matcher: Matcher) -> bool:
        """Return whether the query is a row of an RSM that is there."""
        return query.index is not None and query.box is None and self.analysis.has(layer, matcher=matcher)

    def _without_query(self, gram: MatchedGram, query: Query) -> MatchedGram:
        """Return the (1, R) row of a query in a Gram of all images, or of the query alone, without itself."""
        row = 0 if query.index is None or gram.shape[0] == 1 else query.index
        part = gram.select([row], self._others(query).tolist())  # of one in a store, the tiles of this row are read
        return replace(part, symmetric=False, width_from=gram if gram.symmetric else None)

    def _tokens(self, layer: str, query: Query) -> Tokens:
        return self.analysis.tokens[layer] if query.tokens is None else query.tokens[layer]

    def _looked_up(self, layer: str, query: Query) -> torch.Tensor:
        """Return (1, S, D) the tokens that are looked up."""
        tokens = present(self._tokens(layer, query))
        row = 0 if query.index is None else query.index
        values = tokens.values[row : row + 1]
        return values if query.box is None else values[:, torch.from_numpy(box_tokens(query.box, tokens.grid))]

    def partners(self, layer: str, query: Query, images: Sequence[int]) -> NDArray[np.int64]:
        """Return (len(images), P) int64, the token of each image that the best matching pairs with each one looked up.

        -1 where the image has fewer tokens than are looked up, and one is left over.
        """
        looked_up, tokens = self._looked_up(layer, query), present(self.analysis.tokens[layer])
        return self.analysis.matcher(looked_up.expand(len(images), -1, -1), tokens.values[list(images)]).permutation

    # -- rankings ---------------------------------------------------------------------------------------------------

    def _values(
        self, name: str, layer: str, query: Query, kernel: Kernel
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """Return the similarities (N,) and, where there is a certificate, their upper bounds."""
        if name in self.rankings:
            return self._own_values(name, query), None
        gram = self._gram(name, layer, query)
        if name == "class token" and _is_rbf(kernel):
            kernel = rbf  # its norms are its own, and so is its width
        values = self._spread(kernel(gram)[0], query)
        certified = name == "semantic" and bool(np.isfinite(gram.upper_bound).all())
        return values, self._spread(kernel(gram.at_upper_bound())[0], query) if certified else None

    def _own_values(self, name: str, query: Query) -> NDArray[np.float64]:
        if query.index is None:
            raise NotDefinedError(f"{name} ranks the images of the set, and this picture is from outside.")
        if query.box is not None:
            raise NotDefinedError(f"{name} ranks whole images, not parts of them.")
        values: NDArray[np.float64] = self.rankings[name][query.index].copy()
        values[query.index] = np.nan
        return values

    def _others(self, query: Query) -> NDArray[np.int64]:
        everything = np.arange(len(self.analysis))
        return everything if query.index is None else np.delete(everything, query.index)

    def _spread(self, values: NDArray[np.float64], query: Query) -> NDArray[np.float64]:
        """Return (N,) with NaN at the query."""
        full = np.full(len(self.analysis), np.nan)
        full[self._others(query)] = values
        return full

    def _label_f1(self, query: Query) -> NDArray[np.float64] | None:
        """Return (N,) F1 of the labels, NaN where an image has none; None where the query's or all are not known."""
        labels = self.analysis.images.labels
        own = query.labels if query.index is None or labels is None else labels[query.index]
        if labels is None or not own:
            return None
        f1: NDArray[np.float64] = label_f1([own], labels)[0]
        f1[[not names for names in labels]] = np.nan
        return f1

    def _scores(self, order: NDArray[np.int64], query: Query) -> tuple[NDArray[np.float64], float]:
        """Return (K,) F1@1 to F1@K and the average precision."""
        f1 = self._label_f1(query)
        if f1 is None:
            return np.zeros(0), np.nan
        order = order[~np.isnan(f1[order])]
        f1 = np.nan_to_num(f1)
        most = min(LARGEST_K, len(order))
        if most == 0:
            return np.zeros(0), np.nan
        at = np.cumsum(f1[order[:most]]) / np.arange(1, most + 1)  # `f1_at_k` for every k
        return at, float(average_precision(order[None], f1[None] > 0)[0])


def _certain(values: NDArray[np.float64], upper: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return (K,) whether no image after the first k can belong among them; both arrays nearest first."""
    most = min(LARGEST_K, len(values))
    best_after = np.append(np.maximum.accumulate(upper[::-1])[::-1][1:], -np.inf)
    certain: NDArray[np.bool_] = best_after[:most] <= values[:most]
    return certain


def _is_rbf(kernel: Kernel) -> bool:
    return isinstance(kernel, partial) and kernel.func is rbf
