"""What PairView sends to the browser: numbers of one pair, by name, so that no hover and no choice asks the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from semrsm_widgets.rsm import BASELINES, PATCH_SIMILARITIES
from semrsm_widgets.views.base import Message

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.analysis import Matches
    from semrsm_widgets.rsm import NullLevel

_FACTS = (*PATCH_SIMILARITIES, "upper", "any_matching", "same_position", "class_token")


def matches_message(kind: str, matches: Matches, null: NullLevel | None = None) -> Message:
    """Return a message with everything of a pair: what there is of each similarity, for each token."""
    arrays: dict[str, NDArray[Any]] = {
        "permutation": matches.permutation,
        "inverse": matches.inverse,
        "cosine": matches.token_cosine,
        "contribution": matches.contribution,
        "ambiguous": matches.ambiguous(),
        "nearest": matches.nearest.partner,
        "nearest_cosine": matches.nearest.token_cosine,
        "nearest_contribution": matches.nearest.contribution,
    }
    for name in BASELINES:
        split = matches.by_similarity.get(name)
        if split is not None:
            arrays[f"{name}_cosine"] = split.token_cosine
            arrays[f"{name}_contribution"] = split.contribution
    mean = matches.by_similarity["pooled"]
    arrays["other_pooled_cosine"] = mean.other_token_cosine
    arrays["other_pooled_contribution"] = mean.other_contribution
    return Message.of(
        kind,
        arrays=arrays,
        layer=matches.layer,
        pair=matches.pair,
        grid=matches.grid,
        other_grid=matches.other_grid,
        null=null,
        nearest_value=matches.nearest.value,
        **{name: getattr(matches, name) for name in _FACTS},
    )


def profile_message(matches: Matches, null: NullLevel | None = None) -> Message:
    """Return the similarities of a pair at one layer, and what unrelated tokens reach there if that is known."""
    values = {name: getattr(matches, name) for name in PATCH_SIMILARITIES}
    return Message.of(
        "profile", pair=matches.pair, name=matches.layer, unrelated=None if null is None else null.mean, **values
    )
