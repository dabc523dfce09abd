"""Scores of similarities by layer and kernel: the one form in which experiments hand on their results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Any, NamedTuple

from semrsm_widgets.analysis import Analysis
from semrsm_widgets.common import Matrix, Row, check_choice, check_flag, check_several, frame_of, message
from semrsm_widgets.matching import Identity
from semrsm_widgets.rsm import (
    Kernel,
    LazyGram,
    MatchedGram,
    StreamedRSM,
    UndefinedKernelError,
    check_kernel,
    cosine,
)
from semrsm_widgets.statistics import Statistic

CENTRED = ("aligned centred", "semantic centred")
_BLOCKS = 4
"""So many blocks of a streamed RSM an Analysis' memory holds: two are there at a time, and what is made of them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Score(Row):
    """One number of one similarity, with its interval.

    Attributes:
        layer: the layer's name; empty for a similarity of the user's own.
        kernel: the kernel's name.
        similarity: "aligned", "semantic", "pooled", "class token", or the user's name for it.
        measure: what was measured.
        value: the value; NaN where undefined.
        low: lower end of the 95 % interval; NaN where there is none.
        high: upper end.
        n: images or queries that it rests on.
        chance: what the measure would be if the similarity knew nothing; NaN where that is not a number.
        overlap: share of area that two crops have in common, in the translation test; else NaN.
        reason: why the value or its interval is NaN.
    """

    layer: str
    kernel: str
    similarity: str
    measure: str
    value: float
    low: float
    high: float
    n: int
    chance: float = nan
    overlap: float = nan
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What an experiment found.

    Attributes:
        question: what was asked.
        rows: the scores, layer by layer.
        note: what did not count, such as images without a label; may be empty.
    """

    question: str
    rows: tuple[Score, ...]
    note: str = ""

    def __repr__(self) -> str:
        note = f"; {self.note}" if self.note else ""
        return f"Scores({self.question!r}: {len(self.rows)} rows; measures {', '.join(self.measures)}{note})"

    @property
    def measures(self) -> tuple[str, ...]:
        """What was measured, in the order of the rows."""
        return tuple(dict.fromkeys(row.measure for row in self.rows))

    def of(self, measure: str) -> tuple[Score, ...]:
        """Return the scores of one measure."""
        check_choice("measure", measure, self.measures)
        return tuple(row for row in self.rows if row.measure == measure)

    def to_frame(self) -> Any:
        """Return a `pandas.DataFrame` in long form: a line for each score, a column for each field."""
        return frame_of(self.rows, Score)


class ScoreKey(NamedTuple):
    """Whose score it is: the similarity of a layer under a kernel."""

    layer: str
    kernel: str
    similarity: str


def score(key: ScoreKey, measure: str, statistic: Statistic, *, chance: float = nan, overlap: float = nan) -> Score:
    """Return a statistic as a row of scores."""
    return Score(
        **key._asdict(),
        measure=measure,
        value=statistic.value,
        low=statistic.low,
        high=statistic.high,
        n=statistic.n,
        chance=chance,
        overlap=overlap,
        reason=statistic.reason,
    )


def rsms_of(
    analysis: Analysis, layer: str, kernel: Kernel = cosine, *, queries: bool = False, centred: bool = False
) -> dict[str, Matrix | StreamedRSM | UndefinedKernelError]:
    """Return every similarity of a layer under a kernel, by name; an error that says why where it has no value.

    Of an Analysis whose Grams are larger than its memory they are `StreamedRSM`, which are read some rows at a time.
    Under the RBF, aligned, semantic and pooled share the width of the semantic Gram; the class token has its own.

    Args:
        analysis: what to ask.
        layer: one of its layers.
        kernel: a kernel of a Gram.
        queries: whether the queries are compared with the images, (M, N), rather than the images with each other.
        centred: whether the mean-free tokens' aligned and semantic similarities are given, too.
    """
    grams = _grams(analysis, layer, queries=queries)
    if check_flag("centred", centred) and grams["semantic"].sizes[0] == grams["semantic"].sizes[1]:
        grams |= {f"{name} centred": grams[name].centred() for name in ("aligned", "semantic") if name in grams}
    found: dict[str, Matrix | StreamedRSM | UndefinedKernelError] = {}
    shared: Kernel | UndefinedKernelError
    try:
        shared = analysis.shared_kernel(layer, kernel)[0]  # once: the median of all distances takes its time
    except UndefinedKernelError as error:
        shared = error
    for name, gram in grams.items():
        own = kernel if name == "class token" or name in CENTRED else shared
        try:
            found[name] = own if isinstance(own, UndefinedKernelError) else _rsm_of(gram, own)
        except UndefinedKernelError as error:
            found[name] = error
    return found


def _rsm_of(gram: MatchedGram, kernel: Kernel) -> Matrix | StreamedRSM:
    """Return the RSM of a Gram; of one that is larger than its memory what reads it some rows at a time."""
    if not isinstance(gram, LazyGram) or gram.fits:
        return kernel(gram)
    return StreamedRSM(gram, kernel, memory=max(1, (gram.memory or 1) // _BLOCKS))


def _grams(analysis: Analysis, layer: str, *, queries: bool) -> dict[str, MatchedGram]:
    """Return the Grams of a layer by similarity, those that exist for it."""
    gram = analysis.query_gram if queries else analysis.gram
    semantic = gram(layer)
    grams: dict[str, MatchedGram | None] = {
        # With other numbers of tokens no position of one is that of the other.
        "aligned": gram(layer, matcher=Identity()) if semantic.sizes[0] == semantic.sizes[1] else None,
        "semantic": semantic,
        "pooled": semantic.pooled().scaled(min(semantic.sizes)) if queries else analysis.pooled_gram(layer),
        "class token": analysis.class_token_gram(layer, queries=queries),
    }
    return {name: each for name, each in grams.items() if each is not None}


def chosen_layers(analysis: Analysis, layers: Sequence[str] | None, name: str = "layers") -> tuple[str, ...]:
    """Return the wanted layers, all unless some are named; `name` is what the caller's argument is called."""
    if layers is None:
        return analysis.layers
    wanted = [layers] if isinstance(layers, str) else check_several(name, layers, "names of layers")
    if not wanted:
        raise ValueError(message(name, "at least one layer", "none", "None means all of them."))
    return tuple(check_choice(name, layer, analysis.layers) for layer in wanted)


def chosen_kernels(kernels: Sequence[Kernel]) -> tuple[Kernel, ...]:
    """Return the wanted kernels."""
    several = check_several("kernels", kernels, "a list of kernels, such as [srsm.cosine, srsm.rbf]")
    return tuple(check_kernel(kernel, "kernels") for kernel in several)
