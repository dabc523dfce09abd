"""One pass through the model: the tokens of all images at some layers, read by forward hooks."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from semrsm_widgets.common import Meter, Progress, ProgressOption, check_int, message, suggest
from semrsm_widgets.images import Images, load_images
from semrsm_widgets.models import VisionModel, check_model, check_repeatable, prepare
from semrsm_widgets.tokens import Tokens, pooled_grid

from .batches import batches, default_workers
from .collector import Collector, may_stop_early
from .hooks import Setting, as_found, unwrapped
from .layer_table import LayerRow, Layers, LayerTable
from .layout import Layout
from .model_layers import table_of, warn_of
from .token_cache import TokenCache


def extract(
    model: VisionModel,
    images: Images | Any,
    layers: Layers = None,
    *,
    layout: Layout | Mapping[str, Layout] | None = None,
    batch_size: int = 16,
    device: torch.device | str | None = None,
    max_grid: int | None = None,
    dtype: torch.dtype | None = None,
    workers: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    progress: ProgressOption = None,
) -> dict[str, Tokens]:
    """Return the tokens of all images at some layers, in depth order, by one pass through the model.

    The model runs in eval mode without gradients and is left exactly as found, also after an error or an interrupt.
    The forward ends after the last layer that is wanted. The same call gives the same tokens on one machine; another
    batch size, device or number of threads changes them by rounding.

    Args:
        model: the model with its transform.
        images: `Images`, or anything `load_images` takes.
        layers: None for 6 to 12 stages or blocks; a name, a glob ("blocks.*": "*" stops at a dot, "**" does not), or
            "re:" with a regular expression of whole names; a list of these; how many stages or blocks to take, evenly
            spaced in depth; or a function of a `LayerRow` that says whether to take it. See `layers(model)`.
        layout: how to read the layers' outputs, where what was found is wrong or nothing was: one `Layout` for all
            layers, or a mapping from layer name.
        batch_size: images in one forward.
        device: where to run the model; None: where it is. The tokens come back on the CPU.
        max_grid: larger token grids are averaged down to at most this many tokens a side; None: kept as they are.
        dtype: floating type in which tokens are stored; None: float32. The model computes in its own type.
        workers: threads that decode and transform images while the model works; None: one for each processor; 0: none,
            for a transform or dataset that cannot be used by several threads.
        cache: a folder to keep tokens in: a second call with the same weights, code, transform, images and options
            reads them. A changed image or weight is seen. None: nothing is kept.
        progress: None shows how far it is, once it has lasted 2 s, in a notebook or on a terminal (`options.progress`);
            False does not. A function is called instead, with (images done, images in all), before the first and after
            each batch; it may raise to cancel.

    Returns:
        A `Tokens` for each layer name: values (N, S, D).

    Raises:
        ValueError: a layer does not exist or has no tokens, a layout does not fit, activations are not finite (layer
            and image are named), or the transform gives different sizes for different images or one that the model
            does not take.
        TypeError: `model` is no VisionModel, or an option has the wrong type.
        OSError: an image cannot be read; it is named.
        MemoryError: a batch is too large for the device; the layer and a smaller batch are named.

    Example:
        >>> tokens = extract(load_model(), demo_images(), layers="blocks.*", max_grid=16)
        >>> tokens["blocks.4"]
        Tokens('blocks.4': 16 images, 196 tokens (14×14 grid), 112 channels)
    """
    check_model(model)
    chosen_images = images if isinstance(images, Images) else load_images(images)
    check_int("batch_size", batch_size, minimum=1)
    if max_grid is not None:
        check_int("max_grid", max_grid, minimum=1, todo="None keeps every grid as it is.")
    threads = default_workers() if workers is None else check_int("workers", workers, minimum=0)
    stored = torch.float32 if dtype is None else dtype
    if not isinstance(stored, torch.dtype) or not stored.is_floating_point:
        raise TypeError(message("dtype", "None or a floating torch.dtype such as torch.float16", stored))
    module = unwrapped(model.module)
    first, as_keyword = prepare(model.transform, chosen_images.image(0))
    check_repeatable(model.transform, chosen_images.image(0), first)
    with Meter("Looking at the images", progress, unit="images") as meter, as_found(module, device) as home:
        setting = Setting(module, tuple(first.shape), as_keyword, home, first.is_floating_point())
        table = table_of(setting)
        if table.single and batch_size > 1:
            todo = "Pass batch_size=1, or a model that takes batches (of torch.export: one with a dynamic batch)."
            raise ValueError(
                message("batch_size", "1 for a model that takes one picture at a time", str(batch_size), todo)
            )
        rows = _chosen(table, layers, layout)
        warn_of(rows)
        options = (batch_size, max_grid, str(stored))
        store = None if cache is None else TokenCache(Path(cache), model, setting, chosen_images, options)
        parts = {} if store is None else store.read(rows)
        missing = [row for row in rows if row.name not in parts]
        if missing:
            collector = Collector(missing, chosen_images.ids, max_grid, stored, may_stop_early(module, table.steady))
            stream = batches(model.transform, chosen_images, first, batch_size, threads)
            _run_all(setting, collector, stream, len(chosen_images), meter)
            parts |= {row.name: (collector.values[row.name], collector.prefixes.get(row.name)) for row in missing}
            if store is not None:
                store.write(missing, parts)
        else:
            meter(len(chosen_images), len(chosen_images))
    return {row.name: _tokens(row, *parts[row.name], max_grid, table.has_class_token) for row in rows}


def _run_all(
    setting: Setting,
    collector: Collector,
    stream: Generator[tuple[int, Tensor], None, None],
    total: int,
    progress: Progress,
) -> None:
    """Run the model over all images, batch by batch."""
    with collector.hooked(setting.module), closing(stream):
        progress(0, total)
        for start, batch in stream:
            collector.run(setting.module, batch.to(setting.device), setting.as_keyword, start)
            progress(start + len(batch), total)


def _chosen(table: LayerTable, layers: Layers, layout: Layout | Mapping[str, Layout] | None) -> tuple[LayerRow, ...]:
    """Return the rows to extract, under the layouts that a user gave: these come first, as a layer may need one."""
    if layout is None:
        return table.choose(layers)
    if isinstance(layout, Layout):
        return table.choose(layers, layout)
    if not isinstance(layout, Mapping) or not all(isinstance(each, Layout) for each in layout.values()):
        got = (
            next((each for each in layout.values() if not isinstance(each, Layout)), layout)
            if isinstance(layout, Mapping)
            else layout
        )
        raise TypeError(message("layout", "a Layout or a mapping of layer name to Layout", got))
    rows = table.laid_out(layout).choose(layers)
    names = [row.name for row in rows]
    for name in layout:
        if table[name].name not in names:
            expected = "a mapping from the layers to extract"
            raise ValueError(message("layout", expected, repr(name), suggest(name, names)))
    return rows


def _tokens(
    row: LayerRow, values: Tensor, prefix: Tensor | None, max_grid: int | None, has_class_token: bool
) -> Tokens:
    return Tokens(
        values=values,
        grid=pooled_grid(row.grid, max_grid),
        layer=row.name,
        prefix=prefix,
        native_grid=row.grid,
        note=row.note,
        caution=row.caution,
        has_class_token=has_class_token and prefix is not None,
    )
