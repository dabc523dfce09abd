"""What kernels are called in results and figures."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semrsm_widgets.rsm import Kernel


def kernel_name(kernel: Kernel) -> str:
    """Return a kernel's name with the options that a `partial` fixed: "rbf(sigma=2)"."""
    function: Any = kernel.func if isinstance(kernel, partial) else kernel
    options = kernel.keywords if isinstance(kernel, partial) else {}
    name: str = getattr(function, "__name__", repr(function))
    shown = ", ".join(
        f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}" for key, value in options.items()
    )
    return f"{name}({shown})" if shown else name
