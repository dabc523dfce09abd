"""What RetrievalView sends to the browser: the rankings of one query, so complete that hovers need no kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from semrsm_widgets.retrieval import Answers, Lookup, Query, Ranked
from semrsm_widgets.rsm import Kernel, UndefinedKernelError, cosine
from semrsm_widgets.tokens import PatchBox
from semrsm_widgets.views.base import KERNELS

if TYPE_CHECKING:
    from .outside import OutsidePicture


class RetrievalState(NamedTuple):
    """What is to be on screen, read at once on the thread that changed it."""

    layer: str
    kernel: str
    query: int
    box: PatchBox | None
    outside: OutsidePicture | None

    def as_query(self) -> Query:
        """Return what is looked up; a picture from outside must have been seen by the model."""
        outside = self.outside
        if outside is None:
            return Query(key=self.query, index=self.query, box=self.box)
        return Query(key=outside, index=None, tokens=outside.tokens, labels=outside.labels, box=self.box)


class QueryKernel(NamedTuple):
    """A kernel with the RBF's σ filled in, that σ, and whether it is of the query's own distances."""

    function: Kernel
    sigma: float | None
    is_own: bool


def query_kernel(lookup: Lookup, state: RetrievalState, query: Query) -> QueryKernel:
    """Return the kernel on screen with its σ.

    Raises:
        UndefinedKernelError: it has no value for this query; the text says why.
    """
    return QueryKernel(*lookup.kernel(state.layer, query, KERNELS[state.kernel]))


def retrieved(
    lookup: Lookup, state: RetrievalState, query: Query, *, without: str
) -> tuple[dict[str, Any], list[bytes], list[Ranked]]:
    """Return the message, its buffers and the rankings in it.

    Args:
        lookup: what ranks.
        state: what is on screen.
        query: the same, as a query.
        without: a similarity that is still being computed; empty if all are there.

    Returns:
        The message; its buffers, which are F1 of every image's labels with the query's, (N,) float32, if there are
        labels, and then similarities (N,) float32 and order (R,) int32 of every row that is ready; the rankings.
    """
    kernel: QueryKernel | None = None
    reason = ""
    try:
        kernel = QueryKernel(KERNELS[state.kernel], None, False) if without else query_kernel(lookup, state, query)
    except UndefinedKernelError as error:
        reason = str(error)
    answers = lookup.answers(query)
    buffers = [] if answers is None else [answers.f1.astype(np.float32).tobytes()]
    rows, ranked = [], []
    for name in lookup.names(state.layer):
        # The mean of a box comes with its matching.
        if without and (name == without or (name == "pooled" and query.box is not None)):
            rows.append({"name": name, "state": "pending"})
            continue
        row = ranked_by(lookup, name, state.layer, query, kernel, reason)
        ranked.append(row)
        rows.append(_facts(row))
        if not row.reason:
            buffers += [row.values.astype(np.float32).tobytes(), row.order.astype(np.int32).tobytes()]
    content = {
        "kind": "results",
        "layer": state.layer,
        "kernel": state.kernel,
        "query": state.query,
        "box": state.box,
        "grid": lookup.analysis.tokens[state.layer].grid,
        "patches": list(lookup.patches(state.layer, query)),
        "rows": rows,
        "sigma": None if kernel is None else kernel.sigma,
        "own_sigma": kernel is not None and kernel.is_own,
        "answers": None if answers is None else _chance(answers),
    }
    return content, buffers, ranked


def ranked_by(
    lookup: Lookup, name: str, layer: str, query: Query, kernel: QueryKernel | None, reason: str = ""
) -> Ranked:
    """Return one ranking; without a kernel, for the reason given, only one of the user's own."""
    if kernel is not None:
        return lookup.rank(name, layer, query, kernel.function)
    if name in lookup.rankings:
        return lookup.rank(name, layer, query, cosine)
    return Ranked(name=name, values=np.full(len(lookup.analysis), np.nan), reason=reason)


def _facts(row: Ranked) -> dict[str, Any]:
    """Return what the browser shows of a ranking besides its numbers."""
    return {
        "name": row.name,
        "state": "undefined" if row.reason else "ready",
        "reason": row.reason,
        "certain": None if row.certain is None else row.certain.tolist(),
        "f1": row.f1.tolist(),
        "ap": _finite(row.average_precision),
    }


def _chance(answers: Answers) -> dict[str, Any]:
    return {
        "relevant": answers.relevant,
        "labelled": answers.labelled,
        "unlabelled": answers.unlabelled,
        "chance_f1": _finite(answers.chance_f1),
        "chance_ap": _finite(answers.chance_average_precision),
    }


def _finite(value: float) -> float | None:
    """Return a value as JSON can carry it."""
    return value if np.isfinite(value) else None
