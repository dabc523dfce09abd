"""A device without float64, as Apple's MPS is: it is played by the CPU, and refuses what that device refuses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

DEVICE = torch.device("mps", 0)
REFUSAL = "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64"
WIDE = (torch.float64, torch.complex128)
MAY_MEET = {"to", "copy_", "__getitem__", "index_select", "type_as", "set_", "__set__", "__get__"}
"""What may have tensors of the CPU and of a device at once."""


class There(torch.Tensor):
    """A tensor on the device: its numbers are a tensor's of the CPU."""

    @staticmethod
    def put(held: torch.Tensor) -> There:
        """Return a tensor of the CPU as one there."""
        if held.dtype in WIDE:
            raise TypeError(REFUSAL)
        return held.as_subclass(There)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute on the CPU what stays on the device."""
        return _computed(func, args, kwargs or {})


class _Made(TorchFunctionMode):
    """Makes tensors on the device, and moves those of the CPU there."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute as the device does where it is named."""
        leaves = tree_flatten((args, kwargs or {}))[0]
        if any(isinstance(each, There) or _names_it(each) for each in leaves):
            return _computed(func, args, kwargs or {})
        return func(*args, **(kwargs or {}))


def _names_it(value: Any) -> bool:
    if isinstance(value, str):
        return value.partition(":")[0] == DEVICE.type
    return isinstance(value, torch.device) and value.type == DEVICE.type


def _computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Return what an operation gives, on the device that it would be on."""
    name = getattr(func, "__name__", "")
    leaves, spec = tree_flatten((args, kwargs))
    there = [each for each in leaves if isinstance(each, There)]
    if func == torch.Tensor.device.__get__:
        return DEVICE
    if func in (torch.Tensor.is_cpu.__get__, torch.Tensor.is_mps.__get__):
        return func is torch.Tensor.is_mps.__get__
    if name in ("numpy", "__array__") and not kwargs.get("force"):
        raise TypeError("can't convert mps:0 device type tensor to numpy. Use Tensor.cpu() to copy it to host memory")
    away = [each for each in leaves if isinstance(each, torch.Tensor) and not isinstance(each, There) and each.ndim]
    if there and away and name not in MAY_MEET:
        raise RuntimeError(f"Expected all tensors to be on the same device, but found at least two devices: {name}")
    homes = [each for each in leaves if isinstance(each, torch.device)]
    homes += [torch.device(each) for each in leaves if isinstance(each, str) and (_names_it(each) or each == "cpu")]
    goes_there = homes[-1].type == DEVICE.type if homes else bool(there) and name != "cpu"
    if name == "copy_":
        goes_there = isinstance(args[0], There)
    wide = [
        each
        for each in leaves
        if (isinstance(each, torch.Tensor) and not isinstance(each, There) and each.dtype in WIDE)
        or (isinstance(each, torch.dtype) and each in WIDE)
    ]
    if wide and name in ("to", "copy_"):  # a move that changes the type as well changes it on the device
        raise TypeError(REFUSAL)
    with torch._C.DisableTorchFunction():
        own = [_here(each) for each in leaves]
        own_args, own_kwargs = tree_unflatten(own, spec)
        found = func(*own_args, **own_kwargs)
        changed = {id(mine): each for mine, each in zip(own, leaves, strict=True) if isinstance(each, There)}

        def kept(each: Any) -> Any:
            if not isinstance(each, torch.Tensor):
                return each
            if there and not goes_there and name in ("to", "cpu"):
                return each.clone()
            if id(each) in changed:  # what is changed in place stays what it was
                return changed[id(each)]
            return There.put(each) if goes_there else each

        return tree_map(kept, found)


def _here(value: Any) -> Any:
    """Return what stands on the CPU for an argument."""
    if isinstance(value, There):
        return value.as_subclass(torch.Tensor)
    if isinstance(value, torch.device) or _names_it(value):
        return torch.device("cpu")
    return value


@contextmanager
def device_without_float64(monkeypatch: Any) -> Iterator[torch.device]:
    """Give the device, for this thread and those that begin meanwhile."""
    plain = threading.Thread.run

    def run(thread: threading.Thread) -> None:
        with _Made():
            plain(thread)

    monkeypatch.setattr(threading.Thread, "run", run)
    with _Made():
        yield DEVICE
