"""How far work on many layers is, in one line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from semrsm_widgets.analysis import gram_share, layer_costs

if TYPE_CHECKING:
    from semrsm_widgets.analysis import Analysis

    from .worker import Job


class LayerSteps:
    """Tells of layers that are computed one after another: "4 of 12 layers (blocks.3)", and how far all of them are.

    Args:
        job: what is told.
        analysis: whose layers.
        missing: those that are to be computed; of a single one its own steps are told.
    """

    def __init__(self, job: Job, analysis: Analysis, missing: Sequence[str]) -> None:
        self._job, self._total = job, len(analysis.layers)
        self._costs = dict(zip(missing, layer_costs(analysis, missing), strict=True))
        self._whole = sum(self._costs.values())
        self._left = dict(self._costs)
        self._share = gram_share(analysis)

    def step(self, layer: str) -> None:
        """Say which layer is worked on."""
        self._tell(f"Comparing {layer}", layer, 0.0)

    def matching(self, layer: str) -> Callable[[int, int], None]:
        """Return a progress callback for the layer's Gram."""
        return lambda done, total: self._tell(
            f"Matching {layer}:", layer, self._share * _part(done, total), (done, total)
        )

    def calibrating(self, layer: str) -> Callable[[int, int], None]:
        """Return a progress callback for what unrelated tokens reach there."""
        rest = 1 - self._share
        return lambda done, total: self._tell(
            f"Calibrating {layer}:", layer, self._share + rest * _part(done, total), (done, total)
        )

    def done(self, layer: str) -> None:
        """Say that a layer is there."""
        self._left.pop(layer, None)

    def _tell(self, text: str, layer: str, part: float, counted: tuple[int, int] | None = None) -> None:
        if len(self._costs) < 2:
            self._job.step(text, _part(*counted) if counted else None)
            return
        left = sum(self._left.values()) - part * self._left.get(layer, 0.0)
        self._job.step(f"{self._total - len(self._left)} of {self._total} layers ({layer})", 1 - left / self._whole)


def _part(done: int, total: int) -> float:
    return done / total if total else 0.0
