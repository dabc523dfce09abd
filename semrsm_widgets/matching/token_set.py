"""Token sets as the matchers read them: checked once at the door, brought to a common scale, handed out in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from semrsm_widgets.common import cached_property, float64_home, message, read_numbers
from semrsm_widgets.tokens import StoredTensor, Tokens, in_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FLOAT32 = np.dtype(np.float32)  # in the byte order of the machine, as a comparison wants it
_CHUNK = 2**15
"""Numbers read at a time, in float64: few enough that torch starts no threads for them, which a busy machine makes
wait for each other longer than the work takes."""
LARGEST_PLAIN_NORM = 2.0**40
"""Squared norms up to this, and mean squares from its inverse, make products that float32 holds as they are."""
_LARGEST = 1e75
"""Above this the squared norms' products leave float64; below its inverse a token set counts as zero."""


_compiled: list[Any] = []
"""The compiled sums of squares and of tokens, once they are there."""


def use_compiled(squares: Any, sums: Any) -> None:
    """Have norms computed by squares(numbers, S D, least, most, out), means by sums(numbers, S, out)."""
    _compiled[:] = [squares, sums]


def read_array(name: str, value: Any) -> NDArray[Any]:
    """Return floating-point numbers as a finite float32 or float64 array; half precision is widened."""
    array, _ = read_numbers(name, value)
    if array.dtype.kind not in "fiu":
        raise TypeError(message(name, "real floating-point numbers", f"dtype {array.dtype}"))
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float32 if array.dtype == np.float16 else np.float64)
    if array.size and not (np.isfinite(array.min()) and np.isfinite(array.max())):
        raise ValueError(message(name, "finite", "NaN or infinity", "The solver would pass over it silently."))
    return array


@dataclass(frozen=True, eq=False)
class TokenSet:
    """N images' tokens, known to be finite, with what the solvers need to know of them.

    Attributes:
        values: (N, S, D) as given.
        exponents: (N,) int: image i is divided by 2**exponents[i] before its products, so that no scale overflows
            float32; 0 for all images of a common scale.
        sq_norms: (N,) float64 squared Frobenius norms.
        numbers: (N S D,) float32, the memory of `values` where they are multiplied as they are; else None.
    """

    values: torch.Tensor
    exponents: NDArray[np.int64]
    sq_norms: NDArray[np.float64]
    numbers: NDArray[np.float32] | None = None

    @classmethod
    def read(cls, name: str, value: Any) -> TokenSet:
        """Return the token set of `value`: Tokens, a tensor or an array (N, S, D).

        Raises:
            TypeError: not floating-point numbers.
            ValueError: not three axes, an empty axis, or an image holds NaN or infinity (the image and the layer are
                named).
        """
        if _compiled and is_plain(value):
            count, size, channels = value.shape
            numbers, sq_norms, each = value.reshape(-1), np.zeros(count), size * channels
            if _compiled[0](numbers, each, each / LARGEST_PLAIN_NORM, LARGEST_PLAIN_NORM, sq_norms):
                found = cls(torch.from_numpy(value), np.zeros(count, np.int64), sq_norms, numbers)
                vars(found)["shape"] = value.shape  # which it would ask the tensor for
                return found
        layer = value.layer if isinstance(value, Tokens) else ""
        values = as_tensor(name, value.values if isinstance(value, Tokens) else value)
        exponents, sq_norms = np.zeros(values.shape[0], np.int64), np.zeros(values.shape[0])
        plain = values.dtype == torch.float32 and values.is_cpu and not isinstance(values, StoredTensor)
        if _compiled and plain and values.is_contiguous():
            each = values.shape[1] * values.shape[2]
            numbers = values.numpy().reshape(-1)
            if _compiled[0](numbers, each, each / LARGEST_PLAIN_NORM, LARGEST_PLAIN_NORM, sq_norms):
                return cls(values, exponents, sq_norms, numbers)
        for here, part in _parts(values):
            sq_norms[here] = _square_sums(part)
            common = (sq_norms[here] >= part.shape[1] / LARGEST_PLAIN_NORM) & (sq_norms[here] <= LARGEST_PLAIN_NORM)
            if common.all():  # NaN and infinity are not
                continue
            peaks = np.maximum(part.max(1), -part.min(1))  # NaN wins: this finds what is not finite
            _refuse(name, layer, here.start, peaks)
            sq_norms[here][peaks < 1 / _LARGEST] = 0
            exponents[here] = np.where(common, 0, np.frexp(np.where(peaks < 1 / _LARGEST, 0, peaks))[1])
        return cls(values, exponents, sq_norms)

    @cached_property
    def means(self) -> NDArray[np.float64]:
        """(N, D) float64 mean tokens."""
        count, size, channels = self.shape
        means = np.zeros((count, channels))
        if _compiled and self.numbers is not None:  # no image of these is all zero
            _compiled[1](self.numbers, size, means)
            return means / size
        for here, part in _parts(self.values):
            means[here] = part.reshape(-1, size, channels).cumsum(1)[:, -1] / size  # in the order of the compiled ones
        means[self.sq_norms == 0] = 0
        return means

    def __len__(self) -> int:
        return len(self.sq_norms)  # of a tensor it takes longer than many a sum

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """(N, S, D); a tensor makes its shape anew each time that it is asked, which takes longer than many a sum."""
        count, size, channels = self.values.shape
        return count, size, channels

    @property
    def size(self) -> int:
        """S, the tokens of each image."""
        return self.shape[1]

    @property
    def channels(self) -> int:
        """D, the numbers of each token."""
        return self.shape[2]

    def part(self, images: slice | NDArray[np.int64]) -> TokenSet:
        """Return some of the images, in memory; half precision is widened, as it is for every product."""
        values, norms = self.values[images], self.sq_norms[images]
        values = values.float() if values.dtype.itemsize < 4 else values
        each = values.shape[1] * values.shape[2]
        common = bool(np.all((norms >= each / LARGEST_PLAIN_NORM) & (norms <= LARGEST_PLAIN_NORM)))
        as_they_are = common and values.dtype == torch.float32 and values.is_contiguous() and values.is_cpu
        numbers = values.numpy().reshape(-1) if _compiled and as_they_are else None
        return TokenSet(values, self.exponents[images], norms, numbers)

    def home(self, dtype: torch.dtype) -> torch.device:
        """Return where blocks of a type are: on the device of the tokens, if it has such numbers."""
        device = self.values.device
        return float64_home(device) if dtype == torch.float64 else device

    def block(self, images: slice | NDArray[np.int64], dtype: torch.dtype, rows: int) -> torch.Tensor:
        """Return some images' tokens (k, rows, D): of a scale that float32 holds, cast, zero-padded to `rows` tokens.

        They share the memory of `values` where nothing is to be done. They are on its device; float64 is on the CPU
        where the device has none.
        """
        part, home = self.values[images], self.home(dtype)
        scaled_down = self.exponents[images]
        if not scaled_down.any():
            part = part.to(home)
            same = part.to(dtype)
            return (same if rows == self.size else _padded(same, rows)).contiguous()
        kind = torch.float64 if dtype == torch.float64 or _outside(scaled_down) else torch.float32
        wide = part.to(self.home(kind)).to(kind)
        factors = torch.from_numpy(np.ldexp(1.0, -scaled_down)).to(kind).to(wide.device)  # exact
        scaled = (wide * factors[:, None, None]).to(dtype).to(home)
        return (scaled if rows == self.size else _padded(scaled, rows)).contiguous()


def check_comparable(x: TokenSet, y: TokenSet) -> None:
    """Refuse token sets whose channels or devices differ."""
    if x.channels != y.channels:
        todo = "Channels of different layers or models have no inner product: take both from the same layer."
        raise ValueError(
            message("y", f"tokens with the D of x {tuple(x.values.shape)}", str(tuple(y.values.shape)), todo)
        )
    if x.values.device != y.values.device:
        todo = "Move one of them: y.to(x.device)."
        raise ValueError(message("y", f"on the device of x, {x.values.device}", str(y.values.device), todo))


def is_plain(value: Any) -> bool:
    """Return whether tokens are an array like most: nothing else is to be asked of it, and its memory can be shared."""
    if type(value) is not np.ndarray or value.dtype != _FLOAT32 or value.ndim != 3 or not value.size:
        return False
    flags = value.flags
    return flags.writeable and flags.c_contiguous


def as_tensor(name: str, value: Any) -> torch.Tensor:
    """Return (N, S, D) floating-point numbers as a tensor that shares memory where it can."""
    if is_plain(value):
        return torch.from_numpy(value)
    if isinstance(value, torch.Tensor):
        if value.is_nested:
            todo = "Extract images of one size together, others apart."
            raise ValueError(message(name, "tokens (N, S, D), as many for each image", "a nested tensor", todo))
        tensor = value.detach()
        if tensor.layout != torch.strided:
            tensor = tensor.to_dense()
        if tensor.is_floating_point() and tensor.dtype.itemsize < 2:
            tensor = tensor.half()  # torch compares no 8-bit floats; every one of them is a half float, too
    else:
        array, _ = read_numbers(name, value)
        if array.dtype.kind != "f" or array.dtype.itemsize > 8:
            raise TypeError(
                message(
                    name,
                    "floating-point tokens (N, S, D)",
                    f"dtype {array.dtype}",
                    "Convert them: x.astype('float32').",
                )
            )
        native = array.astype(array.dtype.newbyteorder("="), copy=False)
        tensor = torch.from_numpy(
            native if native.flags.writeable and min((1, *native.strides)) >= 0 else native.copy()
        )
    if not tensor.is_floating_point():
        raise TypeError(
            message(name, "floating-point tokens (N, S, D)", f"dtype {tensor.dtype}", "Convert them: x.float().")
        )
    if tensor.device.type == "meta":
        raise ValueError(message(name, "tokens that hold numbers", "a tensor on the meta device"))
    if tensor.ndim != 3:
        shape = tuple(tensor.shape)
        todo = ""
        if tensor.ndim == 4:
            n, h, w, d = shape
            todo = f"Flatten the grid first: x.reshape({n}, {h * w}, {d})."
        elif tensor.ndim == 2:
            todo = "For one image write x[None]."
        raise ValueError(message(name, "tokens of shape (N, S, D)", str(shape), todo))
    if tensor.shape[1] == 0 or tensor.shape[2] == 0:
        raise ValueError(message(name, "tokens of shape (N, S, D) with S and D at least 1", str(tuple(tensor.shape))))
    return tensor


def _parts(values: torch.Tensor) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield a few images after another as float64 (k, S D), each in the memory of the last."""
    for here, block in in_blocks(values):
        for part, numbers in _parts_of(block):
            yield slice(here.start + part.start, here.start + part.stop), numbers


def _parts_of(values: torch.Tensor) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    count, numbers = values.shape[0], values.shape[1] * values.shape[2]
    step = max(1, _CHUNK // numbers)
    if count <= step:  # of few images, a copy is all that there is to do
        yield slice(0, count), values.reshape(count, numbers).cpu().double().numpy()
        return
    room = np.empty((min(step, count), numbers))
    shown = torch.from_numpy(room)
    for first in range(0, count, step):
        part = values[first : first + step]
        shown[: len(part)].view(part.shape).copy_(part.cpu())
        yield slice(first, first + len(part)), room[: len(part)]


def _square_sums(part: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums of the squares of (k, S D) numbers, in the order of the compiled ones: no bit differs."""
    squares = part * part
    whole = squares.shape[1] // 16 * 16
    lanes = squares[:, :whole].reshape(len(part), whole // 16, 16).sum(1)
    total = np.zeros(len(part))
    for column in (*lanes.T, *squares[:, whole:].T):
        total += column
    return total


def _padded(tokens: torch.Tensor, rows: int) -> torch.Tensor:
    return torch.nn.functional.pad(tokens, (0, 0, 0, rows - tokens.shape[1]))


def _refuse(name: str, layer: str, first: int, peaks: NDArray[np.float64]) -> None:
    """Raise if an image's largest magnitude is NaN, infinite or beyond what float64 products hold."""
    bad = np.flatnonzero(~(peaks <= _LARGEST))
    if not bad.size:
        return
    where = f"image {first + int(bad[0])}" + (f" at layer {layer!r}" if layer else "")
    peak = peaks[bad[0]]
    if np.isfinite(peak):
        raise ValueError(
            message(name, f"of magnitude below {_LARGEST:g}", f"{peak:g} in {where}", "Rescale the tokens.")
        )
    what = "NaN" if np.isnan(peak) else "infinity"
    todo = "Look for an overflow in half precision, or leave the image out."
    raise ValueError(message(name, "finite", f"{what} in {where}", todo))


def _outside(exponents: NDArray[np.int64]) -> bool:
    """Say whether float32 could not hold these tokens, or the factors that scale them."""
    return bool(exponents.size) and bool(np.abs(exponents).max() > 100)
