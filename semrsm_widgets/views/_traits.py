"""Traits that several views have, each with its check: the kernel, and the layer and pair of an Analysis."""

from __future__ import annotations

from typing import Any

import traitlets as t

from semrsm_widgets.analysis import Analysis, check_analysis
from semrsm_widgets.rsm import Kernel, cosine, inner_product, rbf

from ._base import check_trait
from ._shown import checked_pair, default_layer, image_rows, layer_rows

KERNELS: dict[str, Kernel] = {"cosine": cosine, "inner product": inner_product, "RBF": rbf}
"""The kernels that a view offers, by the name on its button."""


def checked_kernel_name(value: Any) -> str:
    """Return a kernel's name, or raise TraitError."""
    return check_trait("kernel", value, tuple(KERNELS))


class KernelChosen(t.HasTraits):
    """A view under one kernel."""

    kernel = t.Unicode("cosine", help='"cosine", "inner product" or "RBF".').tag(sync=True)

    @t.validate("kernel")
    def _check_kernel(self, proposal: Any) -> str:
        return checked_kernel_name(proposal["value"])


class LayerChosen(t.HasTraits):
    """A view of one layer of an Analysis, and of one pair of its images.

    Args:
        analysis: what to show.
        layer: the layer on screen; two thirds into the model unless given.
        pair: indices of two images; the first two unless given.
        at_least: how many images the view needs.
    """

    analysis: Analysis

    layer = t.Unicode(help="The layer on screen.").tag(sync=True)
    pair = t.Tuple(t.Int(), t.Int(), default_value=(0, 0), help="Indices of the two images chosen.").tag(sync=True)

    _layers: t.List[Any] = t.List().tag(sync=True)
    _images: t.List[Any] = t.List().tag(sync=True)

    def __init__(
        self,
        analysis: Analysis,
        *,
        layer: str | None = None,
        pair: tuple[int, int] | None = None,
        at_least: int = 1,
        **kwargs: Any,
    ) -> None:
        self.analysis = check_analysis(analysis, at_least=at_least)
        super().__init__(
            layer=default_layer(analysis) if layer is None else layer,
            pair=(0, min(1, len(analysis) - 1)) if pair is None else pair,
            _layers=layer_rows(analysis),
            _images=image_rows(analysis),
            **kwargs,
        )

    @t.validate("layer")
    def _check_layer(self, proposal: Any) -> str:
        return check_trait("layer", proposal["value"], self.analysis.layers)

    @t.validate("pair")
    def _check_pair(self, proposal: Any) -> tuple[int, int]:
        return checked_pair(self.analysis, proposal["value"])
