"""Traits that several views have, each with its check: the kernel, and the layer and pair of an Analysis."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import traitlets as t

from semrsm_widgets.analysis import Analysis, check_analysis
from semrsm_widgets.common import describe, message
from semrsm_widgets.figures import weights_badge
from semrsm_widgets.images import Selection, sorted_labels
from semrsm_widgets.rsm import SIMILARITIES, Kernel, cosine, inner_product, rbf

from .view import check_trait
from .wire import plain

if TYPE_CHECKING:
    from semrsm_widgets.images import Images

KERNELS: dict[str, Kernel] = {"cosine": cosine, "inner product": inner_product, "RBF": rbf}
"""The kernels that a view offers, by the name on its button."""


def check_kernel_name(value: Any) -> str:
    """Return a kernel's name, or raise TraitError."""
    return check_trait("kernel", value, tuple(KERNELS))


class SimilaritiesTold(t.HasTraits):
    """A view whose page names similarities: it is told their words."""

    _similarities: t.List[Any] = t.List(plain(list(SIMILARITIES.values()))).tag(sync=True)


class KernelChosen(t.HasTraits):
    """A view under one kernel."""

    kernel = t.Unicode("cosine", help='"cosine", "inner product" or "RBF".').tag(sync=True)

    @t.validate("kernel")
    def _check_kernel(self, proposal: Any) -> str:
        return check_kernel_name(proposal["value"])


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

    _model_badge = t.Unicode("", help="What is to be known of the model before anything else.").tag(sync=True)
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
            _model_badge=weights_badge(analysis.provenance),
            _layers=layer_rows(analysis),
            _images=image_rows(analysis),
            **kwargs,
        )

    @t.validate("layer")
    def _check_layer(self, proposal: Any) -> str:
        return check_trait("layer", proposal["value"], self.analysis.layers)

    @t.validate("pair")
    def _check_pair(self, proposal: Any) -> tuple[int, int]:
        return check_pair(self.analysis, proposal["value"])


class Checked(t.Any):
    """Anything that the check of the trait takes: None, too, is checked, which traitlets lets pass otherwise."""

    allow_none = False


class ImagesSelected(t.HasTraits):
    """A view of an Analysis in which some images may be selected; the page knows them by their indices."""

    analysis: Analysis

    selection: Any = Checked(
        help="The images selected, in order: a `Selection`. Ids or indices may be set; None for none.",
    ).tag(sync=True, to_json=lambda chosen, _view: list(chosen.indices))

    @t.default("selection")
    def _nothing_selected(self) -> Selection:
        return Selection(self.analysis.images)

    @t.validate("selection")
    def _check_selection(self, proposal: Any) -> Selection:
        return check_selection(self.analysis.images, proposal["value"])


def check_selection(images: Images, chosen: Any) -> Selection:
    """Return the images chosen by their ids or indices, or raise TraitError in the house's form."""
    try:
        return Selection.of(images, chosen)
    except (TypeError, ValueError) as error:
        raise t.TraitError(str(error)) from None


def check_pair(analysis: Analysis, pair: Any) -> tuple[int, int]:
    """Return a pair of image indices, or raise TraitError in the house's form."""
    last = len(analysis) - 1
    expected = f"two image indices from 0 to {last}"
    try:
        i, j = (operator.index(k) for k in pair)
    except (TypeError, ValueError, RuntimeError):  # the last of tensors
        raise t.TraitError(message("pair", expected, describe(pair))) from None
    if not (0 <= i <= last and 0 <= j <= last):
        raise t.TraitError(message("pair", expected, f"{(i, j)}"))
    return i, j


def default_layer(analysis: Analysis) -> str:
    """Return the layer to show first: two thirds in, where position varies and patches still mean something."""
    names = [name for name in analysis.layers if (analysis.tokens[name].grid or (1, 1)) != (1, 1)] or analysis.layers
    return names[(2 * (len(names) - 1)) // 3]


def layer_rows(analysis: Analysis) -> list[dict[str, Any]]:
    """Return what the browser shows of each layer."""
    rows = []
    for name, tokens in analysis.tokens.items():
        _, count, channels = tokens.values.shape
        row = {"name": name, "tokens": count, "channels": channels, "grid": tokens.grid, "native": tokens.native_grid}
        prefix = 0 if tokens.prefix is None else tokens.prefix.shape[1]
        class_token = prefix > 0 and tokens.has_class_token
        rows.append(
            {**row, "prefix": prefix, "class_token": class_token, "note": tokens.note, "caution": tokens.caution}
        )
    return rows


def image_rows(analysis: Analysis) -> list[dict[str, Any]]:
    """Return what the browser shows of each image."""
    labels = analysis.images.labels
    return [
        {"id": name, "labels": sorted_labels(labels[k]) if labels is not None else []}
        for k, name in enumerate(analysis.images.ids)
    ]
