"""The class token of a ViT: the first of its prefix tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from semrsm_widgets.tokens import Tokens

if TYPE_CHECKING:
    from torch import Tensor


def class_tokens(tokens: Tokens) -> Tensor | None:
    """Return (N, 1, D), or None where the model has no class token."""
    return tokens.cls().values if tokens.has_class_token and tokens.prefix is not None else None


def class_token_cosine(tokens: Tokens, i: int, j: int) -> float:
    """Return the cosine of two images' class tokens, 0 where one is all zero; NaN where the model has none."""
    own = class_tokens(tokens)
    if own is None:
        return float("nan")
    x, y = (own[k, 0].cpu().double().numpy() for k in (i, j))
    return float(x @ y / (np.linalg.norm(x) * np.linalg.norm(y) or 1.0))
