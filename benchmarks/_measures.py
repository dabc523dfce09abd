"""What `run.py` and `compare.py` measure: our call, and what does the same in a library that people know.

Each measure makes its two functions when it is its turn. Both sides get the same numbers and one thread; what either
does besides is said in the names.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import Any

import numpy as np
import torch
from _features import LAYERS, features
from scipy.optimize import linear_sum_assignment

import semrsm_widgets as srsm
from semrsm_widgets.retrieval import Lookup, Query

Work = Callable[[], Any]

_SECONDS = 0.03
"""A timing lasts at least so long: shorter calls are repeated in it."""

_STREAM = 60
"""Pairs that calls of one pair take turns with."""


@dataclass(frozen=True)
class Measure:
    """One comparison.

    Attributes:
        group: what part of the package it is about.
        name: what is done.
        peer: who does the same.
        make: gives our call and the peer's; ImportError where the peer is not installed.
    """

    group: str
    name: str
    peer: str
    make: Callable[[], tuple[Work, Work]]


def measures() -> Iterator[Measure]:
    """Yield all measures, by group."""
    for size in (49, 196, 784):
        for pairs in (1, 60 if size < 784 else 6):  # lapx takes half a second for each of the last
            for peer in (scipy_pairs, lapx_pairs):
                name = f"Auction()(x, y), S = {size}, {pairs} pair{'s' if pairs > 1 else ''}"
                peer_name = f"{peer.__name__.split('_', maxsplit=1)[0]}, pair by pair, with the products"
                yield Measure("matching", name, peer_name, partial(direct, size, pairs, peer))
    for size in (49, 196):
        name = f"Auction().solve(affinity, norms), S = {size}, {_STREAM} pairs"
        for peer, call in (("scipy", scipy_assignments), ("lapx", lapx_assignments)):
            yield Measure("matching", name, f"{peer}, pair by pair", partial(solved, size, call))
        for what, make in (
            (f"analysis.assignment, {_STREAM} new pairs", assignments),
            ("Lookup.rank, a query among 32 images", looked_up),
            (f"analysis.null, {_STREAM} pairs", nulls),
        ):
            peer = "scipy, pair by pair, with the products"
            yield Measure("matching", f"{what}, S = {size}", peer, partial(make, size))
    for size, images in ((49, 32), (196, 32), (784, 8)):
        name = f"matched_gram, {images} images, S = {size}"
        yield Measure("rsm", name, "scipy, pair by pair, with the products", partial(rsm, size, images))
    yield Measure("extraction", "extract, lite0, 16 images, 8 layers", "the model over the same loader", extraction)
    for count in (100, 300):
        yield Measure("statistics", f"cka, N = {count}, from features", "ckatorch", partial(cka_of_features, count))
        yield Measure("statistics", f"rsa, Spearman, N = {count}", "rsatoolbox", partial(rsa_of_rsms, count))
    yield Measure(
        "retrieval", "nearest and average_precision, N = 300", "scikit-learn, query by query", average_precision
    )


def interleaved(ours: Work, theirs: Work, passes: int) -> tuple[float, float]:
    """Return the median CPU seconds of a call of either side; the passes take turns, after one call to warm up."""
    repeats = [_repeats(ours), _repeats(theirs)]
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(passes):
        for side, (work, count) in enumerate(zip((ours, theirs), repeats, strict=True)):
            times[side].append(_timed(work, count))
    return float(np.median(times[0])), float(np.median(times[1]))


def alone(ours: Work, passes: int) -> float:
    """Return the median CPU seconds of our call."""
    count = _repeats(ours)
    return float(np.median([_timed(ours, count) for _ in range(passes)]))


def _repeats(work: Work) -> int:
    work()
    return max(1, int(np.ceil(_SECONDS / max(1e-7, _timed(work, 1)))))


def _timed(work: Work, count: int) -> float:
    started = time.process_time()
    for _ in range(count):
        work()
    return (time.process_time() - started) / count


# -- what is compared -------------------------------------------------------------------------------------------------


def some_pairs(size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the tokens of distinct pairs of images."""
    values = features([LAYERS[size]])[LAYERS[size]].numpy()
    i, j = np.triu_indices(len(values), 1)
    some = np.linspace(0, len(i) - 1, count).astype(int)
    return np.ascontiguousarray(values[i[some]]), np.ascontiguousarray(values[j[some]])


def scipy_pairs(x: np.ndarray, y: np.ndarray) -> list[float]:
    """Match pair by pair with SciPy."""
    found = []
    for a, b in zip(x, y, strict=True):
        affinity = a @ b.T
        rows, columns = linear_sum_assignment(affinity, maximize=True)
        found.append(float(affinity[rows, columns].sum()))
    return found


def lapx_pairs(x: np.ndarray, y: np.ndarray) -> list[float]:
    """Match pair by pair with lapx."""
    import lap

    found = []
    for a, b in zip(x, y, strict=True):
        affinity = a @ b.T
        _, columns, _ = lap.lapjv(-affinity.astype(np.float64))
        found.append(float(affinity[np.arange(len(affinity)), columns].sum()))
    return found


def direct(size: int, pairs: int, peer: Callable[[np.ndarray, np.ndarray], list[float]]) -> tuple[Work, Work]:
    """The call that users make for some pairs; each of one pair takes another: processors learn a way by heart."""
    x, y = some_pairs(size, pairs if pairs > 1 else _STREAM)
    matcher = srsm.Auction()
    assert np.allclose(matcher(x[:1], y[:1]).value, peer(x[:1], y[:1]), rtol=1e-3)  # both do the same
    if pairs > 1:
        return partial(matcher, x, y), partial(peer, x, y)
    ours, theirs = (cycle([(x[k : k + 1], y[k : k + 1]) for k in range(_STREAM)]) for _ in range(2))
    return lambda: matcher(*next(ours)), lambda: peer(*next(theirs))


def scipy_assignments(affinity: np.ndarray) -> list[float]:
    """Solve given affinities with SciPy, one after the other."""
    return [float(a[linear_sum_assignment(a, maximize=True)].sum()) for a in affinity]


def lapx_assignments(affinity: np.ndarray) -> list[float]:
    """Solve given affinities with lapx, one after the other."""
    import lap

    costs = -affinity.astype(np.float64)
    return [-float(lap.lapjv(each)[0]) for each in costs]


def solved(size: int, peer: Callable[[np.ndarray], list[float]]) -> tuple[Work, Work]:
    """Affinities that are there already."""
    x, y = some_pairs(size, _STREAM)
    affinity = x @ y.transpose(0, 2, 1)
    norms = np.linalg.norm(x, axis=(1, 2)) * np.linalg.norm(y, axis=(1, 2))
    matcher = srsm.Auction(threads=1)
    assert np.allclose(matcher.solve(affinity, norms).value, peer(affinity), rtol=1e-3)
    return partial(matcher.solve, affinity, norms), partial(peer, affinity)


def analysed(size: int) -> srsm.Analysis:
    """Return an Analysis of one layer that has matched nothing yet."""
    name = LAYERS[size]
    values = features([name])[name]
    known = {"grid": None, "native_grid": None, "note": "", "prefix": None, "has_class_token": False}
    tokens = srsm.Tokens(values=values, layer=name, **known)
    return srsm.Analysis(srsm.demo_images(crops=4), {name: tokens}, matcher=srsm.Auction(threads=1))


def assignments(size: int) -> tuple[Work, Work]:
    """The door of single pairs, each asked for the first time."""
    name = LAYERS[size]
    i, j = np.triu_indices(32, 1)
    pairs = [(int(i[k]), int(j[k])) for k in np.linspace(0, len(i) - 1, _STREAM).astype(int)]

    def ours() -> list[float]:
        analysis = analysed(size)
        return [float(analysis.assignment(name, *pair).value[0]) for pair in pairs]

    x, y = some_pairs(size, _STREAM)
    assert np.allclose(ours(), scipy_pairs(x, y), rtol=1e-3)
    return ours, partial(scipy_pairs, x, y)


def looked_up(size: int) -> tuple[Work, Work]:
    """All images in the order of their similarity to one of them."""
    name = LAYERS[size]
    values = features([name])[name].numpy()
    norms = np.linalg.norm(values, axis=(1, 2))

    def ours() -> list[int]:
        return Lookup(analysed(size)).rank("semantic", name, Query(key=3, index=3), srsm.cosine).order.tolist()

    def theirs() -> list[int]:
        others = [k for k in range(len(values)) if k != 3]
        found = np.array(scipy_pairs(values[[3] * len(others)], values[others])) / norms[others]
        return [others[k] for k in np.argsort(-found, kind="stable")]

    assert ours()[:5] == theirs()[:5]
    return ours, theirs


def nulls(size: int) -> tuple[Work, Work]:
    """What unrelated tokens reach: pairs of which one has its channels permuted."""
    name = LAYERS[size]
    values = features([name])[name].numpy()
    rng = np.random.default_rng(0)
    i = rng.integers(len(values), size=_STREAM)
    j = (i + rng.integers(1, len(values), size=_STREAM)) % len(values)
    order = np.stack([rng.permutation(values.shape[2]) for _ in range(_STREAM)])
    norms = np.linalg.norm(values, axis=(1, 2))

    def ours() -> float:
        return analysed(size).null(name, n=_STREAM).mean

    def theirs() -> float:
        y = np.take_along_axis(values[j], order[:, None], 2)
        return float(np.mean(np.array(scipy_pairs(values[i], y)) / (norms[i] * norms[j])))

    assert np.isclose(ours(), theirs(), rtol=1e-2)
    return ours, theirs


def rsm(size: int, images: int) -> tuple[Work, Work]:
    """A whole RSM."""
    values = features([LAYERS[size]])[LAYERS[size]][:images]
    i, j = np.triu_indices(len(values), 1)
    x = values.numpy()

    def loop() -> None:
        for a, b in zip(i, j, strict=True):
            scipy_pairs(x[a : a + 1], x[b : b + 1])

    return partial(srsm.matched_gram, values, matcher=srsm.Auction(threads=1)), loop


def extraction() -> tuple[Work, Work]:
    """Tokens of all default layers, against running the model and keeping nothing."""
    from semrsm_widgets.extraction.batches import batches
    from semrsm_widgets.models.vision_model import prepare

    model, images = srsm.load_model(), srsm.demo_images(crops=2)
    srsm.extract(model, images)  # the table of layers is made once for a model
    first, _ = prepare(model.transform, images.image(0))

    def loop() -> None:
        with torch.no_grad(), closing(batches(model.transform, images, first, 16, 1)) as stream:
            for _, batch in stream:
                model.module(batch)

    return partial(srsm.extract, model, images, workers=1), loop


def two_sets(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two related sets of features (N, 40)."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 40))
    return x, x + rng.normal(size=x.shape)


def cka_of_features(count: int) -> tuple[Work, Work]:
    """Unbiased CKA of two sets of features, the Gram matrices included."""
    from ckatorch.core import cka_base

    x, y = two_sets(count)
    tensors = torch.from_numpy(x), torch.from_numpy(y)
    assert np.isclose(srsm.cka(x @ x.T, y @ y.T), cka_base(*tensors, unbiased=True).item())
    return lambda: srsm.cka(x @ x.T, y @ y.T), partial(cka_base, *tensors, unbiased=True)


def rsa_of_rsms(count: int) -> tuple[Work, Work]:
    """Spearman's correlation of two RSMs."""
    from rsatoolbox import rdm

    K, L = (features @ features.T for features in two_sets(count))
    upper = np.triu_indices(count, 1)
    first, second = (rdm.RDMs(-gram[upper][None]) for gram in (K, L))
    assert np.isclose(srsm.rsa(K, L), rdm.compare(first, second, method="spearman").item())
    return partial(srsm.rsa, K, L), partial(rdm.compare, first, second, method="spearman")


def average_precision() -> tuple[Work, Work]:
    """Average precision of every image as a query."""
    from sklearn.metrics import average_precision_score

    x, _ = two_sets(300)
    K = x @ x.T
    labels = np.arange(len(K)) % 10

    def ours() -> None:
        ranking = srsm.nearest(K)
        srsm.average_precision(ranking, labels[:, None] == labels)

    def theirs() -> None:
        for k, row in enumerate(K):
            others = np.arange(len(K)) != k
            average_precision_score(labels[others] == labels[k], row[others])

    return ours, theirs
