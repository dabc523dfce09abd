"""The similarities by name, and what an Analysis knows of them: of one layer, under one kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from semrsm_widgets.common import check_choice

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .null import NullLevel


@dataclass(frozen=True, kw_only=True)
class SimilarityWords:
    """A similarity of two images in words.

    Attributes:
        name: what it is called.
        caption: how the tokens of the two are compared, in two words.
        aside: what stands small beside the name.
        splits: whether it is a sum over patches.
    """

    name: str
    caption: str
    aside: str
    splits: bool = True

    @property
    def title(self) -> str:
        """The name with its caption."""
        return f"{self.name} ({self.caption})"


SIMILARITIES: dict[str, SimilarityWords] = {
    each.name: each
    for each in (
        SimilarityWords(name="aligned", caption="same position", aside="same position"),
        SimilarityWords(name="semantic", caption="best match", aside="best match"),
        SimilarityWords(name="pooled", caption="mean token", aside="mean token"),
        SimilarityWords(name="class token", caption="class token", aside="CLS", splits=False),
    )
}
"""Name -> words, in the order in which they are told. Not every model has a class token."""

PATCH_SIMILARITIES = tuple(name for name, each in SIMILARITIES.items() if each.splits)
"""Those that every layer has; each is an attribute of `Similarities` and of `Matches`."""

BASELINES = tuple(name for name in PATCH_SIMILARITIES if name != "semantic")
"""Those that the semantic one is held against."""

EXPLAINED = ("semantic", "aligned", "pooled", "class token")
"""In the order in which a pair is explained: what matching finds comes first."""


def similarity_of(value: str) -> SimilarityWords:
    """Return the similarity of a name, or of a caption.

    Raises:
        ValueError: there is none; the text lists the captions.
    """
    captions = {SIMILARITIES[name].caption: name for name in EXPLAINED}
    if not isinstance(value, str) or value not in SIMILARITIES:
        value = captions[check_choice("similarity", value, tuple(captions))]
    return SIMILARITIES[value]


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
