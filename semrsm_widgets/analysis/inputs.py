"""What an Analysis is made of, checked at the door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from semrsm_widgets.common import describe, message
from semrsm_widgets.images import Images
from semrsm_widgets.matching import check_matcher
from semrsm_widgets.tokens import Tokens

if TYPE_CHECKING:
    from semrsm_widgets.matching import Matcher

AnyTokens = TypeVar("AnyTokens", Tokens, torch.Tensor)


def present(tokens: AnyTokens) -> AnyTokens:
    """Return the tokens, or raise if only their shape was saved.

    An Analysis that was saved without its tokens holds them on torch's meta device: shapes without data.

    Raises:
        ValueError: there are no data.
    """
    values = tokens.values if isinstance(tokens, Tokens) else tokens
    if values.is_meta:
        raise ValueError(
            "This Analysis was saved without its tokens, so it holds RSMs but matches nothing anew. "
            "Save it with analysis.save(path, tokens=True), or extract the tokens again."
        )
    return tokens


def check_key(matcher: Any) -> Matcher:
    """Return the matcher if results can be kept under it, as under a key of a dict.

    Raises:
        TypeError: it is none, or has no hash.
    """
    check_matcher(matcher)
    try:
        hash(matcher)
    except TypeError:
        todo = "Make it a function, or a dataclass(frozen=True)."
        expected = "a matcher with a hash: what it found is kept under it"
        raise TypeError(message("matcher", expected, describe(matcher), todo)) from None
    found: Matcher = matcher
    return found


def check_layers(images_name: str, tokens_name: str, images: Any, tokens: Any) -> None:
    """Raise unless tokens are a mapping of layer name to Tokens of these images."""
    if not isinstance(images, Images):
        raise TypeError(message(images_name, "Images", images, "Make them with load_images(...) or demo_images()."))
    if not isinstance(tokens, Mapping) or not tokens:
        todo = f"Make it with extract(model, {images_name})."
        expected = "a mapping of layer name to Tokens with at least one layer"
        raise ValueError(message(tokens_name, expected, tokens, todo))
    for name, layer_tokens in tokens.items():
        where = f"{tokens_name}[{name!r}]"
        if not isinstance(layer_tokens, Tokens):
            raise TypeError(message(where, "Tokens", layer_tokens, "Make it with extract(...)."))
        if len(layer_tokens) != len(images):
            todo = "Pass the images that the tokens were extracted from, in the same order."
            raise ValueError(
                message(where, f"tokens of the same {len(images)} images", f"{len(layer_tokens)} images", todo)
            )


def check_queries(
    queries: Images | None, tokens: Mapping[str, Tokens] | None, layers: tuple[str, ...]
) -> tuple[Images | None, dict[str, Tokens] | None]:
    """Return the queries and their tokens in the layers' order, or (None, None)."""
    if queries is None and tokens is None:
        return None, None
    if queries is None or tokens is None:
        missing = "queries" if queries is None else "query_tokens"
        raise ValueError(message(missing, "given together with the other of the two", "None"))
    check_layers("queries", "query_tokens", queries, tokens)
    if set(tokens) != set(layers):
        todo = "Extract both with the same `layers`."
        raise ValueError(message("query_tokens", f"of the layers {list(layers)}", f"{list(tokens)}", todo))
    return queries, {layer: tokens[layer] for layer in layers}
