"""What others need to repeat a result."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from semrsm_widgets.common import __version__
from semrsm_widgets.rsm import MatchedGram, UndefinedKernelError, rbf_sigma

if TYPE_CHECKING:
    from .analysis import Analysis


def provenance_card(analysis: Analysis) -> dict[str, Any]:
    """Return what others need to repeat a result: model, weights' hash, transform, images' hashes, σ, versions."""
    card: dict[str, Any] = dict(analysis.provenance)
    if "images" not in card:  # one that was loaded has thumbnails only, but knows the hashes of its pictures
        card["images"] = {
            ident: hashlib.sha256(f"{picture.size}".encode() + picture.tobytes()).hexdigest()
            for ident, picture in zip(analysis.images.ids, analysis.images, strict=True)
        }
    card["matcher"] = repr(analysis.matcher)
    card["layers"] = {name: repr(tokens) for name, tokens in analysis.tokens.items()}
    card["sigma"] = {name: _sigma(analysis.gram(name)) for name in analysis.layers}
    card["versions"] = {"semrsm_widgets": __version__, **{name: version(name) for name in ("numpy", "scipy", "torch")}}
    return card


def _sigma(gram: MatchedGram) -> float | None:
    """Return the default RBF width of a gram; None where it has none, which the file says as such."""
    try:
        return rbf_sigma(gram)
    except UndefinedKernelError:
        return None
