"""Making the table of a model's layers: one run on noise for the shapes, and more where they leave the places open.

The order of trust: what the shape settles; the probe; what the model declares; timm's own maps, value by value. What
none of them confirms gets no grid.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from semrsm_widgets._defaults import Outline, default_names, fallback
from semrsm_widgets._hooks import Output, hooked, leaves, noise, run, takes_hooks, trace
from semrsm_widgets._layouts import Declared, Layout, Reading, read_shape
from semrsm_widgets._listing import LayerRow, LayerTable, thinned
from semrsm_widgets._probe import IMAGES, Key, Places, declared_reading, judged, probe
from semrsm_widgets._truth import map_layouts
from semrsm_widgets.common import Grid, message

TRACED_IMAGES = 3  # an unlikely length for any other axis
CLASS_TOKENS = ("cls_token", "class_token", "class_embedding", "cls_embedding", "cls_tokens")


@dataclass(frozen=True)
class Setting:
    """How a module is run: inside `as_found`, on inputs of a shape (C, H, W), on a device, perhaps by keyword."""

    module: nn.Module
    input_shape: tuple[int, ...]
    as_keyword: bool
    device: torch.device


def make_table(setting: Setting, *, ask_timm: bool = True) -> LayerTable:
    """Return the table of layers; `ask_timm=False` leaves timm's own maps out of it.

    Raises:
        ValueError: the model gives no tensor that a hook could take.
    """
    module = setting.module
    versions = [buffer._version for buffer in module.buffers()]
    outputs = trace(module, setting.input_shape, TRACED_IMAGES, setting.as_keyword, setting.device)
    if not outputs:
        todo = "It must return floating tensors of at least two axes, or have submodules that do."
        raise ValueError(message("model", "a model whose outputs can be taken", type(module).__name__, todo))
    # A model that counts or remembers in its buffers must run to its end each time.
    steady = versions == [buffer._version for buffer in module.buffers()]
    layouts = _layouts(setting, outputs, ask_timm)
    names = [_name(output) for output in outputs]
    parts = dict(module.named_modules())
    outermost = _outermost(outputs)
    rows = [
        LayerRow(
            name=name,
            kind=type(parts[output.path]).__name__,
            shape=_image_shape(output.shape, layout.axes),
            layout=layout,
            same_as=names[outermost[i]] if outermost[i] != i else "",
            path=output.path,
            call=output.call,
            calls=output.calls,
            leaf=output.leaf,
        )
        for i, (name, output, layout) in enumerate(zip(names, outputs, layouts, strict=True))
    ]
    levels = [level for level in Outline(module, rows).levels() if level] or [fallback(rows)]
    by_name = {row.name: row for row in rows}
    coarse = default_names(levels)
    chosen = set(thinned(coarse, [by_name[name].grid for name in coarse]))
    rows = [replace(row, default=row.name in chosen) for row in rows]
    every = dict(module.named_modules(remove_duplicate=False))
    first = {id(part): path for path, part in reversed(every.items())}
    return LayerTable(
        rows,
        levels,
        sorted({path for path, part in parts.items() if takes_hooks(part)} - {output.path for output in outputs}),
        aliases={path: first[id(part)] for path, part in every.items() if path not in parts},
        has_class_token=any(name.rpartition(".")[2] in CLASS_TOKENS for name, _ in module.named_parameters()),
        steady=steady,
    )


def _image_shape(shape: tuple[int, ...], axes: str) -> tuple[int, ...]:
    """Return the shape of an output for one image."""
    return shape[:1] + shape[2:] if axes == "LNC" else shape[1:]


def _outermost(outputs: Sequence[Output]) -> list[int]:
    """Return for each output the last one to hand on the very same tensor, short of the model itself."""
    first = [i if output.same_as is None else output.same_as for i, output in enumerate(outputs)]
    last = {origin: i for i, (origin, output) in enumerate(zip(first, outputs, strict=True)) if output.path}
    return [last.get(origin, i) for i, origin in enumerate(first)]


def _name(output: Output) -> str:
    call = f"@{output.call}" if output.calls > 1 else ""
    return f"{output.path or 'output'}{call}{output.leaf}"


# ---- layouts


def _layouts(setting: Setting, outputs: Sequence[Output], ask_timm: bool) -> list[Layout]:
    """Return the layout of every output."""
    declared = _declared(setting, outputs)
    readings = [read_shape(output.shape, TRACED_IMAGES, declared, output.hint) for output in outputs]
    keys: list[Key] = [(output.path, output.call, output.leaf) for output in outputs]
    asked = [
        o.same_as is None and r.sure is None and bool(r.candidates) for o, r in zip(outputs, readings, strict=True)
    ]
    open_ = {key: i for i, (key, ask) in enumerate(zip(keys, asked, strict=True)) if ask}
    found: dict[int, Layout] = {}
    why: dict[int, str] = {}
    own_order = _own_order(setting.module)

    def decide(key: Key, places: Places) -> None:
        i = open_[key]
        expected = [IMAGES if side == TRACED_IMAGES else side for side in outputs[i].shape]
        if list(places.output.shape) != expected:
            why[i] = "changing"
            return
        layout, why[i] = judged(places, readings[i], own_order(outputs[i], declared))
        if layout is not None:
            found[i] = layout

    if open_:
        arguments = (setting.module, setting.input_shape, setting.as_keyword, setting.device)
        probe(*arguments, open_, decide)
    _accept_mixed(outputs, readings, why, found, setting.module)
    left = {key: i for key, i in open_.items() if i not in found}
    if left and ask_timm:
        found |= {left[key]: layout for key, layout in _timm_layouts(setting, left).items()}
    origin = [i if output.same_as is None else output.same_as for i, output in enumerate(outputs)]
    return [_settled(readings[i], found.get(i), why.get(i, "")) for i in origin]


def _settled(reading: Reading, found: Layout | None, why: str) -> Layout:
    """Return the layout, with the reason where there is no grid."""
    layout = reading.sure or found
    if layout is not None:
        return layout
    if reading.otherwise.axes in ("NCHW", "NHWC") and why == "mixed":
        return reading.otherwise  # a map's shape is trusted where the probe sees nothing
    notes = {
        "permuted": "this model keeps its tokens in an order of its own",
        "mixed": "every token looks at the whole image, so nothing tells where they stand",
    }
    if not reading.otherwise.axes:
        return reading.otherwise
    # A map that is refused its grid is no map.
    axes = "" if reading.otherwise.axes in ("NCHW", "NHWC") else reading.otherwise.axes
    return Layout(axes, note=notes.get(why, reading.otherwise.note))


def _accept_mixed(
    outputs: Sequence[Output],
    readings: Sequence[Reading],
    why: Mapping[int, str],
    found: dict[int, Layout],
    module: nn.Module,
) -> None:
    """Accept what the probe cannot see if the model declares it, or a block of the same kind and shape is confirmed."""
    parts = dict(module.named_modules())

    def kind(i: int) -> tuple[Any, ...]:
        return type(parts[outputs[i].path]), outputs[i].shape, outputs[i].leaf

    confirmed = {kind(i): layout for i, layout in found.items()}
    for i, reason in why.items():
        if reason == "mixed":
            layout = declared_reading(readings[i].candidates) or confirmed.get(kind(i))
            if layout is not None:
                found[i] = layout


def _own_order(module: nn.Module) -> Callable[[Output, Declared], list[Layout]]:
    """Return a function that lists the readings of an output by the model's own way back to raster order (Hiera)."""
    rerolls = [reroll for part in module.modules() if callable(reroll := getattr(part, "reroll", None))]
    known: dict[tuple[int, int], Layout | None] = {}

    def reading(block: int, length: int) -> Layout | None:
        numbers = torch.arange(length, dtype=torch.float32).reshape(1, length, 1)
        try:
            maps = rerolls[0](numbers, block)
        except (LookupError, RuntimeError, TypeError, ValueError):
            return None  # it cannot bring this many tokens of this block into order
        if not isinstance(maps, Tensor) or maps.ndim != 4 or maps.numel() != length:
            return None
        order = tuple(int(i) for i in maps.flatten().tolist())
        grid = (maps.shape[1], maps.shape[2])
        return Layout("NLC", grid=grid, order=order) if sorted(order) == list(range(length)) else None

    def readings(output: Output, declared: Declared) -> list[Layout]:
        numbers = [int(number) for number in re.findall(r"(?:^|\.)(\d+)(?=\.|$)", output.path)]
        if not rerolls or len(output.shape) != 3:
            return []
        block = numbers[0] if numbers else 0
        found = []
        for each in (block, block - 1):  # inside a block that pools, tokens are still those of the block before
            key = (each, output.shape[1])
            if each >= 0 and key not in known:
                known[key] = reading(*key)
            if each >= 0 and (layout := known[key]) is not None:
                found.append(layout)
        return found

    return readings


def _timm_layouts(setting: Setting, left: Mapping[Key, int]) -> dict[Key, Layout]:
    """Return the layouts under which outputs are, value by value, maps that timm's `forward_intermediates` gives."""
    module: Any = setting.module
    if not type(module).__module__.startswith("timm.") or not hasattr(module, "forward_intermediates"):
        return {}
    intermediates = partial(module.forward_intermediates, intermediates_only=True)
    kept: dict[Key, Tensor] = {}
    calls: dict[str, int] = {}

    def keep(path: str, output: Any) -> None:
        calls[path] = calls.get(path, 0) + 1
        for leaf, (tensor, _) in leaves(output).items():
            if (path, calls[path], leaf) in left and tensor.ndim == 3:
                kept[path, calls[path], leaf] = tensor[:1].clone()

    batch = noise((1, *setting.input_shape), setting.device)
    with hooked(module, {path for path, _, _ in left}, keep):
        maps = run(module, batch, setting.as_keyword, intermediates)
    return map_layouts(kept, maps)


# ---- what a model declares


def _declared(setting: Setting, outputs: Sequence[Output]) -> Declared:
    """Return what the model says of its features: patch embeddings, prefix tokens, timm's list of features."""
    height, width = setting.input_shape[1:]
    parts = dict(setting.module.named_modules())
    counts = (getattr(part, "num_prefix_tokens", None) for part in parts.values())
    listed = getattr(setting.module, "feature_info", None) or []
    features = {
        (int(entry["num_chs"]), (math.ceil(height / entry["reduction"]), math.ceil(width / entry["reduction"])))
        for entry in listed
        if isinstance(entry, dict) and {"num_chs", "reduction"} <= entry.keys()
    }
    grids = _patch_grids(setting.input_shape, outputs, parts)
    prefix = next((count for count in counts if isinstance(count, int)), None)
    lengths = {output.shape[1] for output in outputs if len(output.shape) == 3}
    return Declared(
        input_size=(height, width),
        grids=grids,
        features=frozenset(features),
        prefix=prefix,
        lengths=frozenset(lengths | {h * w + extra for h, w in grids for extra in (0, prefix or 0)}),
    )


def _patch_grids(
    input_shape: tuple[int, ...], outputs: Sequence[Output], parts: Mapping[str, nn.Module]
) -> frozenset[Grid]:
    """Return the grids of the model's patch embeddings and their halvings."""
    grids: set[Grid] = set()
    for output in outputs:
        part = parts[output.path]
        # A convolution of the image with kernel = stride cuts it into patches.
        if isinstance(part, nn.Conv2d) and part.in_channels == input_shape[0] and part.kernel_size == part.stride:
            grids.add((output.shape[2], output.shape[3]))
    if not grids:  # what this forward shows is surer than an attribute, which may be of another input size
        for part in parts.values():
            grid = getattr(part, "grid_size", None)
            if isinstance(grid, tuple) and len(grid) == 2:
                grids.add((int(grid[0]), int(grid[1])))
    return frozenset((math.ceil(h / k), math.ceil(w / k)) for h, w in grids for k in (1, 2, 4, 8))
