"""What similarities retrieve that are read some rows at a time: the scores of `metrics`, and their chance levels.

Every score and every leave-one-out value is a sum over queries, and a query needs its own row alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from semrsm_widgets.common import Matrix, message
from semrsm_widgets.statistics import UNIT, RSMBlocks, Statistic, from_replicates, undefined

from .metrics import (
    Labels,
    Ranking,
    Retrieved,
    average_precision,
    f1_at_k,
    f1_sums_without_one,
    label_f1,
    mean_where,
    precision_sums_without_one,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NUMBERS_AT_ONCE = 2**20
"""Entries of rows that are ranked together; some fifteen arrays of them are made on the way."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelLevels:
    """What label sets of N images say before anything is retrieved, over those that have a label.

    Attributes:
        labels: the label sets.
        places: (n,) which images have a label.
        f1: the mean F1 of one with another.
        least: the smallest.
        relevant: (n,) how many others each shares a label with.
    """

    labels: Labels
    places: NDArray[np.int64]
    f1: float
    least: float
    relevant: NDArray[np.int64]

    @classmethod
    def of(cls, labels: Labels) -> LabelLevels:
        """Return the levels of N label sets, reading some rows of their F1 at a time."""
        places = np.flatnonzero([any(True for _ in each) for each in labels])
        count, total, least = len(places), 0.0, np.inf
        relevant = np.zeros(count, np.int64)
        known = [labels[int(i)] for i in places]
        for rows in _runs(count, count):
            f1 = label_f1(known[rows], known)
            f1[np.arange(len(f1)), np.arange(rows.start, rows.stop)] = np.nan
            total += float(np.nansum(f1))
            least = min(least, float(np.nanmin(f1))) if count > 1 else least
            relevant[rows] = (f1 > 0).sum(1)
        pairs = count * (count - 1)
        return cls(labels=labels, places=places, f1=total / max(1, pairs), least=least, relevant=relevant)


def score_blocks(name: str, rsm: RSMBlocks, levels: LabelLevels, k: int) -> Retrieved:
    """Return what a similarity retrieves that is read some rows at a time, with intervals.

    Args:
        name: of the similarity, for texts.
        rsm: (N, N).
        levels: of the N label sets.
        k: neighbours that count.

    Raises:
        ValueError: another size, or NaN.
    """
    count, known = len(levels.labels), len(levels.places)
    if rsm.shape != (count, count):
        raise ValueError(message(name, f"similarities of shape {(count, count)}, as the labels say", str(rsm.shape)))
    place_of = np.full(count, -1, np.int64)
    place_of[levels.places] = np.arange(known)
    sets = [levels.labels[int(i)] for i in levels.places]
    hubs, f1_values, ap_values = np.zeros(count, np.int64), np.zeros(known), np.zeros(known)
    f1_sums, ap_sums, ap_counts = np.zeros(known), np.zeros(known), np.zeros(known, np.int64)
    for first, order in _rankings(name, rsm):
        hubs += np.bincount(order[:, :k].ravel(), minlength=count)
        own = place_of[first : first + len(order)]
        if not (own >= 0).any():
            continue
        columns = place_of[order[own >= 0]]
        own = own[own >= 0]
        ranking: Ranking = columns[columns >= 0].reshape(len(own), known - 1)
        f1 = label_f1([sets[i] for i in own], sets)
        f1_values[own], ap_values[own] = f1_at_k(ranking, f1, k), average_precision(ranking, f1 > 0)
        if known - 1 > k:
            f1_sums += f1_sums_without_one(ranking, f1, k, own)
        sums, counts = precision_sums_without_one(ranking, f1)
        ap_sums, ap_counts = ap_sums + sums, ap_counts + counts
    without = f1_sums / (known - 1) if known - 1 > k else np.full(known, np.nan)
    why = "no interval: hubs are a property of this set of images"
    return Retrieved(
        f1=from_replicates(float(f1_values.mean()), without, bounds=UNIT),
        average_precision=_mean_precision(ap_values, mean_where(ap_sums, ap_counts)),
        top_hub=Statistic(value=float(hubs.max() / count), n=count, reason=why),
        orphans=Statistic(value=float((hubs == 0).mean()), n=count, reason=why),
    )


def _mean_precision(values: NDArray[np.float64], without: NDArray[np.float64]) -> Statistic:
    defined = ~np.isnan(values)
    if not defined.any():
        return undefined("no image shares a label with another", len(values))
    return from_replicates(float(values[defined].mean()), without, bounds=UNIT)


def _rankings(name: str, rsm: RSMBlocks) -> Iterator[tuple[int, Ranking]]:
    """Yield (first row, complete rankings (n, N - 1) of the other images), nearest first; ties in their order."""
    for rows, block in rsm.blocks():
        if not np.isfinite(block).all():
            raise ValueError(message(name, "finite", f"NaN or infinity in rows {rows.start} to {rows.stop - 1}"))
        for some in _runs(*block.shape):
            part: Matrix = -block[some]
            part[np.arange(len(part)), np.arange(rows.start + some.start, rows.start + some.stop)] = np.inf
            yield rows.start + some.start, np.argsort(part, axis=1, kind="stable")[:, :-1]


def _runs(count: int, width: int) -> Iterator[slice]:
    """Yield rows, so many that they hold _NUMBERS_AT_ONCE entries."""
    step = max(1, _NUMBERS_AT_ONCE // max(1, width))
    for first in range(0, count, step):
        yield slice(first, min(first + step, count))
