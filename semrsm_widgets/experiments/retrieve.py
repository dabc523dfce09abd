"""Does it retrieve? F1, average precision and hubs of every similarity, beside chance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.analysis import KEPT_LAYERS, Analysis, layer_costs
from semrsm_widgets.common import (
    Matrix,
    Meter,
    ProgressOption,
    check_flag,
    check_int,
    in_words_of,
    message,
    read_numbers,
)
from semrsm_widgets.retrieval import (
    Labelled,
    LabelLevels,
    Labels,
    Ranking,
    Retrieved,
    chance_average_precision,
    label_f1,
    nearest,
    score_blocks,
    score_ranking,
)
from semrsm_widgets.rsm import Kernel, cosine, kernel_name
from semrsm_widgets.statistics import Statistic, is_streamed, undefined

from .scores import Score, ScoreKey, Scores, chosen_kernels, chosen_layers, rsms_of, score

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEPT_NOTHING = "Nothing of it is kept."


def retrieval_scores(
    source: Analysis | Mapping[str, Any],
    labels: Labels | None = None,
    *,
    query_labels: Labels | None = None,
    k: int = 5,
    kernels: Sequence[Kernel] = (cosine,),
    layers: Sequence[str] | None = None,
    centred: bool = False,
    own: Mapping[str, Any] | None = None,
    progress: ProgressOption = None,
) -> Scores:
    """Return what each similarity retrieves: F1@k and mean average precision over label sets, and its hubs.

    Every image is a query among the others; with queries (`Analysis(..., queries=...)`, or `query_labels`), each of
    these among all images. Of an image without a label it is not known whether it is an answer: it is neither query
    nor answer for F1@k and mAP, their chance levels and their n, as if it were not there, and `Scores.note` says how
    many these are. Hubs need no labels and are counted over all images.

    Args:
        source: an Analysis, or similarities by name: (N, N), or (M, N) for M queries; or a `StreamedRSM`. Where one is
            given, or an Analysis' Grams are larger than its memory, all are ranked some rows at a time.
        labels: N label sets; None takes those of the images.
        query_labels: M label sets of queries that are not among the images; None takes those of `analysis.queries`.
        k: neighbours that count; at most the number of other images with a label.
        kernels: of an Analysis' RSMs.
        layers: some of its layers; None takes all.
        centred: also the similarities of mean-free tokens ("semantic centred").
        own: similarities of your own by name, to stand beside the others: float matrices, larger is more similar, or
            rankings of column indices, integer (N, >= k), nearest first.
        progress: as for `matched_gram`, with (layers done, layers in all), or similarities where these are given.

    Returns:
        Scores of the measures "F1@k", "mAP", "top hub" (the largest share of queries that one image is among the k
        nearest of) and "orphans" (the share of images that are nobody's).

    Raises:
        ValueError: no labels, all of one kind, empty, or of the wrong number.

    References:
        Wald et al., arXiv:2410.23107, section 4.1 and figures 3 and 4.

    Example:
        >>> retrieval_scores(analysis, k=3).of("mAP")
    """
    queries, kernels, centred = query_labels is not None, chosen_kernels(kernels), check_flag("centred", centred)
    for name, value in (("source", source), ("own", {} if own is None else own)):
        if not isinstance(value, Analysis | Mapping) or (name == "own" and isinstance(value, Analysis)):
            expected = "similarities or rankings by name, such as {'mine': K}"
            raise TypeError(message(name, f"an Analysis, or {expected}" if name == "source" else expected, value))
    if isinstance(source, Analysis):
        queries = source.queries is not None
        labels = source.images.labels if labels is None else labels
        if source.queries is not None and query_labels is None:
            query_labels = source.queries.labels
    labels = _given("labels", labels)
    if queries:
        query_labels = _given("query_labels", query_labels)
    if _is_streamed(source, own, queries=queries):
        levels = LabelLevels.of(labels, query_labels if queries else None)
        names = chosen_layers(source, layers) if isinstance(source, Analysis) else tuple(source)
        kept, unit = (KEPT_LAYERS, "layers") if isinstance(source, Analysis) else (KEPT_NOTHING, "similarities")
        with Meter("Scoring what is retrieved", progress, unit=unit, kept=kept) as meter:
            steps = (_similarities(source, name, kernels, centred=centred, queries=queries) for name in names)
            return _streamed_scores(steps, len(names), own or {}, levels, k, meter)
    asked = labels if query_labels is None else query_labels
    f1 = label_f1(asked, labels if queries else None)
    of_queries, of_images = (np.array([any(True for _ in each) for each in sets]) for sets in (asked, labels))
    labelled = Labelled(of_queries, of_images, queries)
    known, others = labelled.part(f1), _others(int(labelled.rows.sum()), int(labelled.columns.sum()), queries=queries)
    if known.size == 0 or not others.any():
        raise _too_few()
    if known[others].min() == 1:
        raise _one_kind()
    is_whole = labelled.rows.all() and labelled.columns.all()
    todo = f"There are no more other {'' if is_whole else 'labelled '}images."
    k = check_int("k", k, minimum=1, maximum=labelled.answers, todo=todo)
    rows: list[Score] = []
    names = chosen_layers(source, layers) if isinstance(source, Analysis) else tuple(source)
    kept = KEPT_LAYERS if isinstance(source, Analysis) else KEPT_NOTHING
    unit = "layers" if isinstance(source, Analysis) else "similarities"
    with Meter("Scoring what is retrieved", progress, unit=unit, kept=kept) as meter:
        if isinstance(source, Analysis) and not queries:
            meter.costs = layer_costs(source, names)
        for done, name in enumerate(names):
            meter(done, len(names))
            for key, K in _similarities(source, name, kernels, centred=centred, queries=queries):
                with in_words_of({f"`{name}`": f"`source[{name!r}]`"}):
                    rows += _scores(key, K, f1, labelled, k)
        meter(len(names), len(names))
        for name, K in (own or {}).items():
            with in_words_of({f"`{name}`": f"`own[{name!r}]`"}):
                rows += _scores(ScoreKey("", "", name), K, f1, labelled, k)
    return Scores(question="Does it retrieve?", rows=tuple(rows), note=_left_out(labelled))


def _is_streamed(source: Analysis | Mapping[str, Any], own: Mapping[str, Any] | None, *, queries: bool) -> bool:
    """Return whether any similarities are to be read some rows at a time: then nothing of N x N is made."""
    of_source = () if isinstance(source, Analysis) else source.values()
    if is_streamed(*of_source, *(own or {}).values()):
        return True
    return isinstance(source, Analysis) and (source.queries_are_beyond_memory if queries else source.is_beyond_memory)


def _streamed_scores(
    steps: Iterable[Iterable[tuple[ScoreKey, Any]]],
    total: int,
    own: Mapping[str, Any],
    levels: LabelLevels,
    k: int,
    meter: Meter,
) -> Scores:
    """Return the scores of similarities that are read some rows at a time; nothing of N x N is made.

    Args:
        steps: the similarities of each step; made when it is their turn.
        total: how many steps there are.
        own: similarities or rankings by name, which come last.
        levels: of the label sets.
        k: neighbours that count.
        meter: is told (steps done, steps in all).
    """
    if not np.isfinite(levels.least):
        raise _too_few()
    if levels.least == 1:
        raise _one_kind()
    answers, queries = levels.known.answers, int(levels.known.rows.sum())
    k = check_int("k", k, minimum=1, maximum=answers, todo="There are no more other labelled images.")
    relevant = levels.relevant[levels.relevant > 0]
    average = chance_average_precision(relevant, answers) if len(relevant) else np.array(np.nan)
    chance = {f"F1@{k}": levels.f1, "mAP": float(average.mean())}

    def scored(key: ScoreKey, rsm: Any, door: str) -> Iterator[Score]:
        if isinstance(rsm, ValueError):
            found = {name: undefined(rsm, queries) for name in chance}
            found |= {name: undefined(rsm, levels.shape[0]) for name in ("top hub", "orphans")}
        else:
            name = key.similarity
            with in_words_of({f"`{name}`": f"`{door}[{name!r}]`"} if door else {}):
                if not is_streamed(rsm):
                    rsm = _numbers(name, rsm, levels.shape, k, queries=levels.queries)
                found = _by_measure(score_blocks(name, rsm, levels, k), k)
        return (score(key, what, value, chance=chance.get(what, np.nan)) for what, value in found.items())

    rows: list[Score] = []
    for done, similarities in enumerate(steps):
        meter(done, total)
        for key, rsm in similarities:
            rows += scored(key, rsm, "" if key.layer else "source")
    meter(total, total)
    for name, rsm in own.items():
        rows += scored(ScoreKey("", "", name), rsm, "own")
    return Scores(question="Does it retrieve?", rows=tuple(rows), note=_left_out(levels.known))


def _too_few() -> ValueError:
    todo = "Pass a label set for each image, or load_images(..., labels=...)."
    return ValueError(message("labels", "label sets of at least two images that are not empty", "too few", todo))


def _one_kind() -> ValueError:
    return ValueError(message("labels", "of at least two kinds", "one kind only", "Everything would be right."))


def _by_measure(found: Retrieved, k: int) -> dict[str, Statistic]:
    """Return the four measures under the names by which they are asked for."""
    return {
        f"F1@{k}": found.f1,
        "mAP": found.average_precision,
        "top hub": found.top_hub,
        "orphans": found.orphans,
    }


def _others(rows: int, columns: int, *, queries: bool) -> NDArray[np.bool_]:
    """Return (rows, columns) bool: what could be retrieved."""
    return np.ones((rows, columns), bool) if queries else ~np.eye(columns, dtype=bool)


def _left_out(labelled: Labelled) -> str:
    """Return how many images count for nothing, as nothing is known of what they show."""
    kinds = [("queries", labelled.rows)] if labelled.queries else []
    parts = [
        f"{int((~known).sum())} of {len(known)} {what}"
        for what, known in [*kinds, ("images", labelled.columns)]
        if not known.all()
    ]
    return f"{' and '.join(parts)} have no label and are left out of F1 and mAP" if parts else ""


def _similarities(
    source: Analysis | Mapping[str, Any], name: str, kernels: Sequence[Kernel], *, centred: bool, queries: bool
) -> Iterator[tuple[ScoreKey, Any]]:
    """Yield the matrices of a layer, or the one of a name, each with its key."""
    if not isinstance(source, Analysis):
        yield ScoreKey("", "", name), source[name]
        return
    for kernel in kernels:
        for similarity, K in rsms_of(source, name, kernel, queries=queries, centred=centred).items():
            yield ScoreKey(name, kernel_name(kernel), similarity), K


def _scores(key: ScoreKey, K: Any, f1: Matrix, labelled: Labelled, k: int) -> list[Score]:
    """Return the four scores of one similarity."""
    queries = labelled.queries
    known = labelled.part(f1)
    others = _others(*known.shape, queries=queries)
    relevant = ((known > 0) & others).sum(1)
    average = chance_average_precision(relevant[relevant > 0], labelled.answers) if relevant.any() else np.array(np.nan)
    chance = {f"F1@{k}": float(known[others].mean()), "mAP": float(average.mean())}
    if isinstance(K, ValueError):
        found = {name: undefined(K, len(known)) for name in chance}
        found |= {name: undefined(K, len(f1)) for name in ("top hub", "orphans")}
    else:
        order = _ranking(key.similarity, K, f1.shape, k, queries=queries)
        complete = order.shape[1] == f1.shape[1] - (not queries)
        answer = score_ranking(order, f1, k, complete=complete, queries=queries, labelled=labelled)
        found = _by_measure(answer, k)
    return [score(key, name, value, chance=chance.get(name, np.nan)) for name, value in found.items()]


def _ranking(name: str, value: Any, shape: tuple[int, int], k: int, *, queries: bool) -> Ranking:
    """Return a ranking from similarities, or from a ranking without the images themselves."""
    array = _numbers(name, value, shape, k, queries=queries)
    return nearest(array, queries=queries) if array.dtype.kind == "f" else array


def _numbers(name: str, value: Any, shape: tuple[int, int], k: int, *, queries: bool) -> NDArray[Any]:
    """Return similarities (float), or a ranking without the images themselves (integers)."""
    array, _ = read_numbers(name, value)
    if array.dtype.kind == "f":
        if array.shape != shape:
            raise ValueError(message(name, f"similarities of shape {shape}, as the labels say", str(array.shape)))
        return array
    expected = f"similarities (float) or a ranking (integers) of {shape[0]} rows"
    if array.dtype.kind not in "iu" or array.ndim != 2 or len(array) != shape[0]:
        raise ValueError(message(name, expected, f"{array.dtype} of shape {array.shape}"))
    if array.size and (array.min() < 0 or array.max() >= shape[1]):
        raise ValueError(message(name, f"a ranking of positions below {shape[1]}", f"{array.min()} to {array.max()}"))
    rows = [row if queries else row[row != i] for i, row in enumerate(array)]
    length = min(len(row) for row in rows)
    if length < k or any(len(np.unique(row)) < len(row) for row in rows):
        raise ValueError(
            message(name, f"a ranking of at least {k} different other images a row", f"{length} or repeats")
        )
    return np.array([row[:length] for row in rows], dtype=np.int64)


def _given(name: str, labels: Labels | None) -> Labels:
    if labels is None:
        todo = "Pass a label set for each image, or load_images(..., labels=...)."
        raise ValueError(message(name, "label sets", "None", todo))
    return labels
