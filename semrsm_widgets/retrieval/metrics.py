"""How good a ranking is: F1 and average precision over label sets, with their intervals."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import Matrix, check_int, check_several, message, read_numbers
from semrsm_widgets.statistics import UNIT, Statistic, check_matrix, from_replicates, mean_of, undefined

from .ranking import Ranking

if TYPE_CHECKING:
    from numpy.typing import NDArray

Labels = Sequence[Collection[str]]


def label_f1(labels: Labels, other: Labels | None = None) -> Matrix:
    """Return the F1 of label sets, (N, M): `2 |A ∩ B| / (|A| + |B|)`, 0 where both are empty.

    With one label an image it is 1 for the same label and 0 for another.

    Args:
        labels: N label sets, such as `images.labels`.
        other: M label sets; None for the same.

    Raises:
        TypeError: a label set is a single string.
        ValueError: all label sets are empty.

    Example:
        >>> label_f1([{"cat"}, {"cat", "dog"}])
        array([[1.        , 0.66666667],
               [0.66666667, 1.        ]])
    """
    rows = _check_labels("labels", labels)
    columns = rows if other is None else _check_labels("other", other)
    names = {name: k for k, name in enumerate(sorted(frozenset().union(*rows, *columns)))}
    a, b = _one_hot(rows, names), _one_hot(columns, names)
    total = np.add.outer(a.sum(1), b.sum(1))
    f1: Matrix = np.divide(2 * (a @ b.T), total, out=np.zeros(total.shape), where=total > 0)
    return f1


def label_auc(K: Any, labels: Labels) -> float:
    """Return how often a pair of images with a label in common is more similar than one without; ties count half.

    Chance gives 0.5. Pairs with an unlabelled image do not count; NaN where either kind of pair is missing.

    Args:
        K: (N, N) symmetric similarities.
        labels: N label sets, such as `images.labels`.

    Example:
        >>> label_auc([[1.0, 0.8, 0.1], [0.8, 1.0, 0.2], [0.1, 0.2, 1.0]], [{"cat"}, {"cat"}, {"dog"}])
        1.0
    """
    from scipy.stats import rankdata  # here: it takes a third of a second, which most sessions never need

    matrix, sets = check_matrix("K", K), _check_labels("labels", labels)
    labelled = np.array([bool(each) for each in sets])
    i, j = np.triu_indices(len(matrix), 1)
    counts = labelled[i] & labelled[j]
    same, values = (label_f1(sets)[i, j] > 0)[counts], matrix[i, j][counts]
    n = int(same.sum())
    if n in (0, len(same)):
        return float("nan")
    return float((rankdata(values)[same].sum() - n * (n + 1) / 2) / (n * (len(same) - n)))


def f1_at_k(ranking: Any, f1: Any, k: int) -> NDArray[np.float64]:
    """Return (N,) the mean F1 of the label sets of each row's k nearest images.

    An image without labels counts as wrong here, as its F1 says; `retrieval_scores` leaves such images out.

    Args:
        ranking: (N, >= k) column indices, nearest first, as `nearest` gives them.
        f1: (N, M), from `label_f1`.
        k: how many.

    References:
        Wald et al., arXiv:2410.23107, section 4.1 (retrieval judged by the F1 of the labels).

    Example:
        >>> f1_at_k([[1], [0]], label_f1([{"cat"}, {"cat", "dog"}]), k=1)
        array([0.66666667, 0.66666667])
    """
    scores = check_matrix("f1", f1)
    order = _check_ranking(ranking, *scores.shape)
    check_int("k", k, minimum=1, maximum=order.shape[1])
    mean: NDArray[np.float64] = np.take_along_axis(scores, order[:, :k], 1).mean(1)
    return mean


def average_precision(ranking: Any, relevant: Any) -> NDArray[np.float64]:
    """Return (N,) the average precision of complete rankings: the mean, over relevant images, of the precision there.

    NaN for a query to which nothing is relevant.

    Args:
        ranking: (N, R) column indices, nearest first, of all images that could be retrieved.
        relevant: (N, M) bool: whether image j is an answer to query i; such as `label_f1(labels) > 0`.

    Raises:
        ValueError: indices outside of 0 to M - 1, or twice in a row; a matrix of something else than True and False.

    Example:
        >>> average_precision([[1, 2, 0]], [[False, True, True]])
        array([1.])
    """
    answers = read_numbers("relevant", relevant)[0]
    if answers.ndim != 2 or not (answers.dtype == bool or (answers.dtype.kind in "iuf" and _is_zero_or_one(answers))):
        todo = "From label sets: label_f1(labels) > 0."
        raise ValueError(message("relevant", "a matrix (N, M) of True and False", answers, todo))
    order = _check_ranking(ranking, *answers.shape)
    hits = np.take_along_axis(answers.astype(bool), order, 1)
    precision = np.cumsum(hits, 1) / np.arange(1, hits.shape[1] + 1)
    found = hits.sum(1)
    values: NDArray[np.float64] = np.full(len(hits), np.nan)
    np.divide((precision * hits).sum(1), found, out=values, where=found > 0)
    return values


def chance_average_precision(relevant: int | NDArray[Any], total: int) -> NDArray[np.float64]:
    """Return the expected average precision of a random order of `total` images of which some are relevant.

    ((R - 1)(M - H_M) / (M - 1) + H_M) / M, with the harmonic number H_M.

    Raises:
        ValueError: fewer than none or more than `total` of them, or a total below 1.

    References:
        Bestgen, *Exact expected average precision of the random baseline* (2015), eq. 3.

    Example:
        >>> chance_average_precision(1, 2)
        array(0.75)
    """
    from scipy.special import digamma  # here: see below

    total = check_int("total", total, minimum=1, maximum=2**53)
    given, _ = read_numbers("relevant", relevant)
    if given.dtype.kind not in "iuf" or not np.all((given >= 0) & (given <= total)):
        raise ValueError(message("relevant", f"counts from 0 to `total`, {total}", relevant))
    count = given.astype(np.float64)
    harmonic = float(digamma(total + 1)) + np.euler_gamma
    slope = (total - harmonic) / (total - 1) if total > 1 else 0.0
    value: NDArray[np.float64] = np.asarray(((count - 1) * slope + harmonic) / total)
    return value


@dataclass(frozen=True, kw_only=True)
class Retrieved:
    """What one similarity retrieves.

    Attributes:
        f1: mean F1@k over the labelled queries, among labelled images.
        average_precision: mean average precision over those of them to which something is relevant.
        top_hub: the largest share of queries that one image is among the k nearest of.
        orphans: share of images that are among nobody's k nearest.
    """

    f1: Statistic
    average_precision: Statistic
    top_hub: Statistic
    orphans: Statistic


@dataclass(frozen=True, eq=False)
class Labelled:
    """Which of N queries and of M images have a label: nothing is known of what the others show.

    Attributes:
        rows: (N,) bool.
        columns: (M,) bool.
        queries: whether the rows are other images than the columns.
    """

    rows: NDArray[np.bool_]
    columns: NDArray[np.bool_]
    queries: bool

    @property
    def answers(self) -> int:
        """How many labelled images a labelled query could find."""
        return int(self.columns.sum()) - (not self.queries)

    def part(self, matrix: NDArray[Any]) -> NDArray[Any]:
        """Return the entries (n, m) of labelled queries and labelled images."""
        return matrix[np.ix_(self.rows, self.columns)]

    def ranking(self, order: Ranking) -> Ranking:
        """Return the ranking of labelled images for labelled queries, as long as the shortest row of it."""
        if self.rows.all() and self.columns.all():
            return order
        places = np.cumsum(self.columns) - 1
        rows = [places[row[self.columns[row]]] for row in order[self.rows]]
        length = min(len(row) for row in rows)
        return np.array([row[:length] for row in rows], dtype=np.int64).reshape(len(rows), length)


def score_ranking(
    order: Ranking, f1: Matrix, k: int, *, complete: bool, queries: bool, labelled: Labelled | None = None
) -> Retrieved:
    """Return what a ranking retrieves, with intervals.

    Among the images themselves each image is query and answer at once, so an image is left out as both; queries from
    outside are left out one by one, the database stays as it is.

    Args:
        order: (N, R) column indices, nearest first.
        f1: (N, M) F1 of the label sets.
        k: neighbours that count.
        complete: whether the ranking lists all images that could be retrieved.
        queries: whether the rows are other images than the columns.
        labelled: which have a label; the others are no queries and no answers, but may be hubs. None for all.
    """
    n, m = f1.shape
    counts = np.bincount(order[:, :k].ravel(), minlength=m)
    if labelled is not None:
        order, f1 = labelled.ranking(order), labelled.part(f1)
        complete = order.shape[1] == labelled.answers
    found = _label_scores(order, f1, k, complete=complete, queries=queries)
    why = "no interval: hubs are a property of this set of images"
    return Retrieved(
        f1=found["f1"],
        average_precision=found["ap"],
        top_hub=Statistic(value=float(counts.max() / n), n=n, reason=why),
        orphans=Statistic(value=float((counts == 0).mean()), n=n, reason=why),
    )


def _label_scores(order: Ranking, f1: Matrix, k: int, *, complete: bool, queries: bool) -> dict[str, Statistic]:
    """Return F1@k and average precision over labelled images, with intervals."""
    n = len(f1)
    without = {"f1": _f1_without_one, "ap": _precision_without_one}
    is_long_enough = order.shape[1] >= k
    per_query = {
        "f1": f1_at_k(order, f1, k) if is_long_enough else np.full(n, np.nan),
        "ap": average_precision(order, f1 > 0) if complete else np.full(n, np.nan),
    }
    found: dict[str, Statistic] = {}
    for name, values in per_query.items():
        defined = ~np.isnan(values)
        if not is_long_enough and name == "f1":
            found[name] = undefined(f"the ranking lists fewer than {k} labelled images", n)
        elif not complete and name == "ap":
            found[name] = undefined("the ranking does not list all images", n)
        elif not defined.any():
            found[name] = undefined("no image shares a label with another", n)
        elif queries:
            found[name] = mean_of(values[defined], bounds=UNIT)
        else:
            replicates = without[name](order, f1, k)
            found[name] = from_replicates(float(values[defined].mean()), replicates, bounds=UNIT)
    return found


def _f1_without_one(order: Ranking, f1: Matrix, k: int) -> NDArray[np.float64]:
    """Return (N,) the mean F1@k without image i, as query and as answer."""
    n = len(order)
    if order.shape[1] <= k:
        return np.full(n, np.nan)
    mean: NDArray[np.float64] = f1_sums_without_one(order, f1, k, np.arange(n)) / (n - 1)
    return mean


def f1_sums_without_one(order: Ranking, f1: Matrix, k: int, own: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (M,) sums over some queries of F1@k without image j as an answer: the next in line takes its place.

    Args:
        order: (n, > k) rankings.
        f1: (n, M).
        k: how many count.
        own: (n,) which image each query is: without that one there is no such query.
    """
    gained = np.take_along_axis(f1, order[:, : k + 1], 1)
    scores = np.repeat(gained[:, :k].mean(1)[:, None], f1.shape[1], 1)
    rows = np.arange(len(order))
    scores[rows[:, None], order[:, :k]] += (gained[:, k:] - gained[:, :k]) / k
    scores[rows, own] = 0
    sums: NDArray[np.float64] = scores.sum(0)
    return sums


def _precision_without_one(order: Ranking, f1: Matrix, _k: int) -> NDArray[np.float64]:
    """Return (N,) the mean average precision without image i, as query and as answer."""
    return mean_where(*precision_sums_without_one(order, f1))


def mean_where(sums: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return means of sums; NaN of none."""
    means: NDArray[np.float64] = np.full(len(sums), np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means


def precision_sums_without_one(order: Ranking, f1: Matrix) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return (M,) sums over some queries of the average precision without image j as an answer, and (M,) of how many.

    Args:
        order: (n, R) complete rankings, without the query itself.
        f1: (n, M).
    """
    hits = np.take_along_axis(f1 > 0, order, 1)
    rank, nth = np.arange(1, order.shape[1] + 1), np.cumsum(hits, 1)
    # What relevant images add up to before a rank, and after it once everything moved up by one.
    before = np.cumsum(hits * nth / rank, 1) - hits * nth / rank
    moved = np.maximum(rank - 1, 1)
    kept, fewer = (_after(hits * (nth - less) / moved) for less in (0, 1))
    total = hits.sum(1, keepdims=True)
    left = total - hits
    sums = before + np.where(hits, fewer, kept)
    values = np.divide(sums, left, out=np.full(sums.shape, np.nan), where=left > 0)
    placed = np.full(f1.shape, np.nan)  # NaN stays at the query itself, which is left out
    np.put_along_axis(placed, order, values, 1)
    defined = ~np.isnan(placed)
    return np.where(defined, placed, 0).sum(0), defined.sum(0)


def _after(terms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each column the sum of the columns to its right."""
    sums: NDArray[np.float64] = terms.sum(1, keepdims=True) - np.cumsum(terms, 1)
    return sums


def _check_ranking(ranking: Any, rows: int, columns: int) -> Ranking:
    """Return column indices (N, R), each at most once in a row."""
    order, _ = read_numbers("ranking", ranking)
    expected = f"column indices ({rows}, R), from 0 to {columns - 1}, each once in a row"
    todo = "nearest(K) gives them."
    if order.dtype.kind not in "iu" or order.ndim != 2 or len(order) != rows:
        raise ValueError(message("ranking", expected, f"{order.dtype} of shape {order.shape}", todo))
    if order.size and (order.min() < 0 or order.max() >= columns):
        raise ValueError(message("ranking", expected, f"{order.min()} to {order.max()}", todo))
    seen = np.zeros((rows, columns), bool)
    np.put_along_axis(seen, order, True, 1)
    if np.any(seen.sum(1) != order.shape[1]):
        raise ValueError(message("ranking", expected, "one that comes twice", todo))
    return order


def _is_zero_or_one(values: NDArray[Any]) -> bool:
    return bool(np.all((values == 0) | (values == 1)))


def _check_labels(name: str, labels: Any) -> list[frozenset[str]]:
    """Return label sets, of which at least one is not empty."""
    todo = 'One label an image is a set, too: {"cat"}; see load_images(..., labels=...).'
    if labels is None:
        raise ValueError(message(name, "a label set for each image", "None", todo))
    labels = check_several(name, labels, "a label set for each image")
    for label in labels:
        if isinstance(label, str):
            raise TypeError(message(name, "a set of labels for each image", label, todo))
    sets = [frozenset(map(str, check_several(name, label, "a set of labels for each image"))) for label in labels]
    if not any(sets):
        raise ValueError(
            message(name, "label sets of which at least one is not empty", f"{len(sets)} empty sets", todo)
        )
    return sets


def _one_hot(sets: list[frozenset[str]], names: dict[str, int]) -> Matrix:
    matrix: Matrix = np.zeros((len(sets), len(names)))
    for row, labels in enumerate(sets):
        matrix[row, [names[name] for name in labels]] = 1
    return matrix
