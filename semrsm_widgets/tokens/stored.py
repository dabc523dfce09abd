"""Tokens that lie in a store: a tensor which is read when it is indexed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK_BYTES = 2**25
"""Tokens read at a time where all of them are gone through."""
MOST_AT_ONCE = 2**30
"""Bytes above which a word is said when all is read at once."""


class TokenSource(Protocol):
    """What reads the tokens of some images."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(N, S, D)."""

    @property
    def dtype(self) -> torch.dtype:
        """In which they are stored."""

    @property
    def label(self) -> str:
        """Which layer of which store, for texts."""

    @property
    def block(self) -> int:
        """Images that lie together: reading whole blocks is quickest."""

    def read(self, images: NDArray[np.int64]) -> Tensor:
        """Return the tokens (k, S, D) of some images, in their order."""


class StoredTensor(Tensor):
    """(N, S, D) tokens in a store. It is used as any tensor; what it is indexed with is all that is read.

    `values[i]`, `values[10:20]` and `values[[3, 1]]` read these images, and give plain tensors. Its shape and type are
    known without reading; whatever else is done with it reads all of it first, with a warning above a gibibyte. It
    cannot be written to.
    """

    _source: TokenSource
    _images: NDArray[np.int64] | None

    def __new__(cls, source: TokenSource, images: NDArray[np.int64] | None = None) -> StoredTensor:
        """Return the tokens of a source, or of some of its images."""
        count, *each = source.shape
        shape = (count if images is None else len(images), *each)
        make: Any = Tensor._make_wrapper_subclass
        made: StoredTensor = make(cls, shape, dtype=source.dtype)
        made._source, made._images = source, images
        return made

    @property
    def block(self) -> int:
        """Images that are read together at no more cost."""
        return self._source.block

    @property
    def source(self) -> TokenSource:
        """Where it is read from."""
        return self._source

    def chosen(self, images: Sequence[int]) -> StoredTensor:
        """Return the tokens of some images, without reading them."""
        return StoredTensor(self._source, self.images[np.asarray(images, np.int64)])

    @property
    def images(self) -> NDArray[np.int64]:
        """(N,) which images of the source they are of."""
        return np.arange(self._source.shape[0]) if self._images is None else self._images

    def _at(self, index: Any) -> Tensor:
        """Return what an index asks for, having read the images that it names and no others."""
        first, *rest = index if isinstance(index, tuple) and index else (index,)
        if isinstance(first, bool) or first is None or first is Ellipsis:
            return self._loaded()[index]
        count = self.shape[0]
        if isinstance(first, slice):
            part = self._read(np.arange(count)[first])
            return part[(slice(None), *rest)] if rest else part
        if hasattr(first, "__index__") and getattr(first, "ndim", 0) == 0:
            number = int(first)
            if not -count <= number < count:
                raise IndexError(f"index {number} is out of bounds for {count} images")
            one = self._read(np.array([number % count]))[0]
            return one[tuple(rest)] if rest else one
        chosen = np.asarray(first.cpu() if isinstance(first, Tensor) else first)
        if chosen.dtype == bool and chosen.shape == (count,):
            chosen = np.flatnonzero(chosen)
        if chosen.ndim != 1 or (chosen.size and chosen.dtype.kind not in "iu"):
            return self._loaded()[index]
        if chosen.size and not (-count <= chosen.min() and chosen.max() < count):
            raise IndexError(f"an index is out of bounds for {count} images")
        part = self._read(chosen.astype(np.int64) % max(1, count))
        return part[(torch.arange(len(part)), *rest)] if rest else part

    def _read(self, images: NDArray[np.int64]) -> Tensor:
        return self._source.read(images if self._images is None else self._images[images])

    def _loaded(self) -> Tensor:
        """Return all of it as a plain tensor."""
        count, size, channels = self.shape
        needed = count * size * channels * self.dtype.itemsize
        if needed > MOST_AT_ONCE:
            text = f"All of {self._source.label}, {needed / 1e9:.1f} GB, is read into memory: what was called needs it."
            warnings.warn(text, RuntimeWarning, stacklevel=5)
        return self._read(np.arange(count))

    def __iter__(self) -> Iterator[Tensor]:
        return (self._at(i) for i in range(self.shape[0]))

    def __repr__(self) -> str:  # type: ignore[override]  # torch's has an argument of its own making
        return f"StoredTensor({tuple(self.shape)}, {self.dtype}, in {self._source.label})"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return StoredTensor, (self._source, self._images)

    def __deepcopy__(self, memo: Any) -> StoredTensor:
        return self

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Answer what needs no numbers, read what is indexed, and hand all of it to everything else."""
        own = args[0] if args and isinstance(args[0], StoredTensor) else None
        if own is not None:
            if func in _OF_THE_FORM:
                with torch._C.DisableTorchFunctionSubclass():
                    return func(*args, **(kwargs or {}))
            if func in _SAME and len(args) == 1 and not kwargs:
                return own
            if func is Tensor.__getitem__:
                return own._at(args[1])
            name = getattr(func, "__name__", "")
            if func is Tensor.__setitem__ or (name.endswith("_") and not name.endswith("__")):
                raise TypeError("Tokens in a store cannot be changed: change a copy, tokens.values[:].")
        return func(*_plain(args), **_plain(kwargs or {}))

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # torch's stands for having none
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Hand all of it to what comes here past `__torch_function__`."""
        return func(*_plain(args), **_plain(kwargs or {}))


def _plain(value: Any) -> Any:
    """Return arguments with plain tensors in the place of stored ones."""
    if isinstance(value, StoredTensor):
        return value._loaded()
    if type(value) in (list, tuple):
        return type(value)(map(_plain, value))
    if type(value) is dict:
        return {name: _plain(each) for name, each in value.items()}
    return value


_FORM_NAMES = (
    "shape", "dtype", "device", "layout", "ndim", "itemsize", "nbytes", "is_meta", "is_nested", "is_sparse", "is_cuda",
    "is_cpu", "is_mps", "is_quantized", "requires_grad", "grad", "grad_fn", "is_leaf",
)  # fmt: skip
_OF_THE_FORM = {
    *(getattr(Tensor, name).__get__ for name in _FORM_NAMES),
    Tensor.size, Tensor.dim, Tensor.ndimension, Tensor.numel, Tensor.nelement, Tensor.element_size, Tensor.__len__,
    Tensor.is_floating_point, Tensor.is_complex, torch.is_floating_point, torch.is_complex, torch.numel,
}  # fmt: skip
"""What torch answers from the shape and type alone."""
_SAME = {Tensor.detach, Tensor.cpu, Tensor.contiguous, torch.detach}
"""What leaves tokens in a store as they are."""


def in_blocks(values: Tensor, size: int | None = None) -> Iterator[tuple[slice, Tensor]]:
    """Yield all tokens (N, S, D), with the images that they are of: plain ones at once, those of a store by blocks.

    Args:
        values: the tokens.
        size: bytes of a block, about; None: BLOCK_BYTES.
    """
    count = values.shape[0]
    if not isinstance(values, StoredTensor):
        yield slice(0, count), values
        return
    each = max(1, values.shape[1] * values.shape[2] * values.dtype.itemsize)
    step = max(1, (BLOCK_BYTES if size is None else size) // each)
    step = max(values.block, step // values.block * values.block)
    for first in range(0, count, step):
        here = slice(first, min(first + step, count))
        yield here, values[here]
