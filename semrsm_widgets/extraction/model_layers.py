"""The table of a model's layers, made from one run on noise, and remembered for the module."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from PIL import Image
from torch import Tensor, nn

from semrsm_widgets.common import Meter, ProgressOption, message
from semrsm_widgets.models import (
    Given,
    VisionModel,
    check_model,
    check_repeatable,
    dtype_of,
    explain_inputs,
    prepare,
    what_it_gets,
)

from .collector import is_out_of_memory
from .default_layers import Outline, default_names, fallback, thinned
from .hooks import (
    Key,
    Output,
    Setting,
    Trace,
    as_found,
    is_exported,
    noise,
    run,
    takes_hooks,
    trace,
    unwrapped,
    version,
)
from .layer_table import LayerRow, LayerTable
from .layout_search import Seen, find_layouts
from .place_probe import IMAGES, observe, probe_images
from .shape_reading import possible_axes

CLASS_TOKENS = ("cls_token", "class_token", "class_embedding", "cls_embedding", "cls_tokens")


_STEPS = 3  # of finding the layers: a look, whether that is the picture's alone, what its axes are


def layers(model: VisionModel, *, progress: ProgressOption = None) -> LayerTable:
    """Return the table of a model's layers: name, kind, calls, shape, layout, S, grid, D, prefix, default or not.

    It runs the model on seven pictures of noise: on one and four copies that differ a little, which tells where tokens
    look, and once more on the first in other company, which tells whether a picture's tokens are its own. The table
    is remembered for the module.

    Args:
        model: the model, left exactly as found.
        progress: as for `extract`, with (steps done, steps in all); nothing is told of a table that is remembered.

    Raises:
        TypeError: `model` is no VisionModel.
        ValueError: hooks cannot work on it (a ScriptModule, for instance), or it takes other inputs than a batch of
            pictures of the transform's size.

    Example:
        >>> layers(load_model())["blocks.4"].grid
        (14, 14)
    """
    check_model(model)
    module = unwrapped(model.module)
    shades = [Image.linear_gradient("L"), Image.linear_gradient("L").rotate(90), Image.radial_gradient("L")]
    picture = Image.merge("RGB", shades)  # no two places of it are alike
    pixels, as_keyword = prepare(model.transform, picture)
    check_repeatable(model.transform, picture, pixels)
    with as_found(module) as device:
        setting = Setting(module, tuple(pixels.shape), as_keyword, device, pixels.is_floating_point())
        table = table_of(setting, progress)
    warn_of(table)
    return table


# Tracing and probing cost forwards; the outcome belongs to the module, its structure and the input's size.
_tables: WeakKeyDictionary[nn.Module, dict[Any, LayerTable]] = WeakKeyDictionary()


def table_of(setting: Setting, progress: ProgressOption = None) -> LayerTable:
    """Return the table of layers for inputs of a size; call it inside `as_found`."""
    module = setting.module
    structure = hash(tuple((path, id(part)) for path, part in module.named_modules()))
    known = _tables.setdefault(module, {})
    key = (setting.input_shape, setting.as_keyword, setting.floating, structure)
    if key not in known:
        try:
            with Meter("Finding the layers", progress, unit="steps") as meter:
                known[key] = make_table(setting, meter=meter)
        except Exception as error:
            if is_out_of_memory(error):
                what = "out of memory while looking for the layers, with one image in a batch"
                raise MemoryError(f"{what}. Take smaller images, or a device with more memory.") from error
            raise
    return known[key]


def make_table(setting: Setting, *, ask_timm: bool = True, meter: Meter | None = None) -> LayerTable:
    """Return the table of layers; `ask_timm=False` leaves timm's own maps out of it.

    Raises:
        ValueError: the model gives no tensor that a hook could take, or does not take a batch of pictures.
    """
    module = setting.module
    tell = Meter("", False) if meter is None else meter
    tell(0, _STEPS)
    versions = [version(buffer) for buffer in module.buffers()]
    first, n, single = _first_look(setting)
    outputs = first.outputs
    if not outputs:
        todo = "It must return floating tensors of at least two axes, or have submodules that do."
        raise ValueError(message("model", "a model whose outputs can be taken", type(module).__name__, todo))
    # A model that counts or remembers in its buffers must run to its end each time.
    steady = versions == [version(buffer) for buffer in module.buffers()]
    tell(1, _STEPS)
    cautions = _cautions(setting, outputs, n)
    random = [i for i, caution in cautions.items() if caution == RANDOM]
    tell(2, _STEPS)
    layouts = find_layouts(setting, outputs, n, random=random, ask_timm=ask_timm)
    tell(_STEPS, _STEPS)
    every = dict(module.named_modules(remove_duplicate=False))
    names = unique_names(outputs, every)
    parts = dict(module.named_modules())
    outermost = _outermost(outputs)
    rows = [
        LayerRow(
            name=name,
            kind=type(parts[output.path]).__name__,
            shape=_image_shape(output.shape, layout.axes),
            layout=layout,
            caution=cautions.get(i if output.same_as is None else output.same_as, ""),
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
    first_name = {id(part): path for path, part in reversed(every.items())}
    called = {output.path for output in outputs} | set(first.others)
    return LayerTable(
        rows,
        levels,
        sorted({path for path, part in parts.items() if takes_hooks(part)} - called),
        others=first.others,
        aliases={path: first_name[id(part)] for path, part in every.items() if path not in parts},
        has_class_token=any(name.rpartition(".")[2] in CLASS_TOKENS for name, _ in module.named_parameters()),
        steady=steady,
        single=single,
        exported=is_exported(module),
    )


def _first_look(setting: Setting) -> tuple[Trace, int, bool]:
    """Return the outputs for the probe's images, how many were in a batch, and whether the model takes no more.

    Raises:
        ValueError: it takes neither a batch nor a single picture; the text says what it takes.
        MemoryError: there is not enough for a single picture.
    """
    images = probe_images(setting.input_shape, setting.device, dtype_of(setting.module))
    size = setting.input_shape[1], setting.input_shape[2]

    def look(output: Tensor) -> Seen:
        return Seen(observe(output, possible_axes(tuple(output.shape), IMAGES, size)), _sample(output, IMAGES))

    given = Given(setting.module, setting.input_shape, setting.as_keyword, setting.floating)
    if not setting.floating:  # the probe is of floating numbers, which a model for pictures of bytes may take, too
        try:
            picture = torch.zeros((1, *setting.input_shape), dtype=torch.uint8, device=setting.device)
            run(setting.module, picture, setting.as_keyword)
        except Exception as error:
            explain_inputs(given, error)
            raise
    try:
        return trace(setting, [images], look), IMAGES, False
    except Exception as error:
        failed = error
    try:
        return trace(setting, [image[None] for image in images], look), 1, not is_out_of_memory(failed)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        explain_inputs(given, failed)
        failed.add_note(what_it_gets(given, IMAGES))
        raise failed from None


RANDOM = "random: two runs on the same picture differ"
COMPANY = "not of the picture alone: its tokens depend on the other pictures of the batch"
MOST_SAMPLED = 4096  # values of an output by which two forwards are compared
SAME = 5e-3  # relative difference; other batch sizes differ by rounding, which deep models enlarge
SAME_HALF = 0.1  # the same for weights of 16 bits


def _sample(output: Tensor, n: int) -> Tensor | None:
    """Return values of the first image, evenly spaced; None where no axis is that of the images."""
    if output.shape[0] == n:
        values = output[0]
    elif output.ndim == 3 and output.shape[1] == n:
        values = output[:, 0]
    else:
        return None
    flat = values.flatten()
    return flat[:: max(1, len(flat) // MOST_SAMPLED)].float().cpu()


def _cautions(setting: Setting, outputs: Sequence[Output], n: int) -> dict[int, str]:
    """Return for outputs that are no function of the picture alone what else they depend on.

    The first of the probe's images is run again, beside another picture than before: where its values differ, and
    differ again when the same is repeated, the layer is random; else it depends on its company.
    """
    base, other = noise((2, *setting.input_shape), setting.device, seed=1)
    batch = base[None] if n == 1 else torch.stack([base, 3 * other + 1])

    def samples() -> dict[Key, Tensor | None]:
        return {o.key: o.seen for o in trace(setting, [batch], lambda output: _sample(output, len(batch))).outputs}

    again = samples()
    limit = SAME_HALF if dtype_of(setting.module) in (torch.float16, torch.bfloat16) else SAME
    differing = [
        i
        for i, output in enumerate(outputs)
        if output.same_as is None
        and output.seen is not None
        and _differ(output.seen.sample, again.get(output.key), limit)
    ]
    if not differing:
        return {}
    twice = samples()
    return {
        i: RANDOM if n == 1 or _differ(again.get(outputs[i].key), twice.get(outputs[i].key), limit) else COMPANY
        for i in differing
    }


def _differ(a: Tensor | None, b: Tensor | None, limit: float) -> bool:
    if a is None or b is None:
        return False  # no axis of it is that of the images, but by chance in one of the two
    if a.shape != b.shape:
        return True
    return float((a - b).norm()) > limit * float(torch.maximum(a.norm(), b.norm()))


def warn_of(rows: Iterable[LayerRow]) -> None:
    """Warn of layers whose tokens are no function of the picture alone."""
    chosen = [row for row in rows if row.caution and not row.same_as]
    for caution in dict.fromkeys(row.caution for row in chosen):
        names = [row.name for row in chosen if row.caution == caution]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        warnings.warn(f"layer {', '.join(map(repr, names[:3]))}{more}: {caution}.", stacklevel=3)


def unique_names(outputs: Sequence[Output], paths: Collection[str]) -> list[str]:
    """Return a name for each output, no two alike: a submodule's own path is its name, others yield to it."""
    own = {output.path for output in outputs if output.path and output.calls == 1 and not output.leaf}
    taken = set(paths) | own
    names = []
    for output in outputs:
        if output.path in own:
            names.append(output.path)
            continue
        call = f"@{output.call}" if output.calls > 1 else ""
        start = f"{output.path or 'output'}{call}"
        key = output.leaf.removeprefix(".")
        tried = [
            f"{start}{output.leaf}",
            f"{start}[{key!r}]" if output.leaf.startswith(".") else f"({start}){output.leaf}",
        ]
        name = next((each for each in tried if each not in taken), f"({start}){output.leaf}")
        while name in taken:
            name += "'"
        taken.add(name)
        names.append(name)
    return names


def _image_shape(shape: tuple[int, ...], axes: str) -> tuple[int, ...]:
    """Return the shape of an output for one image."""
    return shape[:1] + shape[2:] if axes == "LNC" else shape[1:]


def _outermost(outputs: Sequence[Output]) -> list[int]:
    """Return for each output the last one to hand on the very same tensor, short of the model itself."""
    first = [i if output.same_as is None else output.same_as for i, output in enumerate(outputs)]
    last = {origin: i for i, (origin, output) in enumerate(zip(first, outputs, strict=True)) if output.path}
    return [last.get(origin, i) for i, origin in enumerate(first)]
