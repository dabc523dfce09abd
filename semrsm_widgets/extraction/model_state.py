"""What a model computes, as texts and hashes: all that kept tokens depend on besides weights, pictures and options.

Python offers a hundred ways to change what a module gives: hooks, a `forward` of the instance, attributes, buffers that
no state dict holds, closures, helpers and constants of the module that defines it. What can be read of these is read;
and as that is never all of them, the layers are also known by what they give for a fixed input.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .hooks import Setting, hooked, noise, run

PROBE_IMAGES = 2
_PROBE_SEED = 20241
_DEPTH = 6
_MOST_ITEMS = 1000
_NOT_STATE = frozenset({"_parameters", "_buffers", "_modules", "training", "_non_persistent_buffers_set"})
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
_OTHER_HOOKS = ("_forward_", "_backward_", "_state_dict_", "_load_state_dict_", "_is_full_backward")
_LIBRARIES = frozenset(
    {*sys.stdlib_module_names, "torch", "torchvision", "timm", "numpy", "scipy", "PIL", "transformers", "open_clip"}
)
"""Packages whose functions are known by their names: they change with their versions, and what they give is probed."""


def given_for_the_probe(setting: Setting, paths: Iterable[str], draw: int) -> dict[str, str]:
    """Return a hash of what each named submodule gives, in all its calls, for two images of fixed noise.

    Call it inside `as_found`. The user's random state stays as it is; how far it is moved for the probe is `draw`, so
    that a model which draws from it gives something else for another.
    """
    digests: defaultdict[str, Any] = defaultdict(hashlib.sha256)

    def note(path: str, output: Any) -> None:
        digests[path].update(_Describer(set()).text(output).encode())

    devices = [setting.device] if setting.device.type == "cuda" else []
    probe = noise((PROBE_IMAGES, *setting.input_shape), setting.device, seed=_PROBE_SEED)
    with torch.random.fork_rng(devices), hooked(setting.module, paths, note):
        torch.rand(draw)
        run(setting.module, probe, setting.as_keyword)
    return {path: digest.hexdigest() for path, digest in digests.items()}


def state_of(module: nn.Module) -> dict[str, str]:
    """Return a text for each thing that a model's forward may depend on: attributes, buffers, hooks and code."""
    describer = _Describer({id(part) for part in module.modules()})
    found = {}
    for place, part in module.named_modules():
        for name, value in vars(part).items():
            if name in _HOOKS:  # their keys are numbers that count all hooks of a session
                found[f"{place}.{name}"] = describer.text(list(value.values()))
            elif name not in _NOT_STATE and not name.startswith(_OTHER_HOOKS):
                found[f"{place}.{name}"] = describer.text(value)
        for name in sorted(part._non_persistent_buffers_set):
            found[f"{place}.{name}"] = describer.text(part._buffers.get(name))
    for kind in sorted({type(part) for part in module.modules()}, key=lambda kind: kind.__qualname__):
        for base in kind.__mro__:
            if not base.__module__.startswith("torch.nn.modules") and base is not object:  # the version tells these
                found[f"{kind.__module__}.{kind.__qualname__} {base.__qualname__}"] = describer.members(base)
    hooks = nn.modules.module
    for name in ("_global_forward_hooks", "_global_forward_pre_hooks"):
        found[name] = describer.text(list(getattr(hooks, name, {}).values()))
    return found


class _Describer:
    """Writes values as texts that are the same in every session; what was met before is not written again."""

    def __init__(self, modules: set[int]) -> None:
        self._modules = modules
        self._met: dict[int, tuple[int, Any]] = {}

    def text(self, value: Any, depth: int = 0) -> str:
        """Return a text of a value, some levels deep."""
        if value is None or isinstance(value, bool | int | float | complex | str | bytes | torch.dtype | torch.device):
            return repr(value)
        if isinstance(value, Tensor | np.ndarray):
            return _numbers(value)
        if id(value) in self._modules or isinstance(value, ModuleType | BuiltinFunctionType) or depth > _DEPTH:
            return _name(value)
        if id(value) in self._met:
            return f"#{self._met[id(value)][0]}"
        self._met[id(value)] = (len(self._met), value)  # holding it keeps its id its own
        return self._composed(value, depth + 1)

    def _composed(self, value: Any, depth: int) -> str:
        if isinstance(value, Mapping):
            pairs = list(value.items())[:_MOST_ITEMS]
            return f"{_name(value)}{{{', '.join(f'{self.text(k, depth)}: {self.text(v, depth)}' for k, v in pairs)}}}"
        if isinstance(value, set | frozenset):
            return f"{{{sorted(self.text(each, depth) for each in value)}}}"
        if isinstance(value, list | tuple):
            return f"{_name(value)}[{', '.join(self.text(each, depth) for each in value[:_MOST_ITEMS])}]"
        if isinstance(value, partial):
            return f"partial({self.text((value.func, value.args, value.keywords), depth)})"
        if isinstance(value, MethodType):
            return f"{self.text(value.__func__, depth)} of {self.text(value.__self__, depth)}"
        if isinstance(value, type):
            return _name(value) if _of_a_library(value) else f"{_name(value)}{self.members(value, depth)}"
        if isinstance(value, FunctionType):
            return self._function(value, depth)
        return f"{_name(value)}{self.text(getattr(value, '__dict__', None), depth)}"

    def members(self, kind: type, depth: int = 1) -> str:
        """Return the functions and plain values that a class defines."""
        lines = []
        for name, value in sorted(vars(kind).items()):
            inner = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
            if isinstance(inner, FunctionType):
                lines.append(f"{name} {self._function(inner, depth, known=_of_a_library(kind))}")
            elif not name.startswith("__") and isinstance(inner, bool | int | float | str | tuple | Tensor):
                lines.append(f"{name} {self.text(inner, depth)}")
        return "\n".join(lines)

    def _function(self, function: FunctionType, depth: int, known: bool = False) -> str:
        """Return a function's code, what it holds, and what it names in its module; of a library's, its name."""
        if _of_a_library(function) and not known:
            return _name(function)
        code = function.__code__
        parts = [_code_text(code), self.text((function.__defaults__, function.__kwdefaults__), depth)]
        for cell in function.__closure__ or ():
            try:
                parts.append(self.text(cell.cell_contents, depth))
            except ValueError:  # not filled yet
                parts.append("empty")
        parts.append(self.text({k: v for k, v in vars(function).items() if k != "__wrapped__"}, depth))
        if not known:
            for name in sorted(_names(code)):
                if name in function.__globals__:
                    parts.append(f"{name} {self.text(function.__globals__[name], depth)}")
        return " ".join(parts)


def _numbers(value: Any) -> str:
    """Return type, shape and hash of a tensor or array."""
    if isinstance(value, Tensor):
        if value.is_meta or value.layout != torch.strided or value.is_quantized:
            return f"Tensor {value.dtype} {tuple(value.shape)} {value.layout}"
        flat = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        kind = str(value.dtype)
    else:
        if value.dtype.hasobject:
            return f"array of objects {value.shape}"
        flat, kind = np.ascontiguousarray(value).reshape(-1).view(np.uint8), str(value.dtype)
    return f"{kind} {tuple(value.shape)} {hashlib.sha256(flat.data).hexdigest()}"


def _name(value: Any) -> str:
    named = value if isinstance(value, type | FunctionType | BuiltinFunctionType) else type(value)
    more = f" {value.__name__}" if isinstance(value, ModuleType) else ""
    return f"{named.__module__}.{named.__qualname__}{more}"


def _of_a_library(value: Any) -> bool:
    return str(getattr(value, "__module__", "")).partition(".")[0] in _LIBRARIES


def _names(code: CodeType) -> set[str]:
    """Return the names that a code and those within it look up."""
    inner = [each for each in code.co_consts if isinstance(each, CodeType)]
    return set(code.co_names).union(*map(_names, inner))


def _code_text(code: CodeType) -> str:
    """Return a text of a function's code that is the same in every session."""
    constants = [_code_text(c) if isinstance(c, CodeType) else _constant_text(c) for c in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {constants}"


def _constant_text(constant: Any) -> str:
    return repr(sorted(map(repr, constant))) if isinstance(constant, frozenset) else repr(constant)


def without_addresses(text: str) -> str:
    """Return a repr without the places in memory that functions and plain objects put into theirs."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text)
