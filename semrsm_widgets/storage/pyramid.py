"""An overview of a large matrix in a store: of ever larger squares of pairs, the mean, the extremes and how many count.

What is reduced are values of a kernel, not products: the mean of cosines is no function of the mean product, as each
pair has norms of its own. So each kernel has a pyramid of its own, made tile by tile as tiles are written (cosine), or
from the tiles when it is first asked for. Level k has cells of 2^k x 2^k pairs. A file (chunk) of the first level is
one tile's, so that whoever writes the tile can write it; one of a level above is made of four below it, once they are
there. A chunk that is there was made of chunks that are there: what is missing is found from the top.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from semrsm_widgets.common import Memo, Progress

from .places import Place

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .gram_form import GramForm

PYRAMIDS = "overview"
SPREAD, TOTAL = "spread", "total"
PLANES = 4
BINS = 1024
"""Of the distribution of values, between the least and the largest that a kernel can have."""
TOP_CELLS = 256
"""There is no level above one of so many cells a side."""
ALIGNED_SIDE = 256
"""Pairs a side of a chunk of the first level, where the tiles' own side is no power of two."""
RECENT_CHUNKS = 128
"""That were read last, and are kept: 32 MiB of 128 x 128 cells, as where one moves about nearly all are there."""
Values = Callable[[slice, slice], "NDArray[np.float64]"]
"""Returns the kernel's values (n, m) of some rows and columns, NaN for pairs that do not count."""


class Cells(NamedTuple):
    """Squares of pairs: (n, m) arrays.

    Attributes:
        mean: of the pairs that count; NaN where none does.
        low: the least of them.
        high: the largest.
        pairs: how many count: not an image with itself, nor one that was removed.
    """

    mean: NDArray[Any]
    low: NDArray[Any]
    high: NDArray[Any]
    pairs: NDArray[Any]

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Cells:
        """Return single pairs as cells."""
        return cls(values, values, values, (~np.isnan(values)).astype(np.float64))

    def halved(self) -> Cells:
        """Return cells of twice the side; the last row and column may hold fewer."""
        n, m = self.mean.shape
        room = ((0, n % 2), (0, m % 2))
        mean, low, high = (np.pad(each, room, constant_values=np.nan) for each in self[:3])
        count = np.pad(self.pairs, room)
        total, counts = (_summed(each) for each in (np.where(count > 0, mean, 0) * count, count))
        with np.errstate(invalid="ignore"):
            means = total / counts
        return Cells(means, _combined(np.fmin, low), _combined(np.fmax, high), counts)

    def transposed(self) -> Cells:
        """Return the cells of columns with rows."""
        return Cells(*(each.T for each in self))


class Pyramid:
    """The levels of one kernel's values over a Gram in a store.

    Args:
        place: the store of the Gram.
        name: of the kernel.
        form: of the Gram.
        limits: the least and the largest value that the kernel can have, for the distribution.
    """

    def __init__(self, place: Place, name: str, form: GramForm, limits: tuple[float, float]) -> None:
        self.form, self.limits = form, limits
        self._store, self._path = place, f"{PYRAMIDS}/{name}"
        block = form.block
        self.side = block if block > 1 and block & (block - 1) == 0 else ALIGNED_SIDE
        self._arrays: dict[str, Any] = {}
        self._recent: Memo[tuple[int, int, int], Cells] = Memo(keep=RECENT_CHUNKS)

    @property
    def is_aligned(self) -> bool:
        """Whether a tile is a chunk of the first level: it can be put when it is written."""
        return self.side == self.form.block

    @property
    def levels(self) -> int:
        """How many there are; the cells of the last one fit on a screen."""
        longest, levels = max(self.form.shape), 1
        while -(-longest // 2**levels) > TOP_CELLS:
            levels += 1
        return levels

    @property
    def is_empty(self) -> bool:
        """Whether there are no pairs."""
        return 0 in self.form.shape

    def make(self) -> bool:
        """Have the arrays ready, and return whether they are new; those of a Gram that has grown grow."""
        group = self._store.group.require_group(self._path)
        is_new = SPREAD not in group
        blocks = [-(-count // self.side) for count in self.form.shape]
        self._array(group, SPREAD, (*blocks, BINS), (1, 1, BINS), "int32", 0)
        self._array(group, TOTAL, (BINS,), (BINS,), "int64", -1)
        for level in range(1, self.levels + 1):
            shape = (PLANES, *(-(-count // 2**level) for count in self.form.shape))
            cells = self.side // 2
            self._array(group, _name(level), shape, (PLANES, cells, cells), "float32", float("nan"))
        return is_new

    def _array(
        self, group: Any, name: str, shape: tuple[int, ...], chunks: tuple[int, ...], dtype: str, fill: float
    ) -> None:
        from zarr.codecs import Crc32cCodec, ZstdCodec

        if name not in group:
            codecs = [ZstdCodec(level=1), Crc32cCodec()]
            group.create_array(name, shape=shape, chunks=chunks, dtype=dtype, fill_value=fill, compressors=codecs)
        elif group[name].shape != shape:
            group[name].resize(shape)
        self._arrays.pop(name, None)

    def _open(self, name: str) -> Any:
        if name not in self._arrays:
            self._arrays[name] = self._store.group[f"{self._path}/{name}"]
        return self._arrays[name]

    # -- writing ------------------------------------------------------------------------------------------------

    def begin(self, tiles: Iterable[tuple[int, int]]) -> None:
        """Forget what is above and of some tiles, which are going to be written; by the one writer, before they are."""
        if self.is_empty or self.make():
            return
        places = {self._place(*tile) for tile in tiles} if self.is_aligned else set(self._chunks(1))
        self._open(TOTAL)[:] = -1
        for level in range(self.levels, 0, -1):  # from the top: a killed call leaves nothing that is thought whole
            for a, b in {(a >> (level - 1), b >> (level - 1)) for a, b in places}:
                here = self._region(level, a, b)
                self._open(_name(level))[(slice(None), *here)] = np.nan

    def put(self, top: int, left: int, values: NDArray[np.float64]) -> Cells:
        """Keep the first level of a tile, from the values of its pairs; two who put the same tile do no harm."""
        a, b = self._place(top, left)
        on_diagonal = self.form.symmetric and a == b
        counted = values[np.triu_indices(len(values), 1)] if on_diagonal else values
        if on_diagonal:
            values = values.copy()
            np.fill_diagonal(values, np.nan)
        spread = np.histogram(counted, BINS, self.limits)[0]  # leaves out NaN
        self._keep(SPREAD, (a, b), spread, self._images(1, a, b))
        return self._write(1, a, b, Cells.of(values).halved())

    def complete(self, values: Values, progress: Callable[[int, int], None]) -> None:
        """Make what is missing.

        Args:
            values: gives the values of pairs whose first level is missing.
            progress: called with (chunks of the first level done, in all); may raise to stop: what is made stays.
        """
        if self.is_empty:
            return
        self.make()
        total = len(list(self._chunks(1)))
        seen = 0

        def chunk(level: int, a: int, b: int) -> Cells:
            nonlocal seen
            if self.form.symmetric and a > b:
                return chunk(level, b, a).transposed()
            found = self._read(level, self._region(level, a, b))
            if level == 1:
                progress(min(seen, total), total)
                seen += 1
            if not np.isnan(found.pairs).all():
                return found
            if level == 1:
                rows, columns = self._images(1, a, b)
                return self.put(rows.start, columns.start, values(rows, columns))
            rows_of, columns_of = (
                [k for k in (2 * place, 2 * place + 1) if k * self.side * 2 ** (level - 2) < count]
                for place, count in zip((a, b), self.form.shape, strict=True)
            )
            below = [[chunk(level - 1, i, j) for j in columns_of] for i in rows_of]
            whole = Cells(*(np.block([[each[k] for each in row] for row in below]) for k in range(PLANES)))
            return self._write(level, a, b, whole.halved())

        for a, b in self._chunks(self.levels):
            chunk(self.levels, a, b)
        if self._open(TOTAL)[0] < 0:
            self._open(TOTAL)[:] = self._counted()
        progress(total, total)

    # -- reading ------------------------------------------------------------------------------------------------

    def is_complete(self) -> bool:
        """Return whether all levels are there."""
        if self.is_empty:
            return True
        name = f"{self._path}/{_name(self.levels)}"
        if name not in self._store.group:
            return False
        array = self._store.group[name]
        if array.shape[1:] != tuple(-(-count // 2**self.levels) for count in self.form.shape):
            return False
        self._arrays.pop(_name(self.levels), None)
        return not any(
            np.isnan(self._read(self.levels, self._region(self.levels, a, b)).pairs).all()
            for a, b in self._chunks(self.levels)
        )

    def read(self, level: int, rows: slice, columns: slice) -> Cells:
        """Return some cells of a level.

        Raises:
            ValueError: some of them are damaged or gone.
        """
        cells = self.side // 2
        found = Cells(*np.empty((PLANES, rows.stop - rows.start, columns.stop - columns.start), np.float32))
        wanted = [
            (a, b)
            for a in range(rows.start // cells, -(-rows.stop // cells))
            for b in range(columns.start // cells, -(-columns.stop // cells))
        ]
        chunks = self._chunks_at(level, wanted)
        for (a, b), chunk in chunks.items():
            here, there = zip(_overlap(rows, a * cells, cells), _overlap(columns, b * cells, cells), strict=True)
            for plane, own in zip(found, chunk, strict=True):
                plane[here] = own[there]
        return found

    def _chunks_at(self, level: int, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Cells]:
        """Return some chunks of a level, of those that were read last without reading them; mirrored where it must be.

        What is to be read is read at once where it lies together: a call for each chunk takes twice as long.
        """
        own = {(min(a, b), max(a, b)) if self.form.symmetric else (a, b) for a, b in wanted}
        missing = {each for each in own if (level, *each) not in self._recent}
        held: dict[tuple[int, int], Cells] = {}
        if missing:
            tops, lefts = (sorted(each) for each in zip(*missing, strict=True))
            area = range(tops[0], tops[-1] + 1), range(lefts[0], lefts[-1] + 1)
            if len(area[0]) * len(area[1]) <= 2 * len(missing):
                held = self._read_chunks(level, *area)
        found = {}
        for a, b in wanted:
            key = (min(a, b), max(a, b)) if self.form.symmetric else (a, b)
            if key in missing and key in held:
                chunk = held[key]
                if np.isnan(chunk.pairs).any():
                    raise self._damaged(level)
                self._recent.put((level, *key), chunk)
            else:
                chunk = self._recent.get((level, *key), partial(self._whole_chunk, level, key))
            found[a, b] = chunk if key == (a, b) else chunk.transposed()
        return found

    def _read_chunks(self, level: int, rows: range, columns: range) -> dict[tuple[int, int], Cells]:
        """Return chunks that lie together, NaN where there is none; nothing where one of them is damaged."""
        first, last = self._region(level, rows[0], columns[0]), self._region(level, rows[-1], columns[-1])
        try:
            whole = self._read(level, (slice(first[0].start, last[0].stop), slice(first[1].start, last[1].stop)))
        except OSError:
            raise
        except Exception:  # which one it is says reading each
            return {}
        found = {}
        for a in rows:
            for b in columns:
                own = self._region(level, a, b)
                here = tuple(
                    slice(each.start - begin.start, each.stop - begin.start)
                    for each, begin in zip(own, first, strict=True)
                )
                found[a, b] = Cells(*(plane[here].copy() for plane in whole))
        return found

    def _whole_chunk(self, level: int, key: tuple[int, int], _: Progress) -> Cells:
        try:
            found = self._read(level, self._region(level, *key))
        except OSError:  # a disk that fails is no damaged file
            raise
        except Exception as error:  # whatever the bytes that stand there lead to
            raise self._damaged(level, f" ({type(error).__name__})") from None
        if np.isnan(found.pairs).any():
            raise self._damaged(level)
        return found

    def _damaged(self, level: int, why: str = "") -> ValueError:
        text = f"The overview in {self._store.label!r} is damaged or gone at its level {level}{why}."
        return ValueError(f"{text} Remove {self._path!r} there: it is made anew from the tiles.")

    def spread(self) -> NDArray[np.int64]:
        """Return (BINS,) how many pairs lie in each part of the range between the limits; each pair counts once."""
        total: NDArray[np.int64] = self._open(TOTAL)[:]  # a file a tile takes its time
        return total if total[0] >= 0 else self._counted()

    def _counted(self) -> NDArray[np.int64]:
        found: NDArray[np.int64] = self._open(SPREAD)[:].sum((0, 1), dtype=np.int64)
        return found

    def _read(self, level: int, region: tuple[slice, slice]) -> Cells:
        return Cells(*self._open(_name(level))[(slice(None), *region)])

    def _write(self, level: int, a: int, b: int, cells: Cells) -> Cells:
        self._recent = Memo(keep=RECENT_CHUNKS)
        planes = np.stack(cells).astype(np.float32)
        self._keep(_name(level), (slice(None), *self._region(level, a, b)), planes, self._images(level, a, b))
        return Cells(*planes)

    def _keep(self, name: str, where: Any, values: NDArray[Any], images: tuple[slice, slice]) -> None:
        try:
            self._open(name)[where] = values
        except OSError as error:
            raise self._store.full(error, *images) from None

    def _images(self, level: int, a: int, b: int) -> tuple[slice, slice]:
        side = self.side * 2 ** (level - 1)
        rows, columns = (
            slice(k * side, min((k + 1) * side, count)) for k, count in zip((a, b), self.form.shape, strict=True)
        )
        return rows, columns

    def _place(self, top: int, left: int) -> tuple[int, int]:
        return top // self.side, left // self.side

    def _chunks(self, level: int) -> Iterator[tuple[int, int]]:
        rows, columns = (-(-count // (self.side * 2 ** (level - 1))) for count in self.form.shape)
        for a in range(rows):
            for b in range(a if self.form.symmetric else 0, columns):
                yield a, b

    def _region(self, level: int, a: int, b: int) -> tuple[slice, slice]:
        cells = self.side // 2
        rows, columns = (
            slice(k * cells, min((k + 1) * cells, -(-count // 2**level)))
            for k, count in zip((a, b), self.form.shape, strict=True)
        )
        return rows, columns


def _overlap(wanted: slice, first: int, count: int) -> tuple[slice, slice]:
    """Return where the part of a chunk that is wanted lies in what is wanted, and in the chunk."""
    start, stop = max(wanted.start, first), min(wanted.stop, first + count)
    return slice(start - wanted.start, stop - wanted.start), slice(start - first, stop - first)


def _name(level: int) -> str:
    return f"level-{level}"


def _quarters(plane: NDArray[Any]) -> list[NDArray[Any]]:
    return [plane[i::2, j::2] for i in (0, 1) for j in (0, 1)]


def _summed(plane: NDArray[Any]) -> NDArray[Any]:
    one, two, three, four = _quarters(plane)
    total: NDArray[Any] = (one + two) + (three + four)
    return total


def _combined(choose: np.ufunc, plane: NDArray[Any]) -> NDArray[Any]:
    one, two, three, four = _quarters(plane)
    found: NDArray[Any] = choose(choose(one, two), choose(three, four))
    return found
