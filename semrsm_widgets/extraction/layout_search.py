"""Deciding how an output is read where its shape leaves it open.

The order of trust: what the shape settles; the probe; what the model declares; timm's own maps, value by value. What
none of them confirms gets no grid.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from .band_probe import IMAGES, Key, Places, declared_reading, judged, probe
from .hooks import TRACED_IMAGES, Output, Setting, hooked, leaves, noise, run
from .layout import Layout
from .shape_reading import LARGEST_PREFIX, Declared, Reading, declared_by, read_shape

CLOSE = 1e-4  # relative; two maps from one forward mostly agree to the bit


def find_layouts(setting: Setting, outputs: Sequence[Output], ask_timm: bool) -> list[Layout]:
    """Return the layout of every output."""
    declared = declared_by(setting, outputs)
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
    return _map_layouts(kept, maps)


def _map_layouts(outputs: Mapping[Key, Tensor], maps: Any) -> dict[Key, Layout]:
    """Return for those outputs (1, L, C) that hold one of the maps (1, C, h, w), token by token, the layout to read it.

    Args:
        outputs: sequences of one image.
        maps: what a model gave as its feature maps of the same image; anything that is none is passed over.
    """
    known = [each[0] if isinstance(each, (tuple, list)) else each for each in _several(maps)]
    found: dict[Key, Layout] = {}
    for key, output in outputs.items():
        layouts = (_layout_of(output[0], each[0]) for each in known if isinstance(each, Tensor) and each.ndim == 4)
        layout = next((layout for layout in layouts if layout is not None), None)
        if layout is not None:
            found[key] = layout
    return found


def _several(maps: Any) -> Iterable[Any]:
    return maps if isinstance(maps, (list, tuple)) else ()


def _layout_of(tokens: Tensor, feature: Tensor) -> Layout | None:
    """Return the layout under which tokens (L, C) are the map (C, h, w), or None."""
    wanted = feature.flatten(1).T
    prefix = len(tokens) - len(wanted)
    if tokens.shape[1] != wanted.shape[1] or not 0 <= prefix <= LARGEST_PREFIX or len(wanted) < 2:
        return None
    grid = (int(feature.shape[1]), int(feature.shape[2]))
    rest = tokens[prefix:]
    scale = CLOSE * float(wanted.abs().max())
    if torch.allclose(rest, wanted, rtol=0, atol=scale):
        return Layout("NLC", prefix=prefix, grid=grid)
    # The same tokens in another order are found by sorting both along one random direction.
    direction = torch.randn(wanted.shape[1], generator=torch.Generator().manual_seed(0)).to(wanted)
    ours, theirs = torch.argsort(rest @ direction), torch.argsort(wanted @ direction)
    order = torch.empty_like(ours)
    order[theirs] = ours
    if torch.allclose(rest[order], wanted, rtol=0, atol=scale):
        return Layout("NLC", prefix=prefix, grid=grid, order=tuple(order.tolist()))
    return None
