"""What kernels and statistics are called in results and figures."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any


def kernel_name(kernel: Callable[..., Any]) -> str:
    """Return the name of a kernel or statistic, with the options that a `partial` fixed: "rbf(sigma=2)"."""
    function: Any = kernel.func if isinstance(kernel, partial) else kernel
    options = kernel.keywords if isinstance(kernel, partial) else {}
    name: str = getattr(function, "__name__", repr(function))
    shown = ", ".join(
        f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}" for key, value in options.items()
    )
    return f"{name}({shown})" if shown else name
