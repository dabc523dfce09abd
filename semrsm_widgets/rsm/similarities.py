"""`Similarities`: what an Analysis knows of one layer under one kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .null import NullLevel


@dataclass(frozen=True, eq=False, kw_only=True)
class Similarities:
    """Every similarity of one layer under one kernel, on one scale.

    Attributes:
        layer: the layer's name.
        aligned: (N, N) float64, token s against token s.
        semantic: (N, N) float64, tokens under the best one-to-one assignment.
        upper: (N, N) float64, certified upper bound of `semantic`; inf where the matcher gives no certificate.
        pooled: (N, N) float64, the mean token alone.
        null: what `semantic` reaches between unrelated tokens.
        sigma: the RBF's σ, shared by all three; None for other kernels.
    """

    layer: str
    aligned: NDArray[np.float64]
    semantic: NDArray[np.float64]
    upper: NDArray[np.float64]
    pooled: NDArray[np.float64]
    null: NullLevel
    sigma: float | None = None

    def __repr__(self) -> str:
        width = "" if self.sigma is None else f", σ {self.sigma:.4g}"
        return f"Similarities({self.layer!r}: aligned, semantic, pooled of {len(self.semantic)} images{width})"
