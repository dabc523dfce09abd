"""Weights from a user's file: found wherever training code put them, and never taken in part unseen."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from semrsm_widgets.common import message, shown_path

State = Mapping[str, Tensor]

WRAPPERS = ("module", "_orig_mod")  # what DataParallel and torch.compile put into names
NESTED = ("state_dict", "model", "model_ema", "state_dict_ema", "teacher", "student", "network", "net")
DEEPEST = 3
NAMED = 5  # names shown in a report


@dataclass(frozen=True)
class Fit:
    """How the weights of a checkpoint fit a module.

    Attributes:
        where: which of the checkpoint's state dicts was taken: "", or "teacher", "state_dict.model", ...
        prefix: what its names have in front of the module's.
        matched: the module's names for which there is a tensor of the same shape, with that tensor.
        missing: the module's names for which there is none.
        misshapen: the module's names for which there is one of another shape.
        unexpected: names of the checkpoint that the module does not have.
    """

    where: str
    prefix: str
    matched: Mapping[str, Tensor]
    missing: tuple[str, ...]
    misshapen: tuple[str, ...]
    unexpected: tuple[str, ...]

    def report(self) -> dict[str, str]:
        """Return what to write down of it."""
        place = f" from {self.where!r}" if self.where else ""
        without = f", without the prefix {self.prefix!r}" if self.prefix else ""
        lists = {"missing": (*self.missing, *self.misshapen), "unexpected": self.unexpected}
        return {"matched": f"{len(self.matched)} tensors{place}{without}", **{k: _few(v) for k, v in lists.items()}}


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{len(names)}: {', '.join(names[:NAMED])}{more}" if names else "none"


def read_checkpoint(path: Path) -> dict[str, State]:
    """Return the state dicts of a file by where they are in it; no code of the file is run.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file holds no tensors by name, or Python objects besides them.
    """
    if not os.path.isfile(path):  # a name that is too long raises nothing here
        what = "which is none" if os.path.exists(path) else "which does not exist"
        raise FileNotFoundError(message("weights", "a file of weights", f"{shown_path(path)!r}, {what}"))
    content: Any
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            content = load_file(path)
        except SafetensorError as error:
            raise ValueError(message("weights", "a safetensors file", f"{path.name!r} ({error})")) from error
    else:
        content = _unpickled(path)
    found = dict(_state_dicts(content, "", 0))
    if not found:
        got = f"{path.name!r}, which holds {type(content).__name__} without any"
        raise ValueError(message("weights", "a file with tensors by name", got))
    return found


def _unpickled(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of junk, torch's reader raises whatever its bytes lead it to
        why = (str(error).strip() or type(error).__name__).split("\n", maxsplit=1)[0]
        todo = (
            "A file with Python objects in it could run any code. Where you trust it, save its weights alone: "
            "torch.save(torch.load(path, weights_only=False)['state_dict'], new_path)."
        )
        raise ValueError(message("weights", "a checkpoint of tensors", f"{path.name!r} ({why})", todo)) from error


def _state_dicts(content: Any, where: str, depth: int) -> Iterator[tuple[str, State]]:
    """Yield mappings of names to tensors, those that training code usually means first."""
    if not isinstance(content, Mapping):
        return
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if tensors:
        yield where, tensors
    if depth < DEEPEST:
        usual = [name for name in NESTED if name in content]
        for name in [*usual, *(name for name in content if name not in usual)]:
            yield from _state_dicts(content[name], f"{where}.{name}".lstrip("."), depth + 1)


def best_fit(states: Mapping[str, State], module: nn.Module) -> Fit:
    """Return the fit of the state dict, under the prefix, that gives a module most of its tensors."""
    wanted = {name: value for name, value in module.state_dict().items() if isinstance(value, Tensor)}
    fits = [_fit(where, state, wanted) for where, state in states.items()]
    return max(fits, key=lambda fit: len(fit.matched))


def _fit(where: str, state: State, wanted: State) -> Fit:
    own = {part for name in wanted for part in name.split(".")}
    bare = {
        ".".join(p for p in name.split(".") if p not in WRAPPERS or p in own): value for name, value in state.items()
    }
    prefix = _prefix(bare, wanted)
    named = {name.removeprefix(prefix): value for name, value in bare.items() if name.startswith(prefix)}
    matched = {
        name: named[name] for name, value in wanted.items() if name in named and named[name].shape == value.shape
    }
    # Only counted in training, and not in every checkpoint.
    missing = [name for name in wanted if name not in named and not name.endswith("num_batches_tracked")]
    return Fit(
        where=where,
        prefix=prefix,
        matched=matched,
        missing=tuple(missing),
        misshapen=tuple(name for name in wanted if name in named and name not in matched),
        unexpected=tuple(name for name in bare if name.removeprefix(prefix) not in wanted),
    )


def _prefix(names: Iterable[str], wanted: State) -> str:
    """Return what most names have in front of the module's own: "", "backbone.", "encoder_q."."""
    last = {name.rpartition(".")[2] for name in wanted}
    votes: Counter[str] = Counter()
    for name in names:
        parts = name.split(".")
        if parts[-1] in last:
            votes.update(
                f"{'.'.join(parts[:k])}." if k else "" for k in range(len(parts)) if ".".join(parts[k:]) in wanted
            )
    return votes.most_common(1)[0][0] if votes else ""


def load_fit(module: nn.Module, fit: Fit, head: Sequence[str], source: str) -> None:
    """Load the matched tensors; every weight outside the classifiers named in `head` must be among them.

    Raises:
        ValueError: weights of the backbone are missing or have another shape (some are named), are no floating
            numbers, or NaN.
    """
    lacking = [
        name
        for name in (*fit.missing, *fit.misshapen)
        if not any(name == classifier or name.startswith(f"{classifier}.") for classifier in head)
    ]
    if lacking:
        got = f"{source!r} with {len(fit.matched)} of them; missing or of another shape are {_few(lacking)}"
        todo = "Is this the architecture that the file was made with?"
        if fit.unexpected:
            todo += f" Not used of the file: {_few(fit.unexpected)}."
        count = len(fit.matched) + len(lacking)
        raise ValueError(message("weights", f"a file with all {count} weights of the backbone", got, todo))
    _check_numbers(fit, module, source)
    module.load_state_dict(dict(fit.matched), strict=False)


def _check_numbers(fit: Fit, module: nn.Module, source: str) -> None:
    """Raise where a floating weight would be loaded from other numbers, which torch casts without a word, or NaN."""
    own = module.state_dict()
    for name, value in fit.matched.items():
        if not own[name].is_floating_point():
            continue
        if not value.is_floating_point():
            raise ValueError(
                message("weights", "a file of floating weights", f"{name!r} of {value.dtype} in {source!r}")
            )
        if value.layout == torch.strided and bool(value.isnan().any()):
            todo = "The training diverged before it was saved: take an earlier checkpoint."
            raise ValueError(message("weights", "a file of numbers", f"NaN in {name!r} of {source!r}", todo))


def classes_in(fit: Fit, states: Mapping[str, State], head: Sequence[str]) -> int:
    """Return for how many classes the checkpoint has a classifier; 0 if it has none."""
    names = {f"{classifier}.weight" for classifier in head}
    for name, value in states[fit.where].items():
        bare = ".".join(part for part in name.split(".") if part not in WRAPPERS).removeprefix(fit.prefix)
        if bare in names and value.ndim >= 2:
            return int(value.shape[0])
    return 0
