"""What extraction will hold in memory at its peak, from two of the images."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from semrsm_widgets.common import Meter, check_int
from semrsm_widgets.extraction import AHEAD, default_workers, extract
from semrsm_widgets.images import as_images
from semrsm_widgets.models import check_model, prepare

if TYPE_CHECKING:
    from semrsm_widgets.images import Images
    from semrsm_widgets.models import VisionModel

_SIZES_READ = 64
"""Of so many pictures the size is looked up."""
_STORED_TWICE = 2
"""Times the tokens of a batch that a store holds while the next is computed: as they are, and as they are written."""


@dataclass(frozen=True, kw_only=True)
class ExtractionEstimate:
    """What `extract` will hold in the machine's memory.

    Attributes:
        images: images to look at.
        memory: bytes held at the peak besides the model and the images as they are before the call. What is counted:
            `tokens`; `forward`; the inputs of the batch and of the two that are decoded ahead; in each decoding thread
            a picture twice and its input twice. Not counted: libraries, compiled code and the buffers that a first call
            makes once, what an accelerator holds, and freed memory that the system's allocator keeps for later (see
            `estimate_extraction`).
        tokens: bytes of the tokens that come back; with a store, of the batches that are on their way there.
        forward: bytes of one batch's activations at their peak, under the hooks, with its input and its own tokens.
    """

    images: int
    memory: int
    tokens: int
    forward: int


def estimate_extraction(
    model: VisionModel,
    images: Images | Any,
    layers: Any = None,
    *,
    layout: Any = None,
    batch_size: int = 16,
    max_grid: int | None = None,
    dtype: torch.dtype | None = None,
    workers: int | None = None,
    store: Any = None,
) -> ExtractionEstimate:
    """Return the memory that `extract` with these arguments will take, from looking at one image and at two.

    Every tensor that is made meanwhile is followed. Of a convolution on a processor, oneDNN's copies of its input and
    its output are added, which torch does not see. A batch is taken to need what an image needs, times its images.

    glibc, the allocator of most Linux systems, keeps freed blocks of up to 32 MB: a process may show much more than is
    held. `MALLOC_MMAP_THRESHOLD_=65536` in the environment, before Python starts, has them given back.

    Args:
        model: the model with its transform.
        images: as for `extract`, and so is what follows.
        layers: which layers.
        layout: how to read their outputs.
        batch_size: images in one forward.
        max_grid: larger token grids are averaged down to it.
        dtype: floating type in which tokens are stored.
        workers: threads that decode images.
        store: where the tokens go; only whether it is None matters, nothing is written.

    Raises:
        ValueError, TypeError, OSError, MemoryError: as `extract` does.

    Example:
        >>> estimate_extraction(load_model(), images, "blocks.*", dtype=torch.float16).memory / 2**20  # MiB
    """
    check_model(model)
    chosen = as_images(images)
    batch = min(check_int("batch_size", batch_size, minimum=1), len(chosen))
    threads = default_workers() if workers is None else check_int("workers", workers, minimum=0)

    def look(count: int) -> tuple[int, int]:
        """Return the bytes at the peak of a batch of some images, and those of their tokens."""
        some = chosen.select(range(count))
        with Allocations(weights) as made:
            tokens = extract(
                model,
                some,
                layers,
                layout=layout,
                batch_size=count,
                max_grid=max_grid,
                dtype=dtype,
                workers=0,  # a thread's tensors could not be followed
            )
        every = [part for each in tokens.values() for part in (each.values, each.prefix) if part is not None]
        return made.peak, sum(part.nbytes for part in every)

    with Meter("Measuring the extraction"):
        weights = [*model.module.parameters(), *model.module.buffers()]
        pixels = prepare(model.transform, chosen.image(0))[0].nbytes
        extract(model, chosen.select([0]), layers, layout=layout, max_grid=max_grid, batch_size=1, workers=0)
        one, of_one = look(1)
        more = look(2)[0] - one if batch > 1 else 0
    forward = one + (batch - 1) * max(0, more)
    decoding = max(1, threads) * (2 * _largest_picture(chosen) + 2 * pixels)
    peak = 0
    for behind in {0, batch, AHEAD * batch}:  # images after the batch at hand
        if behind <= len(chosen) - batch:
            before = _STORED_TWICE * batch if store is not None else len(chosen) - batch - behind
            ahead = min(behind, AHEAD * batch) if threads else 0
            peak = max(peak, before * of_one + forward + (batch + ahead) * pixels)
    tokens = of_one * (_STORED_TWICE * batch if store is not None else len(chosen))
    return ExtractionEstimate(images=len(chosen), memory=peak + decoding, tokens=tokens, forward=forward)


def _largest_picture(images: Images) -> int:
    """Return the bytes of the largest of some pictures, decoded."""
    places = np.unique(np.linspace(0, len(images) - 1, min(_SIZES_READ, len(images))).astype(np.int64))
    return max(3 * width * height for width, height in (images.size(int(i)) for i in places))


class Allocations(TorchDispatchMode):  # type: ignore[no-untyped-call, unused-ignore]
    """Follows the main memory of the tensors that this thread makes; a context.

    Attributes:
        peak: the most bytes that were held at once, with those of a convolution's copies.

    Args:
        known: tensors that were there before, and do not count.
    """

    def __init__(self, known: list[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]
        self.peak = 0
        self._held = 0
        self._sizes: dict[int, int] = {each.untyped_storage()._cdata: 0 for each in known}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do the operation, and count what came of it."""
        found = func(*args, **(kwargs or {}))
        tensors = [each for each in tree_leaves(found) if isinstance(each, Tensor)]
        for each in tensors:
            self._count(each)
        aside = 0
        if _HAS_ONEDNN and func in _CONVOLUTIONS and args[0].device.type == "cpu":
            aside = args[0].nbytes + sum(each.nbytes for each in tensors)
        self.peak = max(self.peak, self._held + aside)
        return found

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if tensor.device.type == "cpu" and key not in self._sizes:
            self._sizes[key] = storage.nbytes()
            self._held += self._sizes[key]
            weakref.finalize(storage, self._free, key)

    def _free(self, key: int) -> None:
        self._held -= self._sizes.pop(key, 0)


_HAS_ONEDNN: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call, unused-ignore]
_CONVOLUTIONS = (torch.ops.aten.convolution.default, torch.ops.aten._convolution.default)
