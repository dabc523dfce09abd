"""Running a model with hooks, and leaving it exactly as found."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from ._check import message

Hook = Callable[[str, Any], None]


def unwrapped(module: nn.Module) -> nn.Module:
    """Return the module inside torch.compile, DataParallel and the like; hooks work on it alone.

    Raises:
        ValueError: hooks cannot work on this module.
    """
    while True:
        if isinstance(module, (DataParallel, DistributedDataParallel)):
            module = module.module
        elif isinstance(getattr(module, "_orig_mod", None), nn.Module):
            module = module._orig_mod  # type: ignore[assignment]
        else:
            break
    if isinstance(module, torch.jit.ScriptModule):
        todo = "Load the Python model it was made from: TorchScript has no forward hooks."
        raise ValueError(message("model", "a module in Python", "a ScriptModule", todo))
    if getattr(module, "_compiled_call_impl", None) is not None:
        todo = "Use torch.compile(module), which leaves the original usable, or extract before module.compile()."
        raise ValueError(message("model", "a module that was not compiled in place", type(module).__name__, todo))
    return module


@contextmanager
def as_found(module: nn.Module, device: torch.device | str | None = None) -> Iterator[torch.device]:
    """Put a module into eval mode, without gradients, on `device`; on leaving, restore it whatever happened.

    Yields the device on which inputs are expected.
    """
    flags = [(part, part.training) for part in module.modules()]
    homes = {t.device for t in (*module.parameters(), *module.buffers())}
    home = next(iter(homes), torch.device("cpu"))
    try:
        target = torch.device(device) if device is not None else home
    except RuntimeError:
        raise ValueError(message("device", "None or a torch device such as 'cpu' or 'cuda'", repr(device))) from None
    if device is not None and len(homes) > 1:
        todo = "Leave `device` out: the model is spread over several devices."
        raise ValueError(message("device", "None for this model", str(device), todo))
    try:
        module.eval()
        if target != home:
            module.to(target)
        with torch.no_grad():
            yield target
    finally:
        for part, training in flags:
            part.training = training
        if target != home:
            module.to(home)


@contextmanager
def hooked(module: nn.Module, paths: Iterable[str], hook: Hook) -> Iterator[None]:
    """Call `hook(path, output)` after each forward of the named submodules ("" is the module itself)."""
    handles = []
    try:
        for path in paths:
            # The default argument binds this path; the hook returns None, so that it replaces no output.
            def tell(_module: nn.Module, _inputs: Any, output: Any, path: str = path) -> None:
                hook(path, output)

            handles.append(module.get_submodule(path).register_forward_hook(tell))
        yield
    finally:
        for handle in handles:
            handle.remove()


def leaves(output: Any) -> dict[str, Tensor]:
    """Return the floating tensors of an output by where they are in it: "[1]", ".last_hidden_state"; "" if only one."""
    found = dict(_walk(output, ""))
    return {"": next(iter(found.values()))} if len(found) == 1 else found


def _walk(output: Any, key: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(output, Tensor):
        if output.is_floating_point() and output.ndim >= 2:
            yield key, output
    elif isinstance(output, Mapping):
        for name, value in output.items():
            yield from _walk(value, f"{key}.{name}")
    elif isinstance(output, (list, tuple)):
        for i, value in enumerate(output):
            yield from _walk(value, f"{key}[{i}]")


def run(module: nn.Module, batch: Tensor, as_keyword: bool) -> None:
    """Run the module on a batch, cast to the module's own floating type; errors get a note saying on what."""
    dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), batch.dtype)
    if batch.is_floating_point():
        batch = batch.to(dtype)
    try:
        module(pixel_values=batch) if as_keyword else module(batch)
    except Exception as error:
        error.add_note(
            f"(while running {type(module).__name__} on a batch of shape {tuple(batch.shape)}, {batch.dtype})"
        )
        raise


@dataclass(frozen=True)
class Output:
    """One tensor that a submodule gave in a forward.

    Attributes:
        path: the submodule's name; "" is the model itself.
        call: 1 for the submodule's first call in this forward, 2 for its second, ...
        calls: how often it is called in all.
        leaf: where the tensor is in what the submodule returned; "" if there is only one.
        shape: (N, ...) of the tensor.
        same_as: position in the trace of an earlier output that is this very tensor, or None.
    """

    path: str
    call: int
    calls: int
    leaf: str
    shape: tuple[int, ...]
    same_as: int | None


def trace(
    module: nn.Module, input_shape: tuple[int, ...], n: int, as_keyword: bool, device: torch.device
) -> list[Output]:
    """Return the outputs of all submodules, in the order in which they finish, for `n` noise images.

    Call it inside `as_found`.
    """
    counts: Counter[str] = Counter()
    seen: list[tuple[str, int, str, tuple[int, ...], int | None]] = []
    # Many modules hand on the very tensor of another. An in-place operation keeps the object but moves its version.
    owners: dict[tuple[int, int], tuple[weakref.ref[Tensor], int]] = {}

    def note(path: str, output: Any) -> None:
        counts[path] += 1
        for leaf, tensor in leaves(output).items():
            key = (id(tensor), -1 if tensor.is_inference() else tensor._version)
            owner, position = owners.get(key, (None, -1))
            same = position if owner is not None and owner() is tensor else None
            if same is None:
                owners[key] = (weakref.ref(tensor), len(seen))
            seen.append((path, counts[path], leaf, tuple(tensor.shape), same))

    # Noise from a generator of its own: the user's random state stays as it is.
    generator = torch.Generator().manual_seed(0)
    batch = torch.randn((n, *input_shape), generator=generator).to(device)
    with hooked(module, [path for path, _ in module.named_modules()], note):
        run(module, batch, as_keyword)
    return [Output(path, call, counts[path], leaf, shape, same) for path, call, leaf, shape, same in seen]
