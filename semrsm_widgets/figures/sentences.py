"""Where the numbers of a figure come from, in sentences: for others to repeat them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from semrsm_widgets.analysis import Analysis
    from semrsm_widgets.rsm import NullLevel

_DIGITS = 12  # of the weights' hash: enough to tell two checkpoints apart


def model_sentence(analysis: Analysis) -> str:
    """Return the model, its weights with the beginning of their hash, the number of images and the version."""
    known = analysis.provenance
    parts = [str(known.get("name") or "Tokens of a model that was not given")]
    if weights_badge(known):
        parts.append("RANDOM WEIGHTS, not trained")
    elif known.get("weights"):
        parts.append(f"weights {known['weights']}")
    if known.get("weights_sha256"):
        parts.append(f"SHA-256 {known['weights_sha256'][:_DIGITS]}…")
    count = len(analysis)
    images = f"{count} image{'s' * (count != 1)}"
    note = f" ({analysis.images.note})" if analysis.images.note else ""
    return f"{', '.join(parts)}; {images}{note}; semrsm_widgets {__version__}."


def weights_badge(provenance: Mapping[str, Any]) -> str:
    """Return what stands beside a model's name wherever it is shown: empty, unless its weights are random."""
    return "random weights" if provenance.get("weights") == "random" else ""


def layer_sentence(analysis: Analysis, layer: str) -> str:
    """Return the layer with its token grid and channels."""
    tokens = analysis.tokens[layer]
    _, count, channels = tokens.values.shape
    if tokens.grid is None:
        return f"Layer {layer}: {count} tokens, {channels} channels."
    pooled = ""
    if tokens.native_grid is not None and tokens.native_grid != tokens.grid:
        pooled = f" (pooled from {_by(tokens.native_grid)})"
    return f"Layer {layer}: {_by(tokens.grid)} patches{pooled}, {channels} channels."


def matcher_sentence(analysis: Analysis) -> str:
    """Return how tokens were paired."""
    return f"Tokens matched by {analysis.matcher!r}."


def certificate_sentence(subject: str, gap: float) -> str:
    """Return how near to the best assignment a value is.

    Args:
        subject: what has this gap: "Every semantic entry".
        gap: the largest certified error, in units of cosine; not finite without a certificate.
    """
    if not np.isfinite(gap):
        return f"{subject} is uncertified."
    if gap <= 0:
        return f"{subject} is that of the best one-to-one assignment."
    return f"{subject} is within {_at_most(gap)} of the best one-to-one assignment (cosine)."


def null_sentence(null: NullLevel, shown: str, kernel: str) -> str:
    """Return what unrelated tokens reach; `shown` is the mean as the figure writes it."""
    count = f"n = {null.n}".replace(" ", "\N{NO-BREAK SPACE}")
    return f"Unrelated tokens (channels permuted, {count}) reach {shown} ({kernel})."


def number(value: float, digits: int = 2) -> str:
    """Return a number as people read it: as many digits as it has meaning for, a true minus sign."""
    size = abs(value)
    if size >= 1e5 or 0 < size < 0.5 * 10**-digits:
        text = f"{size:.1e}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-").replace("-", "\N{MINUS SIGN}")
    else:
        text = f"{size:.0f}" if size >= 100 else f"{size:.1f}" if size >= 10 else f"{size:.{digits}f}"
    return f"\N{MINUS SIGN}{text}" if value < 0 and text.strip("0.") else text


def _by(grid: tuple[int, int]) -> str:
    return f"{grid[0]}×{grid[1]}"


def _at_most(gap: float) -> str:
    """Return a gap with one digit, rounded up, and never finer than float32 products are."""
    gap = max(gap, 1e-6)
    power = int(np.floor(np.log10(gap)))
    digit = int(np.ceil(round(gap / 10.0**power, 9)))
    text = f"1e{power + 1}" if digit == 10 else f"{digit}e{power}"
    return text.replace("-", "\N{MINUS SIGN}")
