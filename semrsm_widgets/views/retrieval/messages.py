"""What RetrievalView sends to the browser: the rankings of one query, so complete that hovers need no kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from semrsm_widgets.retrieval import Answers, Lookup, Query, Ranked
from semrsm_widgets.rsm import Kernel, UndefinedKernelError, cosine
from semrsm_widgets.tokens import PatchBox
from semrsm_widgets.views.base import KERNELS, Message

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.rsm import NullLevel

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


class Rankings(NamedTuple):
    """The rankings of one query.

    Attributes:
        rows: those that are there.
        kernel: the kernel with its σ; None where it has no value for this query.
        without: the names of those that are still being computed.
    """

    rows: list[Ranked]
    kernel: QueryKernel | None
    without: tuple[str, ...]


def rankings(lookup: Lookup, state: RetrievalState, query: Query, *, without: str = "") -> Rankings:
    """Return the rankings of a query.

    Args:
        lookup: what ranks.
        state: what is on screen.
        query: the same, as a query.
        without: a similarity that is still being computed; empty if all are there.
    """
    kernel: QueryKernel | None = None
    reason = ""
    try:
        kernel = QueryKernel(KERNELS[state.kernel], None, False) if without else query_kernel(lookup, state, query)
    except UndefinedKernelError as error:
        reason = str(error)
    pending: tuple[str, ...] = ()
    if without:  # the mean of a box comes with its matching
        pending = (without, "pooled") if query.box is not None else (without,)
    names = [name for name in lookup.names(state.layer) if name not in pending]
    return Rankings([ranked_by(lookup, name, state.layer, query, kernel, reason) for name in names], kernel, pending)


def results_message(
    lookup: Lookup, state: RetrievalState, query: Query, ranked: Rankings, *, null: NullLevel | None, complete: bool
) -> Message:
    """Return the message of a query's rankings.

    Its arrays are "right", F1 of every image's labels with the query's (N,), where there are labels; and of each
    ranking that has a value "NAME similarity" (N,) and "NAME order" (R,).
    """
    answers = lookup.answers(query)
    arrays: dict[str, NDArray[Any]] = {} if answers is None else {"right": answers.f1}
    rows = {row.name: row for row in ranked.rows}
    for name, row in rows.items():
        if not row.reason:
            arrays |= {f"{name} similarity": row.values, f"{name} order": row.order}
    names = lookup.names(state.layer)
    kernel = ranked.kernel
    return Message.of(
        "results",
        arrays=arrays,
        layer=state.layer,
        kernel=state.kernel,
        query=state.query,
        box=state.box,
        grid=lookup.analysis.tokens[state.layer].grid,
        patches=lookup.patches(state.layer, query),
        rows=[_facts(rows[name]) if name in rows else {"name": name, "state": "pending"} for name in names],
        sigma=None if kernel is None else kernel.sigma,
        own_sigma=kernel is not None and kernel.is_own,
        answers=None if answers is None else _chance(answers),
        null=null,
        complete=complete,
    )


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
        "certain": row.certain,
        "f1": row.f1,
        "ap": row.average_precision,
    }


def _chance(answers: Answers) -> dict[str, Any]:
    return {
        "relevant": answers.relevant,
        "labelled": answers.labelled,
        "unlabelled": answers.unlabelled,
        "chance_f1": answers.chance_f1,
        "chance_ap": answers.chance_average_precision,
    }
