"""The table of a model's layers, made from one run on noise, and remembered for the module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

from PIL import Image
from torch import nn

from semrsm_widgets.common import message
from semrsm_widgets.models import VisionModel, check_model, declared_size, prepare

from .band_probe import IMAGES
from .collector import is_out_of_memory
from .default_layers import Outline, default_names, fallback, thinned
from .hooks import TRACED_IMAGES, Output, Setting, as_found, takes_hooks, trace, unwrapped
from .layer_table import LayerRow, LayerTable
from .layout_search import find_layouts

CLASS_TOKENS = ("cls_token", "class_token", "class_embedding", "cls_embedding", "cls_tokens")


def layers(model: VisionModel) -> LayerTable:
    """Return the table of a model's layers: name, kind, calls, shape, layout, S, grid, D, prefix, default or not.

    It runs the model on noise: once for the shapes, and once more, on nine images with one part changed in each, where
    a shape does not tell where tokens stand. The table is remembered for the module.

    Args:
        model: the model, left exactly as found.

    Raises:
        TypeError: `model` is no VisionModel.
        ValueError: hooks cannot work on it (a ScriptModule, for instance), or it does not take the transform's size.

    Example:
        >>> layers(load_model())["blocks.4"].grid
        (14, 14)
    """
    check_model(model)
    module = unwrapped(model.module)
    pixels, as_keyword = prepare(model.transform, Image.new("RGB", (256, 256), "gray"))
    with as_found(module) as device:
        return table_of(Setting(module, tuple(pixels.shape), as_keyword, device))


# Tracing and probing cost forwards; the outcome belongs to the module, its structure and the input's size.
_tables: WeakKeyDictionary[nn.Module, dict[Any, LayerTable]] = WeakKeyDictionary()


def table_of(setting: Setting) -> LayerTable:
    """Return the table of layers for inputs of a size; call it inside `as_found`."""
    module = setting.module
    structure = hash(tuple((path, id(part)) for path, part in module.named_modules()))
    known = _tables.setdefault(module, {})
    key = (setting.input_shape, setting.as_keyword, structure)
    if key not in known:
        try:
            known[key] = make_table(setting)
        except Exception as error:
            if is_out_of_memory(error):
                what = f"out of memory while looking for the layers, with up to {IMAGES} images in a batch"
                raise MemoryError(f"{what}. Take smaller images, or a device with more memory.") from error
            explain_size(setting, error)
            raise
    return known[key]


def explain_size(setting: Setting, error: Exception) -> None:
    """Raise ValueError if the model declares another input size than it was given; else return."""
    size, declared = setting.input_shape[1:], declared_size(setting.module)
    if declared is None or declared == size:
        return
    got = "×".join(map(str, size))
    todo = (
        f"Resize and crop to {declared[0]}×{declared[1]} in the transform; or, for a timm model, "
        f"load_model(name, image_size={size}) makes one for this size."
    )
    raise ValueError(message("model.transform", f"one to {declared[0]}×{declared[1]} pixels", got, todo)) from error


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
    layouts = find_layouts(setting, outputs, ask_timm)
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


# ---- what a model declares
