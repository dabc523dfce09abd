"""Deciding how an output is read where its shape leaves it open.

The order of trust: what the shape settles; the probe; what the model declares; timm's own maps, value by value. What
none of them confirms gets no grid.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from .hooks import Key, Output, Setting, hooked, leaves, noise, run
from .layout import Layout
from .place_probe import Evidence
from .place_verdict import FOLLOWS, Verdict, confirmed, judge
from .shape_reading import FEWEST_CHANNELS, LARGEST_PREFIX, Candidate, Declared, Reading, declared_by, read_shape

CLOSE = 1e-4  # relative; two maps from one forward mostly agree to the bit


@dataclass(frozen=True)
class Seen:
    """What the probe's forward showed of an output.

    Attributes:
        evidence: where its tokens look, or None where it has none that could be asked.
        sample: values of the first image, to compare with those of another forward; None if it has no axis of images.
    """

    evidence: Evidence | None
    sample: Tensor | None


def find_layouts(
    setting: Setting, outputs: Sequence[Output], n: int, *, random: Collection[int] = (), ask_timm: bool = True
) -> list[Layout]:
    """Return the layout of every output.

    Args:
        setting: how the module is run.
        outputs: what the forward on the probe's images gave, with a `Seen` each.
        n: images in that forward: as many as the probe has, or one, if the module takes no more.
        random: which outputs are others each time, so that nothing can be seen in them.
        ask_timm: whether timm's own maps may settle what is left.
    """
    declared = declared_by(setting, outputs)
    readings = [read_shape(output.shape, n, declared, output.hint) for output in outputs]
    own_order = _own_order(setting.module)
    found: dict[int, Layout] = {}
    verdicts: dict[int, Verdict] = {}
    for i, (output, reading) in enumerate(zip(outputs, readings, strict=True)):
        if output.same_as is not None or not (is_map(reading) or reading.candidates):
            continue
        if i in random:
            verdicts[i] = Verdict("random", 0.0)
        elif output.seen is None or output.seen.evidence is None:
            continue
        elif reading.sure is not None:
            verdicts[i] = judge(output.seen.evidence, reading.sure, asked=FOLLOWS)
        else:
            layout, verdicts[i] = confirmed(output.seen.evidence, reading, own_order(output, declared))
            if layout is not None:
                found[i] = layout
    _tell_divided(verdicts)
    _refuse_moved(outputs, readings, verdicts, found)
    _accept_mixed(outputs, readings, verdicts, found, setting.module)
    left = {
        output.key: i
        for i, (output, reading) in enumerate(zip(outputs, readings, strict=True))
        if output.same_as is None and reading.candidates and i not in found and i not in random
    }
    if left and ask_timm:
        found |= {left[key]: layout for key, layout in _timm_layouts(setting, left).items()}
    believed = _believed(outputs, readings, verdicts, found)
    origin = [i if output.same_as is None else output.same_as for i, output in enumerate(outputs)]
    return [_settled(readings[i], found.get(i), verdicts.get(i), believed[i]) for i in origin]


def is_map(reading: Reading) -> bool:
    """Return whether the shape leaves no choice but a grid of several places."""
    return reading.sure is not None and reading.sure.grid not in (None, (1, 1))


def _tell_divided(verdicts: dict[int, Verdict]) -> None:
    """Decide for tokens that look at wide areas or at several places.

    Deep layers do the one; a picture that was laid over itself does the other, and then nothing before them was right.
    """
    right = False
    for i, verdict in verdicts.items():
        if verdict.kind == "divided":
            verdicts[i] = verdict._replace(kind="right", note="") if right else verdict._replace(kind="elsewhere")
        right = right or verdict.kind == "right"


def _refuse_moved(
    outputs: Sequence[Output], readings: Sequence[Reading], verdicts: dict[int, Verdict], found: dict[int, Layout]
) -> None:
    """Refuse coarse grids that look right after finer maps that look elsewhere: a coarse one hides a small move."""
    moved: Verdict | None = None
    finest = 0
    for i, verdict in verdicts.items():
        layout = readings[i].sure or found.get(i)
        cells = layout.grid[0] * layout.grid[1] if layout is not None and layout.grid is not None else 0
        if verdict.kind == "elsewhere" and is_map(readings[i]) and cells > finest:
            moved, finest = verdict, cells
        elif verdict.kind == "right" and moved is None:
            return
        elif verdict.kind == "right" and moved is not None:
            if cells >= finest:
                return  # another branch, which sees the picture as it is
            verdicts[i] = moved
            found.pop(i, None)


def _believed(
    outputs: Sequence[Output],
    readings: Sequence[Reading],
    verdicts: Mapping[int, Verdict],
    found: Mapping[int, Layout],
) -> list[bool]:
    """Return for each output whether a map's shape is believed where the probe sees nothing in it.

    That is so if the last output before it of which the probe saw something was right: what mixes all places tells
    nothing itself.
    """
    believed: list[bool] = []
    right = False
    for i, (output, reading) in enumerate(zip(outputs, readings, strict=True)):
        if output.same_as is None and i in verdicts:
            if i in found or verdicts[i].kind == "right":
                right = True
            elif is_map(reading) and verdicts[i].kind == "elsewhere" and _width(reading, output) >= FEWEST_CHANNELS:
                right = False
        believed.append(right)
    return believed


def _width(reading: Reading, output: Output) -> int:
    """Return the channels of a map: those of a few are a side way, a gate or a map of attention."""
    return output.shape[1] if reading.sure is not None and reading.sure.axes == "NCHW" else output.shape[-1]


NOTES = {
    "mixed": "its tokens react alike to all parts of the picture, so nothing tells where they stand",
    "silent": "nothing in it changes with the picture",
    "random": "its tokens are others each time the model runs, so nothing tells where they stand",
}


def _settled(reading: Reading, found: Layout | None, verdict: Verdict | None, believed: bool) -> Layout:
    """Return the layout, with the reason where there is no grid."""
    if found is not None:
        return found
    kind = "" if verdict is None else verdict.kind
    shape = reading.sure or reading.otherwise
    if reading.sure is not None and (not is_map(reading) or kind in ("", "right", "silent")):
        return reading.sure
    if shape.axes in ("NCHW", "NHWC") and kind == "mixed" and believed:
        return shape
    if not shape.axes:
        return shape
    note = verdict.note if verdict is not None and kind == "elsewhere" else NOTES.get(kind, shape.note)
    # What only may be a map is none without its grid.
    axes = "" if reading.sure is None and shape.axes in ("NCHW", "NHWC") else shape.axes
    return Layout(axes, note=note)


def _accept_mixed(
    outputs: Sequence[Output],
    readings: Sequence[Reading],
    verdicts: Mapping[int, Verdict],
    found: dict[int, Layout],
    module: nn.Module,
) -> None:
    """Accept what the probe cannot see if the model declares it, or a block of the same kind and shape is confirmed."""
    parts = dict(module.named_modules())

    def kind(i: int) -> tuple[Any, ...]:
        return type(parts[outputs[i].path]), outputs[i].shape, outputs[i].leaf

    alike = {kind(i): layout for i, layout in found.items()}
    for i, verdict in verdicts.items():
        if verdict.kind in ("mixed", "silent") and i not in found and readings[i].candidates:
            layout = declared_reading(readings[i].candidates) or alike.get(kind(i))
            if layout is not None:
                found[i] = layout


def declared_reading(candidates: Collection[Candidate]) -> Layout | None:
    """Return the first reading that the model itself declares, or None."""
    return next((candidate.layout for candidate in candidates if candidate.declared), None)


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
