"""Whatever holds numbers, as a NumPy array: tensors of any type and device, labelled, lazy and masked arrays."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from .checks import describe, message

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

# NumPy and torch are imported where they are used: the command line answers where one of them is broken.

BFLOAT16_EPS = 2.0**-7
_WAYS_IN = {
    "scipy": "Write it out: x.toarray().",
    "rsatoolbox": "Pass one matrix of it: rdms.get_matrices()[0] (of distances; negate it for similarities).",
    "cupy": "Copy it from the device: x.get().",
}


def read_numbers(name: str, value: Any) -> tuple[NDArray[Any], float]:
    """Return anything array-like as a NumPy array of its own type, and the relative rounding of its numbers.

    Tensors come from any device, with or without a gradient; bfloat16 and the 8-bit floats, which NumPy has not,
    are widened to float32, and keep their rounding. Anything with `__array__` is read. The rounding of integers is 0.

    Raises:
        TypeError: it is no array.
        ValueError: its rows differ in length, or some entries are masked.
    """
    import numpy as np

    if hasattr(value, "detach") and hasattr(value, "cpu"):
        return _of_tensor(name, value)
    if np.ma.isMaskedArray(value) and np.ma.is_masked(value):
        masked = int(np.ma.getmaskarray(value).sum())
        todo = "A masked value is a missing one: leave it out, or fill it with x.filled(...)."
        raise ValueError(message(name, "without masked entries", f"{masked} of {value.size} masked", todo))
    try:
        array = np.asarray(value)
    except Exception as error:
        todo = _WAYS_IN.get(type(value).__module__.partition(".")[0], f"NumPy cannot read it: {_one_line(error)}")
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(message(name, "an array of numbers", describe(value), todo)) from error
    if array.dtype.name == "bfloat16":  # of ml_dtypes, as JAX uses it
        return array.astype(np.float32), BFLOAT16_EPS
    if array.dtype == object and array.ndim == 0:
        todo = _WAYS_IN.get(type(value).__module__.partition(".")[0], "Pass an array.")
        raise TypeError(message(name, "an array of numbers", describe(value), todo))
    return array, float(np.finfo(array.dtype).eps) if array.dtype.kind == "f" else 0.0


@lru_cache(maxsize=16)
def float64_home(device: torch.device) -> torch.device:
    """Return where tensors of a device can be float64: there, or on the CPU, as Apple's MPS and some GPUs have none."""
    import torch

    try:
        torch.ones(1, dtype=torch.float64, device=device).add(1).cpu()
    except (TypeError, RuntimeError):  # which of them, and in what words, is the device's own
        return torch.device("cpu")
    return device


def _of_tensor(name: str, value: Any) -> tuple[NDArray[Any], float]:
    import torch

    if value.device.type == "meta":
        raise ValueError(message(name, "numbers", "a tensor on the meta device, which has a shape alone"))
    if value.is_nested:
        raise ValueError(message(name, "an array of numbers, its rows of one length", "a nested tensor"))
    tensor = value.detach()
    tensor = (tensor if tensor.layout == torch.strided else tensor.to_dense()).cpu().resolve_conj().resolve_neg()
    rounding = float(torch.finfo(tensor.dtype).eps) if tensor.is_floating_point() else 0.0
    if tensor.is_floating_point() and tensor.dtype not in (torch.float16, torch.float32, torch.float64):
        tensor = tensor.float()
    return tensor.numpy(), rounding


def _one_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
