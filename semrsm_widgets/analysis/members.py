"""The members of a saved file, none of which is believed: names, sizes and types are checked before anything is read.

A file may come from anybody. It can run no code, as nothing is pickled; here it cannot fill the memory either, nor hand
on numbers that are none. `np.savez` compresses nothing, so no member is larger than the file.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import clipped, message, printable, shown_path, without_path

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SUFFIX = ".npy"
_ENCRYPTED = 0x1


@contextmanager
def field(path: Path, name: str) -> Iterator[None]:
    """Raise whatever goes wrong with a field as one ValueError that names file and field."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(error.errno, error.strerror, shown_path(path)) from None
    except Exception as error:  # zipfile, zlib, tokenize, NumPy, Pillow and json raise ten kinds over a damaged file
        if isinstance(error, ValueError) and error.args and str(error).startswith("`path`"):
            raise  # said already
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        reason = clipped(printable(said), 200)
        todo = "Give a file that analysis.save(path) wrote."
        got = f"{printable(path.name)}: {clipped(printable(name), 80)}: {reason}"
        raise ValueError(message("path", "a saved Analysis", got, todo)) from without_path(error)


class Members:
    """The arrays in a saved file, each of which is taken once; `finish` refuses what nobody took."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with field(path, "the file"):
            size = path.stat().st_size
            if not path.is_file():
                raise ValueError("it is no regular file")
            self._zip = zipfile.ZipFile(path)
            infos = self._zip.infolist()
            self._left = {info.filename: info for info in infos}
            if len(self._left) < len(infos):
                raise ValueError("a member that comes twice")
            if sum(info.file_size for info in infos) > size:
                raise ValueError("members larger than the file: compressed, or laid over one another")
            for info in infos:
                if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & _ENCRYPTED:
                    raise ValueError(f"{info.filename!r} is compressed or encrypted")

    def __enter__(self) -> Members:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def __contains__(self, name: str) -> bool:
        return name + _SUFFIX in self._left

    def array(self, name: str, kinds: str, shape: tuple[int | None, ...]) -> NDArray[Any]:
        """Return a member of a shape (None: any length) whose dtype is of some kinds, as `np.dtype.kind` has them."""
        with field(self.path, name):
            info = self._left.pop(name + _SUFFIX, None)
            if info is None:
                raise ValueError("it is missing")
            with self._zip.open(info) as file:
                version = np.lib.format.read_magic(file)
                read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
                if version not in read:
                    raise ValueError(f"an array of version {version}")
                has, fortran, dtype = read[version](file)
                if dtype.hasobject or dtype.kind not in kinds or (dtype.itemsize > 8 and dtype.kind != "U"):
                    raise ValueError(f"numbers of type {dtype}")
                if len(has) != len(shape) or any(w not in (None, h) for w, h in zip(shape, has, strict=True)):
                    raise ValueError(f"shape {has}, where {shape} belongs")
                count = 1
                for length in has:
                    count *= length
                if file.tell() + count * dtype.itemsize != info.file_size:
                    raise ValueError(f"{info.file_size} bytes, which an array {has} of {dtype} does not have")
                data = bytearray(file.read())  # to its end: the checksum is looked at there
            array = np.frombuffer(data, dtype).reshape(has, order="F" if fortran else "C")
            return np.ascontiguousarray(array.astype(dtype.newbyteorder("="), copy=False)).reshape(has)

    def numbers(self, name: str, shape: tuple[int | None, ...], *, infinite: bool = False) -> NDArray[np.float64]:
        """Return float64 numbers that are finite, or +inf where that is allowed."""
        array = self.array(name, "f", shape)
        with field(self.path, name):
            if array.dtype != np.float64:
                raise ValueError(f"numbers of type {array.dtype}, where float64 belongs")
            if not np.all(np.isfinite(array) | ((array == np.inf) if infinite else False)):
                raise ValueError("NaN or infinity")
        return array

    def header(self) -> Any:
        """Return the JSON value of the member `header`."""
        array = self.array("header", "U", ())
        with field(self.path, "header"):
            return json.loads(array.item())

    def finish(self) -> None:
        """Raise if anything is left."""
        if self._left:
            with field(self.path, "the file"):
                raise ValueError(f"{len(self._left)} members that do not belong: {next(iter(self._left))!r}")


def mapping(value: Any, required: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Any]:
    """Return a JSON object that has the required keys, perhaps the optional ones, and no others."""
    if not isinstance(value, dict):
        raise ValueError(f"{clipped(repr(value), 40)} where an object belongs")
    missing = set(required) - set(value)
    more = set(value) - set(required) - set(optional)
    if missing or more:
        raise ValueError(f"without {sorted(missing)}" if missing else f"with {clipped(repr(sorted(more)), 60)}")
    return value


def text(value: Any) -> str:
    """Return a text as one line that can be written anywhere."""
    if not isinstance(value, str):
        raise ValueError(f"{clipped(repr(value), 40)} where a text belongs")
    return printable(value)


def texts(value: Any, count: int | None = None) -> list[str]:
    """Return a list of texts, of a length if it is given."""
    if not isinstance(value, list) or (count is not None and len(value) != count):
        raise ValueError(f"{clipped(repr(value), 40)} where a list {'' if count is None else f'of {count} '}belongs")
    return [text(each) for each in value]


def truth(value: Any) -> bool:
    """Return a bool."""
    if not isinstance(value, bool):
        raise ValueError(f"{clipped(repr(value), 40)} where true or false belongs")
    return value


def counts(value: Any, length: int, minimum: int = 1) -> tuple[int, ...]:
    """Return a list of so many integers, none below a minimum."""
    if not isinstance(value, list) or len(value) != length:
        raise ValueError(f"{clipped(repr(value), 40)} where {length} integers belong")
    if any(isinstance(each, bool) or not isinstance(each, int) or each < minimum for each in value):
        raise ValueError(f"{clipped(repr(value), 40)} where integers >= {minimum} belong")
    return tuple(value)
