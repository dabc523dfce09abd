"""Token sets: what a layer says about each image, and how it is read from a model by forward hooks."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from PIL import Image
from torch import Tensor, nn

from ._check import check_int, message
from ._defaults import Outline, default_names, fallback
from ._hooks import Output, as_found, hooked, leaves, run, trace, unwrapped
from ._layouts import Declared, Grid, infer_layout, pooled_grid, to_tokens
from ._listing import LayerRow, LayerTable, thinned
from .images import Images, load_images
from .models import VisionModel, model_view, prepare

__all__ = ["LayerRow", "LayerTable", "Tokens", "extract", "layers", "model_view"]

TRACED_IMAGES = 3  # an unlikely length for any other axis


@dataclass(frozen=True, eq=False, kw_only=True)
class Tokens:
    """The tokens of N images at one layer.

    Attributes:
        values: (N, S, D) tensor: S tokens of D channels for each image, in raster order of the grid.
        grid: (h, w) with h * w = S, or None where the tokens have no known place in the image.
        layer: the layer's name.
        prefix: (N, P, D) tensor of tokens at no position (CLS, distillation, registers), kept aside; or None.
        native_grid: the model's own grid before `max_grid` pooled it; equal to `grid` if nothing was pooled.
        note: why there is no grid, or what else a reader should know; may be empty.
    """

    values: Tensor
    grid: tuple[int, int] | None = None
    layer: str = ""
    prefix: Tensor | None = None
    native_grid: tuple[int, int] | None = None
    note: str = ""

    def __len__(self) -> int:
        return int(self.values.shape[0])

    def __repr__(self) -> str:
        n, s, d = self.values.shape
        where = f"{self.grid[0]}×{self.grid[1]} grid" if self.grid else "no grid"
        aside = f", {self.prefix.shape[1]} prefix" if self.prefix is not None else ""
        return f"Tokens({self.layer!r}: {n} images, {s} tokens ({where}{aside}), {d} channels)"


def layers(model: VisionModel) -> LayerTable:
    """Return the table of a model's layers: name, kind, shape, grid, S, D, prefix tokens, default or not.

    It runs the model once on noise; the table is remembered for the module.

    Args:
        model: the model, left exactly as found.

    Raises:
        TypeError: `model` is no VisionModel.
        ValueError: hooks cannot work on it (a ScriptModule, for instance).

    Example:
        >>> layers(load_model())["blocks.4"].grid
        (14, 14)
    """
    _check_model(model)
    module = unwrapped(model.module)
    pixels, as_keyword = prepare(model.transform, Image.new("RGB", (256, 256), "gray"))
    with as_found(module) as device:
        return _table(module, tuple(pixels.shape), as_keyword, device)


def extract(
    model: VisionModel,
    images: Images | Any,
    layers: str | int | Sequence[str] | None = None,
    *,
    batch_size: int = 16,
    device: torch.device | str | None = None,
    max_grid: int | None = None,
    dtype: torch.dtype | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Tokens]:
    """Return the tokens of all images at some layers, in depth order, by one pass through the model.

    The model runs in eval mode without gradients and is left exactly as found, also after an error or an interrupt.

    Args:
        model: the model with its transform.
        images: `Images`, or anything `load_images` takes.
        layers: None for 6 to 12 stages or blocks; a name, a glob ("blocks.*": "*" stops at a dot, "**" does not) or
            a list of them; or how many stages or blocks to take, evenly spaced in depth. See `layers(model)`.
        batch_size: images in one forward; the results depend on it only by rounding.
        device: where to run the model; None: where it is. The tokens come back on the CPU.
        max_grid: larger token grids are averaged down to at most this many tokens a side; None: kept as they are.
        dtype: floating type in which tokens are stored; None: float32.
        progress: called with (images done, images in all) before the first and after each batch; may raise to cancel.

    Returns:
        A `Tokens` for each layer name: values (N, S, D).

    Raises:
        ValueError: a layer does not exist or has no tokens, activations are not finite (layer and image are named),
            or the transform gives different sizes for different images.
        TypeError: `model` is no VisionModel, or an option has the wrong type.
        OSError: an image cannot be read; it is named.

    Example:
        >>> tokens = extract(load_model(), demo_images(), layers="blocks.*", max_grid=16)
        >>> tokens["blocks.4"]
        Tokens('blocks.4': 16 images, 196 tokens (14×14 grid), 112 channels)
    """
    _check_model(model)
    chosen_images = images if isinstance(images, Images) else load_images(images)
    check_int("batch_size", batch_size, minimum=1)
    if max_grid is not None:
        check_int("max_grid", max_grid, minimum=1, todo="None keeps every grid as it is.")
    stored = torch.float32 if dtype is None else dtype
    if not isinstance(stored, torch.dtype) or not stored.is_floating_point:
        raise TypeError(message("dtype", "None or a floating torch.dtype such as torch.float16", stored))
    module = unwrapped(model.module)
    first, as_keyword = prepare(model.transform, chosen_images.image(0))
    with as_found(module, device) as home:
        table = _table(module, tuple(first.shape), as_keyword, home)
        collector = _Collector(table.choose(layers), chosen_images.ids, max_grid, stored)
        with hooked(module, collector.paths, collector.take):
            _run_all(model, module, chosen_images, first, as_keyword, home, batch_size, collector, progress)
    return collector.tokens()


def _run_all(
    model: VisionModel,
    module: nn.Module,
    images: Images,
    first: Tensor,
    as_keyword: bool,
    device: torch.device,
    batch_size: int,
    collector: _Collector,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Run the model over all images, batch by batch."""
    total = len(images)
    if progress is not None:
        progress(0, total)
    for start in range(0, total, batch_size):
        stop = min(start + batch_size, total)
        inputs = [first if i == 0 else prepare(model.transform, images.image(i))[0] for i in range(start, stop)]
        for i, pixels in enumerate(inputs, start):
            if pixels.shape != first.shape:
                got = f"{tuple(first.shape)} for {images.ids[0]!r} and {tuple(pixels.shape)} for {images.ids[i]!r}"
                todo = "Add a centre crop to the transform."
                raise ValueError(message("model.transform", "a transform to one size for all images", got, todo))
        collector.begin(start, stop)
        run(module, torch.stack(inputs).to(device), as_keyword)
        collector.finish()
        if progress is not None:
            progress(stop, total)


class _Collector:
    """Copies wanted outputs into arrays for all images while the model runs."""

    def __init__(self, rows: Sequence[LayerRow], ids: Sequence[str], max_grid: int | None, dtype: torch.dtype) -> None:
        self._rows = rows
        self._ids = ids
        self._max_grid = max_grid
        self._dtype = dtype
        self._wanted: dict[str, list[LayerRow]] = defaultdict(list)
        for row in rows:
            self._wanted[row.path].append(row)
        self._values: dict[str, Tensor] = {}
        self._prefixes: dict[str, Tensor] = {}
        self._calls: Counter[str] = Counter()
        self._came: set[str] = set()
        self._start = self._stop = 0
        self._failure = ""

    @property
    def paths(self) -> list[str]:
        return list(self._wanted)

    def begin(self, start: int, stop: int) -> None:
        self._start, self._stop = start, stop
        self._calls.clear()
        self._came.clear()
        self._failure = ""

    def take(self, path: str, output: Any) -> None:
        """Copy what is wanted of one output; errors wait for `finish`, as a model may swallow exceptions."""
        self._calls[path] += 1
        found: dict[str, Tensor] | None = None
        for row in self._wanted[path]:
            if row.call != self._calls[path]:
                continue
            found = leaves(output) if found is None else found
            tensor = found.get(row.leaf)
            if tensor is None or tuple(tensor.shape) != (self._stop - self._start, *row.shape):
                got = "nothing" if tensor is None else f"{tuple(tensor.shape)}"
                self._failure = self._failure or (
                    f"layer {row.name!r} gave {got} for {self._stop - self._start} images; on noise it gave "
                    f"{row.shape} an image. Its output depends on the images or on their number: choose another layer."
                )
                continue
            self._store(row, tensor)
            self._came.add(row.name)

    def _store(self, row: LayerRow, output: Tensor) -> None:
        """Copy now: a later in-place operation must not reach the tokens, and no view may keep the output alive."""
        values, prefix, _ = to_tokens(output, row.layout, self._max_grid)
        self._copy(self._values, row.name, values)
        if prefix is not None:
            self._copy(self._prefixes, row.name, prefix)

    def _copy(self, into: dict[str, Tensor], name: str, part: Tensor) -> None:
        if name not in into:
            into[name] = torch.empty((len(self._ids), *part.shape[1:]), dtype=self._dtype)
        into[name][self._start : self._stop].copy_(part)

    def finish(self) -> None:
        """Raise for what went wrong in this batch."""
        if self._failure:
            raise ValueError(self._failure)
        for row in self._rows:
            if row.name not in self._came:
                raise ValueError(f"layer {row.name!r} was not called for these images, though it was on noise.")
            for store in (self._values, self._prefixes):
                if row.name in store:
                    self._check_finite(row.name, store[row.name][self._start : self._stop])

    def _check_finite(self, name: str, part: Tensor) -> None:
        finite = torch.isfinite(part).flatten(1).all(1)
        if bool(finite.all()):
            return
        bad = [self._ids[self._start + int(i)] for i in (~finite).nonzero()[:, 0]]
        half = self._dtype == torch.float16
        todo = "dtype=torch.bfloat16 holds larger values." if half else "Check the weights and the transform."
        more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        raise ValueError(f"layer {name!r} has NaN or infinite activations for image {bad[0]!r}{more}. {todo}")

    def tokens(self) -> dict[str, Tokens]:
        return {
            row.name: Tokens(
                values=self._values[row.name],
                grid=pooled_grid(row.grid, self._max_grid),
                layer=row.name,
                prefix=self._prefixes.get(row.name),
                native_grid=row.grid,
                note=row.layout.note,
            )
            for row in self._rows
        }


def _check_model(model: Any) -> None:
    if isinstance(model, VisionModel):
        return
    todo = "Wrap a module with its preprocessing: VisionModel(module, transform)."
    raise TypeError(message("model", "a VisionModel, as load_model() gives", type(model).__name__, todo))


# Tracing costs a forward; the outcome belongs to the module, its structure and the input's size.
_tables: WeakKeyDictionary[nn.Module, dict[Any, LayerTable]] = WeakKeyDictionary()


def _table(module: nn.Module, input_shape: tuple[int, ...], as_keyword: bool, device: torch.device) -> LayerTable:
    """Return the table of layers for inputs of a size; call it inside `as_found`."""
    structure = hash(tuple((path, id(part)) for path, part in module.named_modules()))
    known = _tables.setdefault(module, {})
    key = (input_shape, as_keyword, structure)
    if key not in known:
        known[key] = _make_table(module, input_shape, trace(module, input_shape, TRACED_IMAGES, as_keyword, device))
    return known[key]


def _make_table(module: nn.Module, input_shape: tuple[int, ...], outputs: Sequence[Output]) -> LayerTable:
    declared = _declared(module, input_shape, outputs)
    names = [_name(output) for output in outputs]
    parts = dict(module.named_modules())
    outermost = _outermost(outputs)
    rows = [
        LayerRow(
            name=name,
            kind=type(parts[output.path]).__name__,
            shape=output.shape[1:],
            layout=infer_layout(output.shape, TRACED_IMAGES, declared),
            same_as=names[outermost[i]] if outermost[i] != i else "",
            path=output.path,
            call=output.call,
            leaf=output.leaf,
        )
        for i, (name, output) in enumerate(zip(names, outputs, strict=True))
    ]
    levels = [level for level in Outline(module, rows).levels() if level] or [fallback(rows)]
    by_name = {row.name: row for row in rows}
    coarse = default_names(levels)
    chosen = set(thinned(coarse, [by_name[name].grid for name in coarse]))
    rows = [replace(row, default=row.name in chosen) for row in rows]
    return LayerTable(rows, levels, sorted(set(parts) - {output.path for output in outputs}))


def _outermost(outputs: Sequence[Output]) -> list[int]:
    """Return for each output the last one to hand on the very same tensor, short of the model itself."""
    first = [i if output.same_as is None else output.same_as for i, output in enumerate(outputs)]
    last = {origin: i for i, (origin, output) in enumerate(zip(first, outputs, strict=True)) if output.path}
    return [last.get(origin, i) for i, origin in enumerate(first)]


def _name(output: Output) -> str:
    call = f"@{output.call}" if output.calls > 1 else ""
    return f"{output.path or 'output'}{call}{output.leaf}"


def _declared(module: nn.Module, input_shape: tuple[int, ...], outputs: Sequence[Output]) -> Declared:
    """Return what the model says of its features: patch embeddings, prefix tokens, timm's list of features."""
    height, width = input_shape[1:]
    parts = dict(module.named_modules())
    grids: set[Grid] = set()
    for output in outputs:
        part = parts[output.path]
        # A convolution of the image with kernel = stride cuts it into patches.
        if isinstance(part, nn.Conv2d) and part.in_channels == input_shape[0] and part.kernel_size == part.stride:
            grids.add((output.shape[2], output.shape[3]))
    seen = bool(grids)  # what this forward shows is surer than an attribute, which may be of another input size
    prefix = None
    for part in parts.values():
        count = getattr(part, "num_prefix_tokens", None)
        if isinstance(count, int):
            prefix = count if prefix is None else prefix
        grid = getattr(part, "grid_size", None)
        if not seen and isinstance(grid, tuple) and len(grid) == 2:
            grids.add((int(grid[0]), int(grid[1])))
    listed = getattr(module, "feature_info", None) or []
    features = {
        (int(entry["num_chs"]), (math.ceil(height / entry["reduction"]), math.ceil(width / entry["reduction"])))
        for entry in listed
        if isinstance(entry, dict) and {"num_chs", "reduction"} <= entry.keys()
    }
    return Declared(
        input_size=(height, width),
        grids=frozenset(grids),
        features=frozenset(features),
        prefix=prefix,
        reorders=any(hasattr(part, name) for part in parts.values() for name in ("reroll", "unroll")),
        sequence_lengths=frozenset(h * w + (prefix or 0) for h, w in grids),
    )
