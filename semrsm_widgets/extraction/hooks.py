"""Running a model with hooks, and leaving it exactly as found."""

from __future__ import annotations

import threading
import weakref
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.nn.parameter import is_lazy

from semrsm_widgets.common import describe, message

Hook = Callable[[str, Any], None]

_guard = threading.Lock()
_locks: weakref.WeakKeyDictionary[nn.Module, threading.RLock] = weakref.WeakKeyDictionary()


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
    if type(module).__name__ == "FullyShardedDataParallel":
        todo = "Gather its weights into the plain module first, and extract from that."
        raise ValueError(message("model", "a module whose weights are whole", "one that is sharded over devices", todo))
    return module


def is_exported(module: nn.Module) -> bool:
    """Return whether a module is what torch.export makes: a single graph, in which no submodule is called."""
    return any(kind.__module__.startswith("torch.export") for kind in type(module).__mro__)


def takes_hooks(part: nn.Module) -> bool:
    """Return whether a submodule can be hooked: scripted ones cannot, what is around them can."""
    return not isinstance(part, torch.jit.ScriptModule)


@contextmanager
def as_found(module: nn.Module, device: torch.device | str | None = None) -> Iterator[torch.device]:
    """Put a module into eval mode, without gradients, on `device`; on leaving, restore it whatever happened.

    Another thread that wants the same module waits until then. Yields the device on which inputs are expected.
    """
    with _alone(module), _as_found(module, device) as target:
        yield target


@contextmanager
def _as_found(module: nn.Module, device: torch.device | str | None) -> Iterator[torch.device]:
    weights = (*module.named_parameters(), *module.named_buffers())
    empty = [name for name, value in weights if value.is_meta and not is_lazy(value)]
    if empty:
        todo = "Load them first: weights on the meta device are shapes only."
        raise ValueError(message("model", "a model with its weights in memory", f"one without {empty[0]!r}", todo))
    lazy = [name for name, value in module.named_parameters() if is_lazy(value)]
    if lazy:
        todo = "Run it once on a batch yourself: its first forward gives them their shapes and random values."
        raise ValueError(message("model", "a model whose weights have shapes", f"one without {lazy[0]!r}", todo))
    flags = [(part, part.training) for part in module.modules()]
    homes = {t.device for t in (*module.parameters(), *module.buffers())}
    home = next(iter(homes), torch.device("cpu"))
    try:
        target = torch.device(device) if device is not None else home
        torch.empty(0, device=target).cpu()  # an accelerator that is not there
    except torch.cuda.OutOfMemoryError:  # it is there, and full
        raise
    except (RuntimeError, TypeError, ValueError, AssertionError):  # torch says an absent one in any of these ways
        expected = "None or a torch device that is there, such as 'cpu' or 'cuda'"
        raise ValueError(message("device", expected, describe(device))) from None
    if device is not None and len(homes) > 1:
        todo = "Leave `device` out: the model is spread over several devices."
        raise ValueError(message("device", "None for this model", str(device), todo))
    try:
        if not is_exported(module):  # such a graph has one mode, and says no to being put into another
            module.eval()
        if target != home:
            module.to(target)
        with torch.no_grad(), _as_written(module):
            yield target
    finally:
        for part, training in flags:
            part.training = training
        if target != home:
            module.to(home)


@contextmanager
def _as_written(module: nn.Module) -> Iterator[None]:
    """Run the compiled parts of a module as their Python code; what they were compiled to is put back on leaving.

    Compiled code knows of no hook that came after it, and whether it is compiled again for one depends on all that the
    process has compiled before.
    """
    found: list[tuple[dict[str, Any], str, nn.Module | None]] = []
    for part in module.modules():  # by their dictionaries: a wrapper hands on what is set on it to the module inside
        attributes, inside = vars(part), getattr(part, "_orig_mod", None)
        if isinstance(inside, nn.Module) and "forward" in attributes:
            found.append((attributes, "forward", inside))
        if attributes.get("_compiled_call_impl") is not None:
            found.append((attributes, "_compiled_call_impl", None))
    compiled = [attributes[name] for attributes, name, _ in found]
    try:
        for attributes, name, written in found:
            attributes[name] = written
        yield
    finally:
        for (attributes, name, _), value in zip(found, compiled, strict=True):
            attributes[name] = value


@contextmanager
def _alone(module: nn.Module) -> Iterator[None]:
    """Have a module for this thread alone: another's forward would reach its hooks, and change its place and mode."""
    with _guard:
        lock = _locks.setdefault(module, threading.RLock())
    with lock:
        yield


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


class Leaf(NamedTuple):
    """One tensor of an output, and the (h, w) that stands beside it, as in `(x, (h, w))`, or None."""

    tensor: Tensor
    hint: tuple[int, int] | None


MOST_NESTED = 6  # containers in containers; objects of a model's own may lead anywhere


def leaves(output: Any) -> dict[str, Leaf]:
    """Return the floating tensors of an output by where they are in it: "[1]", ".last_hidden_state"; "" if only one.

    Looked into are sequences, mappings, and objects that keep tensors in their attributes.
    """
    found = dict(_walk(output, "", None, 0))
    return {"": next(iter(found.values()))} if len(found) == 1 else found


def _walk(output: Any, key: str, hint: tuple[int, int] | None, depth: int) -> Iterator[tuple[str, Leaf]]:
    if isinstance(output, Tensor):
        if output.is_floating_point() and output.ndim >= 2:
            yield key, Leaf(output, hint)
    elif depth == MOST_NESTED or isinstance(output, (nn.Module, type, str, bytes)):
        return
    elif isinstance(output, Mapping):
        for name, value in output.items():
            yield from _walk(value, f"{key}{_key(name)}", None, depth + 1)
    elif isinstance(output, (list, tuple)):
        size = _size(output[1]) if len(output) == 2 else None
        for i, value in enumerate(output):
            yield from _walk(value, f"{key}[{i}]", size if i == 0 else None, depth + 1)
    else:
        for name, value in _attributes(output).items():
            yield from _walk(value, f"{key}.{name}", None, depth + 1)


def _key(name: Any) -> str:
    """Return how a mapping's key is written; no two keys are written alike."""
    return f".{name}" if isinstance(name, str) and not set(".[]@'") & set(name) else f"[{name!r}]"


def _attributes(value: Any) -> dict[str, Any]:
    """Return what an object keeps: the fields of a dataclass, its slots, its dictionary."""
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    names = [*slots, *getattr(value, "__dict__", ())]
    return {name: getattr(value, name, None) for name in names if not name.startswith("__")}


def _size(value: Any) -> tuple[int, int] | None:
    """Return (h, w) if a value is two or three small integers ((h, w) or (time, h, w)), else None."""
    if not isinstance(value, (list, tuple)) or len(value) not in (2, 3):
        return None
    if not all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in value):
        return None
    return value[-2], value[-1]


def run(module: nn.Module, batch: Tensor, as_keyword: bool, call: Callable[..., Any] | None = None) -> Any:
    """Run the module, or another callable of it, on a batch, cast to the module's own floating type.

    Errors get a note saying on what.
    """
    dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), batch.dtype)
    if batch.is_floating_point():
        batch = batch.to(dtype)
    call = module if call is None else call
    try:
        return call(pixel_values=batch) if as_keyword else call(batch)
    except Exception as error:
        error.add_note(
            f"(while running {type(module).__name__} on a batch of shape {tuple(batch.shape)}, {batch.dtype})"
        )
        raise


@dataclass(frozen=True)
class Setting:
    """How a module is run: inside `as_found`, on inputs of a shape (C, H, W), on a device, perhaps by keyword.

    `floating` says whether the transform gives floating numbers, as nearly all do.
    """

    module: nn.Module
    input_shape: tuple[int, ...]
    as_keyword: bool
    device: torch.device
    floating: bool = True


Key = tuple[str, int, str]  # path, call, leaf


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
        hint: the (h, w) that the module returned beside it, or None.
        seen: what `trace(see=...)` returned for it; None for the same tensor again.
    """

    path: str
    call: int
    calls: int
    leaf: str
    shape: tuple[int, ...]
    same_as: int | None
    hint: tuple[int, int] | None = None
    seen: Any = field(default=None, compare=False, repr=False)

    @property
    def key(self) -> Key:
        """What tells it from the other outputs of a forward."""
        return self.path, self.call, self.leaf


def noise(shape: tuple[int, ...], device: torch.device, seed: int = 0) -> Tensor:
    """Return Gaussian noise from a generator of its own: the user's random state stays as it is."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(device)


@dataclass(frozen=True)
class Trace:
    """What a forward shows.

    Attributes:
        outputs: of all submodules, in the order in which they finish.
        others: for each submodule that was called and gave no tensor to take, what it gave.
    """

    outputs: list[Output]
    others: dict[str, str]


def trace(setting: Setting, batches: Sequence[Tensor], see: Callable[[Tensor], Any] | None = None) -> Trace:
    """Run a module and return the outputs of all its submodules; call it inside `as_found`.

    Args:
        setting: the module and how it is run.
        batches: one batch; or several of one image each, for a module that takes no more: what `see` gets of an
            output is then that of all images.
        see: called with each output while the forward is there, but not twice with the same tensor.
    """
    counts: Counter[str] = Counter()
    found: list[Output] = []
    others: dict[str, str] = {}
    # Many modules hand on the very tensor of another. An in-place operation keeps the object but moves its version.
    owners: dict[tuple[int, int], tuple[weakref.ref[Tensor], int]] = {}
    kept: dict[Key, list[Tensor]] = defaultdict(list)

    def note(path: str, output: Any) -> None:
        counts[path] += 1
        tensors = leaves(output)
        if not tensors:
            others[path] = describe(output)
        for leaf, (tensor, hint) in tensors.items():
            identity = (id(tensor), version(tensor))
            owner, position = owners.get(identity, (None, -1))
            same = position if owner is not None and owner() is tensor else None
            seen = None
            if same is None:
                owners[identity] = (weakref.ref(tensor), len(found))
                if see is not None and len(batches) == 1:
                    seen = see(tensor)
                elif see is not None:
                    kept[path, counts[path], leaf].append(tensor.clone().cpu())
            found.append(Output(path, counts[path], 0, leaf, tuple(tensor.shape), same, hint, seen))

    paths = [path for path, part in setting.module.named_modules() if takes_hooks(part)]
    outputs: list[Output] = []
    with hooked(setting.module, paths, note):
        for batch in batches:
            counts.clear()
            found.clear()
            owners.clear()
            run(setting.module, batch, setting.as_keyword)
            outputs = outputs or [replace(output, calls=counts[output.path]) for output in found]
    if see is not None and len(batches) > 1:
        outputs = [replace(output, seen=_together(kept[output.key], len(batches), see)) for output in outputs]
    return Trace(outputs, {path: text for path, text in others.items() if path not in {o.path for o in outputs}})


def _together(parts: Sequence[Tensor], count: int, see: Callable[[Tensor], Any]) -> Any:
    """Return what `see` makes of the outputs for single images, put into one batch; None where they are no batch."""
    if len(parts) != count or any(part.shape != parts[0].shape for part in parts):
        return None
    axis = 1 if parts[0].ndim == 3 and parts[0].shape[0] != 1 and parts[0].shape[1] == 1 else 0
    return see(torch.cat(list(parts), axis))


def version(tensor: Tensor) -> int:
    """Return a number that in-place operations change; always the same for inference tensors, which have none."""
    return -1 if tensor.is_inference() else tensor._version
