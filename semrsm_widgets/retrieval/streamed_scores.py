"""What similarities retrieve that are read some rows at a time: the scores of `metrics`, and their chance levels.

Every score and every leave-one-out value is a sum over queries, and a query needs its own row alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import Matrix, message
from semrsm_widgets.statistics import UNIT, RSMBlocks, Statistic, from_replicates, mean_of, undefined

from .metrics import (
    Labelled,
    Labels,
    Retrieved,
    average_precision,
    f1_at_k,
    f1_sums_without_one,
    label_f1,
    mean_where,
    precision_sums_without_one,
)
from .ranking import Ranking

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NUMBERS_AT_ONCE = 2**20
"""Entries of rows that are ranked together; some fifteen arrays of them are made on the way."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelLevels:
    """What label sets of N images, or of M queries and N images, say before anything is retrieved.

    Attributes:
        labels: the label sets of the images.
        query_labels: those of the queries; of the images again, where each of these is a query among the others.
        queries: whether the queries are others than the images.
        known: which of the queries, and of the images, have a label.
        f1: the mean F1 of a labelled query with a labelled image that is another.
        least: the smallest; infinite where there is none.
        relevant: how many such images each labelled query shares a label with.
    """

    labels: Labels
    query_labels: Labels
    queries: bool
    known: Labelled
    f1: float
    least: float
    relevant: NDArray[np.int64]

    @classmethod
    def of(cls, labels: Labels, query_labels: Labels | None = None) -> LabelLevels:
        """Return the levels of N label sets, with those of queries if these are others; some rows of F1 at a time."""
        queries = query_labels is not None
        asked = labels if query_labels is None else query_labels
        rows_known, columns_known = (
            np.array([any(True for _ in each) for each in some], np.bool_) for some in (asked, labels)
        )
        known = Labelled(rows_known, columns_known, queries)
        rows, columns = (
            [some[int(i)] for i in np.flatnonzero(is_known)]
            for some, is_known in ((asked, known.rows), (labels, known.columns))
        )
        total, least = 0.0, np.inf
        relevant = np.zeros(len(rows), np.int64)
        for part in _runs(len(rows), len(columns)) if columns else ():
            f1 = label_f1(rows[part], columns)
            if not queries:
                f1[np.arange(len(f1)), np.arange(part.start, part.stop)] = np.nan
            total += float(np.nansum(f1))
            least = min(least, float(np.nanmin(f1))) if known.answers > 0 else least
            relevant[part] = (f1 > 0).sum(1)
        return cls(
            labels=labels,
            query_labels=asked,
            queries=queries,
            known=known,
            f1=total / max(1, len(rows) * known.answers),
            least=least,
            relevant=relevant,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """(M, N), or (N, N)."""
        return len(self.query_labels), len(self.labels)


def score_blocks(name: str, rsm: RSMBlocks | NDArray[Any], levels: LabelLevels, k: int) -> Retrieved:
    """Return what a similarity retrieves of which some rows are ranked at a time, with intervals.

    Args:
        name: of the similarity, for texts.
        rsm: (N, N), or (M, N) of queries: read some rows at a time, or similarities in memory (float), or a ranking of
            at least k images a row (integers), without the query itself.
        levels: of the label sets.
        k: neighbours that count.

    Raises:
        ValueError: another size, or NaN.
    """
    rows, count = levels.shape
    given = rsm if isinstance(rsm, np.ndarray) and rsm.dtype.kind in "iu" else None  # a ranking
    if given is None and rsm.shape != levels.shape:
        raise ValueError(message(name, f"similarities of shape {levels.shape}, as the labels say", str(rsm.shape)))
    known = levels.known
    place_of = np.where(known.columns, np.cumsum(known.columns) - 1, -1)  # among the labelled images
    query_of = np.where(known.rows, np.cumsum(known.rows) - 1, -1)
    length = known.answers if given is None else _labelled_length(given, known)
    sets = [levels.labels[int(i)] for i in np.flatnonzero(known.columns)]
    totals = _Totals.none(int(known.rows.sum()), len(sets))
    hubs = np.zeros(count, np.int64)
    for first, order in _rankings(name, rsm, queries=levels.queries):
        hubs += np.bincount(order[:, :k].ravel(), minlength=count)
        here = query_of[first : first + len(order)]
        if not (here >= 0).any():
            continue
        places = place_of[order[here >= 0]]
        ranking: Ranking = np.array([row[row >= 0][:length] for row in places], np.int64).reshape(len(places), length)
        asked = [levels.query_labels[first + int(i)] for i in np.flatnonzero(here >= 0)]
        totals.add(here[here >= 0], ranking, label_f1(asked, sets), k, levels)
    why = "no interval: hubs are a property of this set of images"
    return Retrieved(
        f1=totals.f1(k, length, levels),
        average_precision=totals.average_precision(length, levels),
        top_hub=Statistic(value=float(hubs.max() / rows), n=rows, reason=why),
        orphans=Statistic(value=float((hubs == 0).mean()), n=rows, reason=why),
    )


@dataclass(eq=False)
class _Totals:
    """What labelled queries retrieve, and the sums over them without an image as an answer."""

    f1_values: NDArray[np.float64]
    ap_values: NDArray[np.float64]
    f1_sums: NDArray[np.float64]
    ap_sums: NDArray[np.float64]
    ap_counts: NDArray[np.int64]

    @classmethod
    def none(cls, queries: int, images: int) -> _Totals:
        return cls(
            f1_values=np.full(queries, np.nan),
            ap_values=np.full(queries, np.nan),
            f1_sums=np.zeros(images),
            ap_sums=np.zeros(images),
            ap_counts=np.zeros(images, np.int64),
        )

    def add(self, rows: NDArray[np.int64], ranking: Ranking, f1: Matrix, k: int, levels: LabelLevels) -> None:
        """Take in some queries; those from outside are left out one by one, so that no sums are needed."""
        length = ranking.shape[1]
        if length >= k:
            self.f1_values[rows] = f1_at_k(ranking, f1, k)
        if length > k and not levels.queries:
            self.f1_sums += f1_sums_without_one(ranking, f1, k, rows)
        if length == levels.known.answers:
            self.ap_values[rows] = average_precision(ranking, f1 > 0)
            if not levels.queries:
                sums, counts = precision_sums_without_one(ranking, f1)
                self.ap_sums, self.ap_counts = self.ap_sums + sums, self.ap_counts + counts

    def f1(self, k: int, length: int, levels: LabelLevels) -> Statistic:
        """Return the mean F1@k."""
        count = len(self.f1_values)
        if length < k:
            return undefined(f"the ranking lists fewer than {k} labelled images", count)
        if levels.queries:
            return mean_of(self.f1_values, bounds=UNIT)
        without = self.f1_sums / (count - 1) if length > k else np.full(count, np.nan)
        return from_replicates(float(self.f1_values.mean()), without, bounds=UNIT)

    def average_precision(self, length: int, levels: LabelLevels) -> Statistic:
        """Return the mean average precision."""
        count, defined = len(self.ap_values), ~np.isnan(self.ap_values)
        if length != levels.known.answers:
            return undefined("the ranking does not list all images", count)
        if not defined.any():
            return undefined("no image shares a label with another", count)
        values = self.ap_values[defined]
        if levels.queries:
            return mean_of(values, bounds=UNIT)
        return from_replicates(float(values.mean()), mean_where(self.ap_sums, self.ap_counts), bounds=UNIT)


def _labelled_length(order: NDArray[Any], known: Labelled) -> int:
    """Return how many labelled images the shortest row of a ranking has, over labelled queries."""
    return min((int(known.columns[row].sum()) for row in order[known.rows]), default=0)


def _rankings(name: str, rsm: RSMBlocks | NDArray[Any], *, queries: bool) -> Iterator[tuple[int, Ranking]]:
    """Yield (first row, rankings (n, R) of the other images), nearest first; ties in their order."""
    if isinstance(rsm, np.ndarray) and rsm.dtype.kind in "iu":
        for rows in _runs(*rsm.shape):
            ranking: Ranking = rsm[rows]
            yield rows.start, ranking
        return
    for rows, block in _blocks_of(rsm):
        if not np.isfinite(block).all():
            raise ValueError(message(name, "finite", f"NaN or infinity in rows {rows.start} to {rows.stop - 1}"))
        for some in _runs(*block.shape):
            part = -block[some]
            if not queries:
                part[np.arange(len(part)), np.arange(rows.start + some.start, rows.start + some.stop)] = np.inf
            order: Ranking = np.argsort(part, axis=1, kind="stable")
            yield rows.start + some.start, order if queries else order[:, :-1]


def _blocks_of(rsm: RSMBlocks | NDArray[Any]) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Yield some rows of similarities at a time, with which they are."""
    if isinstance(rsm, np.ndarray):
        return ((rows, rsm[rows]) for rows in _runs(*rsm.shape))
    return rsm.blocks()


def _runs(count: int, width: int) -> Iterator[slice]:
    """Yield rows, so many that they hold _NUMBERS_AT_ONCE entries."""
    step = max(1, _NUMBERS_AT_ONCE // max(1, width))
    for first in range(0, count, step):
        yield slice(first, min(first + step, count))
