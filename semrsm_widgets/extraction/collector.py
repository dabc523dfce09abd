"""Copying what is wanted out of a forward, batch by batch, into arrays for all images."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

from .hooks import Leaf, hooked, leaves, run
from .layer_table import LayerRow
from .layout import to_tokens


class Enough(BaseException):
    """All that is wanted of a batch has come: the rest of the forward is not needed.

    No `Exception`, so that a model which catches its own errors lets it pass.
    """


Hear = Callable[[Sequence[int], Any], None]
"""Is told (images of the batch, what the model returned)."""

_hearing: ContextVar[Hear | None] = ContextVar("semrsm_hearing", default=None)


@contextmanager
def answers_heard(hear: Hear) -> Iterator[None]:
    """Tell what the model itself returns for each batch of the collectors that are made inside; none ends early."""
    token = _hearing.set(hear)
    try:
        yield
    finally:
        _hearing.reset(token)


class Collector:
    """Copies wanted outputs into arrays for all images, or for one batch at a time, while the model runs.

    Attributes:
        values: by layer name (N, S, D) in the dtype asked for, on the CPU.
        prefixes: by layer name (N, P, D), where a layer has prefix tokens.
    """

    def __init__(
        self,
        rows: Sequence[LayerRow],
        ids: Sequence[str],
        max_grid: int | None,
        dtype: torch.dtype,
        stop_early: bool,
        *,
        by_batch: bool = False,
    ) -> None:
        self.rows = rows
        self.values: dict[str, Tensor] = {}
        self.prefixes: dict[str, Tensor] = {}
        self._ids = ids
        self._max_grid = max_grid
        self._dtype = dtype
        self._hear = _hearing.get()
        self._stop_early = stop_early and self._hear is None
        self._wanted: dict[str, list[LayerRow]] = defaultdict(list)
        for row in rows:
            self._wanted[row.path].append(row)
        self._calls: Counter[str] = Counter()
        self._came: dict[str, None] = {}
        self._images: Sequence[int] = ()
        self._by_batch = by_batch
        self._forms: dict[tuple[str, bool], tuple[int, ...]] = {}
        self._failure = ""

    @contextmanager
    def hooked(self, module: nn.Module) -> Iterator[None]:
        """Take what comes from the module; no hook is left on leaving, whatever happened."""
        with hooked(module, list(self._wanted), self._take):
            yield

    def run(self, module: nn.Module, batch: Tensor, as_keyword: bool, images: Sequence[int]) -> None:
        """Run the module on a batch and store what is wanted of its images; call it in `hooked`.

        Args:
            module: the module.
            batch: its input.
            as_keyword: whether it takes it by keyword.
            images: which images it is of; those that follow each other, where all are collected.

        Raises:
            ValueError: an output differs in shape from the one on noise, did not come, or is not finite.
            MemoryError: the device's memory does not suffice; the text names the layer and a smaller batch.
        """
        self._images = images
        self._calls.clear()
        self._came.clear()
        self._failure = ""
        try:
            output = run(module, batch, as_keyword)
            if self._hear is not None:
                self._hear(images, output)
        except Enough:
            pass
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise MemoryError(self._out_of_memory()) from error
        self._finish()

    def _take(self, path: str, output: Any) -> None:
        """Copy what is wanted of one output; errors wait for `_finish`, as a model may swallow exceptions."""
        self._calls[path] += 1
        found: dict[str, Leaf] | None = None
        for row in self._wanted[path]:
            if row.call != self._calls[path]:
                continue
            found = leaves(output) if found is None else found
            tensor = found[row.leaf].tensor if row.leaf in found else None
            count = len(self._images)
            if tensor is None or tuple(tensor.shape) != row.batch_shape(count):
                got = "nothing" if tensor is None else f"{tuple(tensor.shape)}"
                self._failure = self._failure or (
                    f"layer {row.name!r} gave {got} for {count} images; on noise it gave {row.shape} an image. "
                    "Its output depends on the images or on their number: choose another layer."
                )
                continue
            self._store(row, tensor)
            self._came[row.name] = None
        if self._stop_early and len(self._came) == len(self.rows):
            raise Enough

    def _store(self, row: LayerRow, output: Tensor) -> None:
        """Copy now: a later in-place operation must not reach the tokens, and no view may keep the output alive."""
        values, prefix, _ = to_tokens(output, row.layout, self._max_grid)
        self._copy(self.values, row.name, values)
        if prefix is not None:
            self._copy(self.prefixes, row.name, prefix)

    def _copy(self, into: dict[str, Tensor], name: str, part: Tensor) -> None:
        form = self._forms.setdefault((name, into is self.prefixes), tuple(part.shape[1:]))
        if form != tuple(part.shape[1:]):  # copying would stretch what has one token
            self._failure = self._failure or f"layer {name!r} gave {tuple(part.shape[1:])} where it gave {form} before."
            return
        if name not in into:
            # Not NumPy's memory: the large pages that it asks for made the whole extraction a fifth slower (measured).
            count = len(self._images) if self._by_batch else len(self._ids)
            into[name] = torch.empty((count, *part.shape[1:]), dtype=self._dtype)
        into[name][self._here].copy_(part)

    @property
    def _here(self) -> slice:
        """Where the images of this batch are."""
        if self._by_batch:
            return slice(0, len(self._images))
        return slice(self._images[0], self._images[-1] + 1)

    def taken(self) -> dict[str, tuple[Tensor, Tensor | None]]:
        """Return the tokens and prefix tokens of the last batch by layer, which are the caller's from then on."""
        found = {name: (values, self.prefixes.get(name)) for name, values in self.values.items()}
        self.values, self.prefixes = {}, {}
        return found

    def _finish(self) -> None:
        """Raise for what went wrong in this batch."""
        if self._failure:
            raise ValueError(self._failure)
        for row in self.rows:
            if row.name not in self._came:
                raise ValueError(f"layer {row.name!r} was not called for these images, though it was on noise.")
            for store in (self.values, self.prefixes):
                if row.name in store:
                    self._check_finite(row.name, store[row.name][self._here])

    def _check_finite(self, name: str, part: Tensor) -> None:
        # A norm is twenty times as quick as looking at every value; where it overflows, they are looked at.
        wide = torch.float64 if part.dtype == torch.float64 else torch.float32
        if bool(torch.isfinite(torch.linalg.vector_norm(part, dtype=wide))):
            return
        finite = torch.isfinite(part).flatten(1).all(1)
        if bool(finite.all()):
            return
        bad = [self._ids[self._images[int(i)]] for i in (~finite).nonzero()[:, 0]]
        half = self._dtype == torch.float16
        todo = "dtype=torch.bfloat16 holds larger values." if half else "Check the weights and the transform."
        more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        raise ValueError(f"layer {name!r} has NaN or infinite activations for image {bad[0]!r}{more}. {todo}")

    def _out_of_memory(self) -> str:
        """Return what to do: where it happened decides between a smaller batch and fewer or smaller layers."""
        count = len(self._images)
        names = [row.name for row in self.rows]
        reached = next((name for name in names if name not in self._came), names[-1])
        smaller = f"batch_size={count // 2}" if count > 1 else "a smaller image, or max_grid= for smaller tokens"
        return f"out of memory on the way to layer {reached!r} with {count} images in a batch. Try {smaller}."


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory does not suffice."""
    # The CPU's allocator raises a plain RuntimeError.
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error)


def may_stop_early(module: nn.Module, steady: bool) -> bool:
    """Return whether a forward may be left before its end: nothing in it is scripted, replaced or counting."""
    return steady and not any(
        isinstance(part, torch.jit.ScriptModule)
        or hasattr(part, "_hf_hook")  # weights that are moved to the device and back around each forward
        for part in module.modules()
    )
