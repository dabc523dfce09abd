"""One pass through the model: the tokens of all images at some layers, read by forward hooks."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from semrsm_widgets.common import Meter, ProgressOption, check_int, listed, message, suggest
from semrsm_widgets.images import Images, as_images
from semrsm_widgets.models import VisionModel, check_model, check_repeatable, prepare
from semrsm_widgets.storage import Parts, TokenStore
from semrsm_widgets.tokens import Tokens, pooled_grid

from .batches import batches, default_workers, in_order
from .collector import Collector, may_stop_early
from .hooks import Setting, as_found, unwrapped
from .layer_table import LayerRow, Layers, LayerTable
from .layout import Layout
from .model_layers import table_of, warn_of
from .token_cache import TokenCache
from .token_settings import behaviour_of, how_read, settings_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STORES_KEEP = "with store='FOLDER' the same call would go on from there."


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
    store: Any = None,
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
        store: where the tokens go, batch by batch, for more than memory holds or more than an evening takes: the path
            of a folder, a URL, or anything else that Zarr opens. What comes back is read from there when it is indexed.
            A call that was stopped or killed goes on where it was; layers and images can be added, at the cost of what
            is new, and images left out; a store that was begun with other weights or options, and one with none of
            these images, is refused. None: the tokens are held in memory.
        progress: None shows how far it is, once it has lasted 2 s, in a notebook or on a terminal (`options.progress`);
            False does not. A function is called instead, with (images done, images in all), before the first and after
            each batch; it may raise to cancel.

    Returns:
        A `Tokens` for each layer name: values (N, S, D).

    Raises:
        ValueError: a layer does not exist or has no tokens, a layout does not fit, activations are not finite (layer
            and image are named), or the transform gives different sizes for different images or one that the model
            does not take; or `store` is of other settings or pictures (they are named), or cannot be written.
        TypeError: `model` is no VisionModel, or an option has the wrong type.
        OSError: an image cannot be read; it is named. The store cannot be written any more: what is done stays.
        BlockingIOError: somebody else is writing the store.
        MemoryError: a batch is too large for the device; the layer and a smaller batch are named.

    Example:
        >>> tokens = extract(load_model(), demo_images(), layers="blocks.*", max_grid=16)
        >>> tokens["blocks.4"]
        Tokens('blocks.4': 16 images, 196 tokens (14×14 grid), 112 channels)
    """
    check_model(model)
    chosen_images = as_images(images, progress=progress)
    check_int("batch_size", batch_size, minimum=1)
    if cache is not None and (not isinstance(cache, str | os.PathLike) or not os.fspath(cache)):
        raise TypeError(message("cache", "None or a folder", cache))
    if cache is not None and store is not None:
        raise ValueError(message("cache", "left out where `store` keeps the tokens", "both", "Pass one of them."))
    if max_grid is not None:
        check_int("max_grid", max_grid, minimum=1, todo="None keeps every grid as it is.")
    threads = default_workers() if workers is None else check_int("workers", workers, minimum=0)
    stored = torch.float32 if dtype is None else dtype
    if not isinstance(stored, torch.dtype) or not stored.is_floating_point:
        raise TypeError(message("dtype", "None or a floating torch.dtype such as torch.float16", stored))
    module = unwrapped(model.module)
    first, as_keyword = prepare(model.transform, chosen_images.image(0))
    check_repeatable(model.transform, chosen_images.image(0), first)
    whole = "" if cache is None else " (`cache` takes whole layers)"
    kept_words = f"Nothing of it is kept{whole}: {_STORES_KEEP}" if store is None else "Nothing is kept yet."
    meter = Meter("Looking at the images", progress, unit="images", kept=kept_words)
    with meter, as_found(module, device) as home:
        setting = Setting(module, tuple(first.shape), as_keyword, home, first.is_floating_point())
        table = table_of(setting)
        if table.single and batch_size > 1:
            todo = "Pass batch_size=1, or a model that takes batches (of torch.export: one with a dynamic batch)."
            raise ValueError(
                message("batch_size", "1 for a model that takes one picture at a time", str(batch_size), todo)
            )
        rows = _chosen(table, layers, layout)
        warn_of(rows)
        words = {row.name: _words(row, max_grid, table.has_class_token) for row in rows}
        going = _Pass(
            model=model,
            setting=setting,
            images=chosen_images,
            first=first,
            batch_size=batch_size,
            threads=threads,
            max_grid=max_grid,
            dtype=stored,
            stop_early=may_stop_early(module, table.steady),
            meter=meter,
        )
        if store is not None:
            return _into_store(going, store, rows, {row.name: table.rows.index(table[row.name]) for row in rows}, words)
        options = (batch_size, max_grid, str(stored))
        kept = None if cache is None else TokenCache(Path(cache), model, setting, chosen_images, options)
        parts = {} if kept is None else kept.read(rows)
        missing = [row for row in rows if row.name not in parts]
        if missing:
            parts |= _into_memory(going, missing)
            if kept is not None:
                kept.write(missing, parts)
        else:
            meter(len(chosen_images), len(chosen_images))
    return {name: Tokens(values=parts[name][0], prefix=parts[name][1], **words[name]) for name in words}


@dataclass(frozen=True, kw_only=True)
class _Pass:
    """One pass of some images through a model, batch by batch."""

    model: VisionModel
    setting: Setting
    images: Images
    first: Tensor
    batch_size: int
    threads: int
    max_grid: int | None
    dtype: torch.dtype
    stop_early: bool
    meter: Meter

    def run(
        self,
        collector: Collector,
        wanted: Sequence[Sequence[int]],
        after: Callable[[Sequence[int]], None] | None = None,
    ) -> None:
        """Run the model over batches of these images; after each, `after` is called."""
        transform, total, module = self.model.transform, len(self.images), self.setting.module
        stream = batches(transform, self.images, self.first, self.batch_size, self.threads, wanted)
        done = total - sum(len(each) for each in wanted)
        with collector.hooked(module), closing(stream):
            self.meter(done, total)
            for images, batch in stream:
                collector.run(module, batch.to(self.setting.device), self.setting.as_keyword, images)
                if after is not None:
                    after(images)
                done += len(batch)
                self.meter(done, total)

    def collector(self, rows: Sequence[LayerRow], *, by_batch: bool) -> Collector:
        """Return what collects some layers."""
        ids = self.images.ids
        return Collector(rows, ids, self.max_grid, self.dtype, self.stop_early, by_batch=by_batch)


def _into_memory(going: _Pass, rows: Sequence[LayerRow]) -> Parts:
    """Return the tokens and prefix tokens of some layers, by name."""
    collector = going.collector(rows, by_batch=False)
    going.run(collector, in_order(len(going.images), going.batch_size))
    return {row.name: (collector.values[row.name], collector.prefixes.get(row.name)) for row in rows}


def _into_store(
    going: _Pass, store: Any, rows: Sequence[LayerRow], depths: Mapping[str, int], words: Mapping[str, dict[str, Any]]
) -> dict[str, Tokens]:
    """Have the store hold the tokens of all images at some layers, and return them; what it holds is not run again."""
    behaviour = behaviour_of(going.setting, rows)
    if behaviour.unsteady:
        got = f"{listed(behaviour.unsteady)}, which gave two outputs for one input"
        todo = "What is random cannot be gone on with: leave `store` out, or these layers."
        raise ValueError(message("layers", "layers that give the same each time, for a store", got, todo))
    target = TokenStore(
        store,
        settings=settings_of(
            going.model, going.setting, behaviour.state, going.batch_size, going.max_grid, going.dtype
        ),
        ids=going.images.ids,
        pictures=_pictures_sha256(going.images, going.threads),
        batch=going.batch_size,
        dtype=going.dtype,
    )
    going.meter.kept = f"What is done is kept in {target.label!r}: the same call goes on from there."
    own = {row.name: f"{behaviour.outputs.get(row.path)} {how_read(row)}" for row in rows}
    with ExitStack() as stack:
        refusal: Exception | None = None
        try:
            stack.enter_context(target.written())
        except (BlockingIOError, ValueError) as error:  # all may be there already, to be read by anybody
            refusal = error
        done = target.done(own, clear=refusal is None)
        lacking = ~np.logical_and.reduce(list(done.values()))
        if lacking.any() and refusal is not None:
            raise refusal
        if lacking.any():
            missing = [row for row in rows if not done[row.name].all()]
            for row in missing:
                target.add(row.name, own[row.name], depths[row.name], words[row.name])
            collector, behind = going.collector(missing, by_batch=True), stack.enter_context(_Behind())

            def keep(images: Sequence[int]) -> None:
                behind.do(target.write, images, collector.taken())

            going.run(collector, target.batches(lacking), keep)
        else:
            going.meter(len(going.images), len(going.images))
    return {name: target.tokens(name) for name in words}


class _Behind:
    """Does one thing at a time on another thread, while the caller goes on; a context that ends when it is done."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="semrsm-store")
        self._last: Future[None] | None = None

    def do(self, work: Callable[..., None], *given: Any) -> None:
        """Do the next thing, once the last is done; what that raised is raised here."""
        last, self._last = self._last, None
        if last is not None:
            last.result()
        self._last = self._thread.submit(work, *given)

    def __enter__(self) -> _Behind:
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        self._thread.shutdown(wait=True)
        if kind is None and self._last is not None:
            self._last.result()


def _pictures_sha256(images: Images, threads: int) -> NDArray[np.uint8]:
    """Return (N, 32) the SHA-256 of each picture."""
    with Meter("Reading the pictures", unit="images") as meter, ThreadPoolExecutor(max(1, threads)) as pool:
        found = []
        for k, digest in enumerate(pool.map(lambda source: source.digest(), images.sources)):
            found.append(bytes.fromhex(digest))
            meter(k + 1, len(images))
    return np.frombuffer(b"".join(found), np.uint8).reshape(len(images), -1)


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


def _words(row: LayerRow, max_grid: int | None, has_class_token: bool) -> dict[str, Any]:
    """Return what `Tokens` say besides their numbers."""
    return {
        "grid": pooled_grid(row.grid, max_grid),
        "layer": row.name,
        "native_grid": row.grid,
        "note": row.note,
        "caution": row.caution,
        "has_class_token": has_class_token and row.prefix > 0,
    }
