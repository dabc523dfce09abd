"""How good are approximations here? Matchers on your own tokens against the optimum."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import Meter, Row, check_several, frame_of, in_words_of, message
from semrsm_widgets.matching import Exact, check_matcher
from semrsm_widgets.rsm import MatchedGram, cosine, matched_gram
from semrsm_widgets.statistics import Statistic, UndefinedStatisticError, jackknife, rsa, undefined
from semrsm_widgets.tokens import Tokens

if TYPE_CHECKING:
    from semrsm_widgets.common import ProgressOption
    from semrsm_widgets.matching import Matcher


_REFERENCE_COST = 4.0
"""The time that the optimum takes beside that of a matcher, roughly: for the shares of a bar."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MatcherRow(Row):
    """How one matcher does on N images' tokens, over all pairs of different images.

    Attributes:
        matcher: its repr.
        ratio: Σ value / Σ optimum; NaN where the optima add up to nothing positive.
        true_error: mean of (optimum - value) / (‖X‖‖Y‖), in units of cosine.
        worst_error: the largest.
        certified_error: the largest error that the matcher itself admits; inf without a certificate.
        rank_agreement: Spearman correlation of the matcher's RSM with the optimal one, off the diagonal.
        low: lower end of its 95 % interval over images.
        high: upper end.
        seconds: for one pair, products included, on this machine as it was.
        n: number of images.
        pairs: number of pairs.
        reason: why the rank agreement or its interval is NaN.
    """

    matcher: str
    ratio: float
    true_error: float
    worst_error: float
    certified_error: float
    rank_agreement: float
    low: float
    high: float
    seconds: float
    n: int
    pairs: int
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class MatcherReport:
    """How some matchers do on some tokens.

    Attributes:
        tokens: what was matched.
        reference: what was taken as the optimum.
        rows: one for each matcher.
    """

    tokens: str
    reference: str
    rows: tuple[MatcherRow, ...]

    def __repr__(self) -> str:
        names = ", ".join(row.matcher for row in self.rows)
        return f"MatcherReport({self.tokens}, against {self.reference}: {names})"

    def to_frame(self) -> Any:
        """Return a `pandas.DataFrame`: a line for each matcher."""
        return frame_of(self.rows, MatcherRow)


def matcher_report(
    tokens: Any,
    matchers: Sequence[Matcher],
    *,
    reference: Matcher | None = None,
    progress: ProgressOption = None,
) -> MatcherReport:
    """Return how matchers do on given tokens: ratio, true and certified error, rank agreement, time.

    Args:
        tokens: `Tokens`, a tensor or an array (N, S, D), N at least 4; a sample is enough.
        matchers: the matchers to judge.
        reference: gives the optimum; None means `Exact()`. Above S = 784 that takes long: pass `Auction(gap=1e-7)`.
        progress: as for `matched_gram`, with (matchers done, matchers in all).

    Raises:
        TypeError: a matcher is not callable.
        ValueError: no matchers, or fewer than 4 images.

    References:
        Wald et al., arXiv:2410.23107, figure 5.

    Example:
        >>> matcher_report(tokens["blocks.4"], [Auction(), Greedy(), BatchOptimal(window=64)]).to_frame()
    """
    matchers = check_several("matchers", matchers, "a list of matchers, such as [Auction(), Greedy()]")
    if not matchers:
        raise ValueError(message("matchers", "at least one matcher", "none", "Such as [Auction(), Greedy()]."))
    for matcher in matchers:
        check_matcher(matcher, "matchers")
    reference = Exact() if reference is None else check_matcher(reference, "reference")
    rows = []
    with Meter("Judging matchers", progress, unit="matchers") as meter:
        meter.costs = [1 + _REFERENCE_COST, *[1.0] * (len(matchers) - 1)]
        meter(0, len(matchers))
        with meter.part(_REFERENCE_COST / (1 + _REFERENCE_COST)), in_words_of({"`x`": "`tokens`"}):
            best = matched_gram(tokens, matcher=reference)
        if best.shape[0] < 4:
            raise ValueError(message("tokens", "of at least 4 images", str(best.shape[0])))
        for done, matcher in enumerate(matchers):
            some = (tokens.values if isinstance(tokens, Tokens) else tokens)[:2]
            matched_gram(some, matcher=matcher, progress=False)  # compiles
            started = time.perf_counter()
            gram = matched_gram(tokens, matcher=matcher)
            rows.append(_row(matcher, gram, best, time.perf_counter() - started))
            meter(done + 1, len(matchers))
    return MatcherReport(tokens=_describe(tokens, best), reference=repr(reference), rows=tuple(rows))


def _row(matcher: Matcher, gram: MatchedGram, best: MatchedGram, seconds: float) -> MatcherRow:
    """Return one matcher's line."""
    n = len(gram.products)
    upper = np.triu_indices(n, 1)
    norms = gram.norms[upper]
    lost = best.products[upper] - gram.products[upper]
    error = np.divide(lost, norms, out=np.zeros_like(lost), where=norms > 0)
    total = float(best.products[upper].sum())
    agreement = _agreement(gram, best)
    return MatcherRow(
        matcher=repr(matcher),
        ratio=float(gram.products[upper].sum()) / total if total > 0 else nan,
        true_error=float(error.mean()),
        worst_error=float(error.max()),
        certified_error=float(gram.gap[upper].max()),
        rank_agreement=agreement.value,
        low=agreement.low,
        high=agreement.high,
        seconds=seconds / len(error),
        n=n,
        pairs=len(error),
        reason=agreement.reason,
    )


def _agreement(gram: MatchedGram, best: MatchedGram) -> Statistic:
    try:
        return jackknife(rsa, cosine(gram), cosine(best))
    except UndefinedStatisticError as error:
        return undefined(error, len(gram.products))


def _describe(tokens: Any, gram: MatchedGram) -> str:
    layer = getattr(tokens, "layer", "")
    return f"{f'{layer}: ' if layer else ''}{gram.shape[0]} images, {gram.sizes[0]} tokens"
