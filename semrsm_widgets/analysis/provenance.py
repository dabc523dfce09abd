"""What others need to repeat a result."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from semrsm_widgets.common import __version__
from semrsm_widgets.rsm import MatchedGram, UndefinedKernelError, rbf_sigma

if TYPE_CHECKING:
    from collections.abc import Mapping

    from semrsm_widgets.images import Images
    from semrsm_widgets.tokens import Tokens


def provenance_card(
    provenance: Mapping[str, Any],
    images: Images,
    tokens: Mapping[str, Tokens],
    grams: Mapping[str, MatchedGram],
    matcher: Any,
) -> dict[str, Any]:
    """Return what others need to repeat a result: model, weights' hash, transform, images' hashes, σ, versions."""
    card: dict[str, Any] = dict(provenance)
    if "images" not in card:  # one that was loaded has thumbnails only, but knows the hashes of its pictures
        card["images"] = {
            ident: hashlib.sha256(f"{picture.size}".encode() + picture.tobytes()).hexdigest()
            for ident, picture in zip(images.ids, images, strict=True)
        }
    card["matcher"] = repr(matcher)
    card["layers"] = {name: f"{each!r}{'; ' * bool(each.note)}{each.note}" for name, each in tokens.items()}
    card["sigma"] = {name: _sigma(gram) for name, gram in grams.items()}
    card["versions"] = {"semrsm_widgets": __version__, **{name: version(name) for name in ("numpy", "scipy", "torch")}}
    return card


def _sigma(gram: MatchedGram) -> float | None:
    """Return the default RBF width of a gram; None where it has none, which the file says as such."""
    try:
        return rbf_sigma(gram)
    except UndefinedKernelError:
        return None
