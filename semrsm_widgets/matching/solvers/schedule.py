"""How ε shrinks: the same in the compiled auction and in torch's."""

from __future__ import annotations

import math

# In units of the mean value of a match, ‖X‖‖Y‖ / n. Measured on ImageNet features; the result depends on none of them.
FIRST_EPS = 0.01
LAST_EPS = 1.2  # times the gap: the certified gap is typically 0.5 to 0.7 n ε, so this passes the first time
SHRINK = 0.1
WORTH_CERTIFYING = 0.35  # a certified gap below this part of n ε has not been seen, so an earlier certificate is wasted
EXTRA_PHASES = 3


def schedule(gap: float, mean: float) -> tuple[float, float, int]:
    """Return (first ε, factor, phases) such that the last of the phases runs at exactly LAST_EPS * gap * mean.

    It is compiled, too, so it uses nothing but `math`.
    """
    last = LAST_EPS * gap
    if last >= FIRST_EPS:
        return last * mean, SHRINK, 1
    steps = math.ceil(math.log(last / FIRST_EPS) / math.log(SHRINK) - 1e-9)
    return FIRST_EPS * mean, (last / FIRST_EPS) ** (1.0 / steps), steps + 1


def target(gap: float, norm: float) -> float:
    """Return the gap at which a pair is solved: a hair below, so that rounding never lifts what is reported above."""
    return (gap * (1 - 1e-9) - 1e-15) * norm
