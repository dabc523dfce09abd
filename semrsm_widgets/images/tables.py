"""Tables of paths and labels: CSV as spreadsheets write it, mappings of columns, data frames of any package."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from semrsm_widgets.common import clipped, describe, home_expanded, listed, message, printable

from .entries import Entry, named, of_file
from .labels import Labels, label_set
from .pixels import Scale
from .sources import LABEL_KEYS, PICTURE_KEYS, MemorySource, as_picture, find_key, is_picture

TABLE_SUFFIXES = (".csv", ".tsv")
PATH = "path"
_DELIMITERS = (",", ";", "\t", "|")
_WIDE = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def from_csv(path: Path, *, labelled: bool) -> list[Entry]:
    """Return the rows of a .csv or .tsv file; relative paths start at its folder.

    Separated by commas, semicolons or tabs, as the first line shows; blanks around a cell are no part of it, rows of
    empty cells are passed over. UTF-8 with or without its mark, or UTF-16 with one.

    Raises:
        ValueError: another encoding, a broken quotation, a row that does not fit, a row without a path; the file and
            the row, counted as a spreadsheet does, are named.
    """
    lines = _records(path)
    header: list[str] = []
    rows: list[tuple[int, list[str]]] = []
    for number, cells in lines:
        if not any(cells):
            continue
        if not header:
            header = cells
        elif any(cells[len(header) :]):
            todo = "Put quotation marks around text with a comma in it."
            raise ValueError(_in_row(path, number, f"{len(header)} cells", f"{len(cells)}", todo))
        else:
            rows.append((number, cells))
    if not rows:
        raise ValueError(message("source", "a table with at least one row", repr(path.name)))
    columns = {name: [cells[k] if k < len(cells) else "" for _, cells in rows] for k, name in enumerate(header) if name}
    if len({name for name in header if name}) < len([name for name in header if name]):
        raise ValueError(message("source", "a table with a name for each column", f"{listed(header)} in {path.name!r}"))
    numbers = [number for number, _ in rows]
    return from_table(
        columns, path.parent, labelled=labelled, row_name=lambda k: f"{printable(path.name)}, row {numbers[k]}"
    )


def from_table(
    table: Any,
    folder: Path,
    *,
    labelled: bool,
    scale: Scale | None = None,
    row_name: Callable[[int], str] = lambda k: f"row {k + 1}",
) -> list[Entry]:
    """Return the rows of a mapping of columns or a data frame; relative paths start at `folder`.

    Args:
        table: with a column `path`, or `image` with pictures in it, and perhaps `label`.
        folder: where relative paths start.
        labelled: whether labels are wanted.
        scale: for pictures in the table.
        row_name: what a row is called in errors.
    """
    names = _names(table)
    key = find_key(names, (PATH, *PICTURE_KEYS))
    if key is None:
        expected = "a table with a column 'path' (and perhaps 'label')"
        raise ValueError(message("source", expected, f"the columns {listed(names) or 'none'}"))
    cells = _column(table, key)
    label_key = find_key([name for name in names if name != key], LABEL_KEYS)
    labels: Sequence[Any] = _column(table, label_key) if labelled and label_key is not None else [None] * len(cells)
    if len(labels) != len(cells):
        raise ValueError(message("source", "columns of one length", f"{len(cells)} pictures and {len(labels)} labels"))
    known = labelled and label_key is not None
    entries = []
    for k, (cell, label) in enumerate(zip(cells, labels, strict=True)):
        what = label_set(label, image=_shown(cell, k)) if known else None
        entries.append(_entry(cell, what, folder, row_name(k), str(key), scale))
    return named(entries, folder)


def is_table(source: Any) -> bool:
    """Return whether a value has named columns."""
    return isinstance(source, Mapping) or (hasattr(source, "columns") and hasattr(source, "__getitem__"))


def _entry(cell: Any, labels: Labels | None, folder: Path, row: str, column: str, scale: Scale | None) -> Entry:
    """Return the picture of a cell: a path, or the picture itself."""
    if is_picture(cell) or isinstance(cell, Mapping):
        as_picture(cell, row, scale)  # what is none is an error of the call, not of a later one
        return Entry("", MemorySource(row, cell, scale), labels)
    if not isinstance(cell, str | os.PathLike) or (isinstance(cell, str) and not cell.strip()):
        got = "nothing" if cell is None or cell == "" or cell != cell else describe(cell)
        raise ValueError(message(row, f"a picture's path under {column!r}", got, "Fill it in, or delete the row."))
    if isinstance(cell, str) and "://" in cell:
        return of_file(cell, labels)
    return of_file(folder / home_expanded(row, cell), labels)


def _shown(cell: Any, k: int) -> str:
    return printable(Path(cell).name) if isinstance(cell, str | os.PathLike) else str(k)


def _names(table: Any) -> list[Any]:
    """Return the names of the columns; pyarrow has the columns themselves under `columns`."""
    if hasattr(table, "column_names"):
        return list(table.column_names)
    return list(table.columns if hasattr(table, "columns") else table)


def _column(table: Any, name: Any) -> list[Any]:
    column = table[name]
    if hasattr(column, "columns"):
        raise ValueError(message("source", f"a table with one column {str(name)!r}", "several of that name"))
    if isinstance(column, str | bytes) or not isinstance(column, Iterable):
        got = describe(column)
        raise TypeError(message(f"source[{str(name)!r}]", "a column: a list with a cell for each picture", got))
    return list(column.to_pylist() if hasattr(column, "to_pylist") else column)


def _records(path: Path) -> list[tuple[int, list[str]]]:
    """Return the rows of a file with their numbers from 1, as a spreadsheet counts; cells without outer blanks."""
    text = _text(path)
    first = next(iter(text.splitlines(keepends=True)), "")
    declared = first.strip().lower()
    offset = 1
    if declared.startswith("sep=") and len(declared) == len("sep=") + 1:  # how a spreadsheet is told the separator
        delimiter, text, offset = declared[-1], text[len(first) :], 2
    else:
        delimiter = _delimiter(first)
    # A file is read whole or not at all: cells may be as long as it is.
    before = csv.field_size_limit(max(len(text), csv.field_size_limit()))
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True):
            rows.append([cell.strip() for cell in row])
    except csv.Error as error:
        todo = "A quotation mark within a cell is written twice."
        raise ValueError(_in_row(path, len(rows) + offset, "a row of cells", clipped(str(error)), todo)) from error
    finally:
        csv.field_size_limit(before)
    return [(k + offset, row) for k, row in enumerate(rows)]


def _delimiter(header: str) -> str:
    """Return what separates the cells of a file: that by which its first line has a column of pictures."""
    for delimiter in _DELIMITERS:
        names = [name.strip(' "\r\n') for name in header.split(delimiter)]
        if len(names) > 1 and find_key(names, (PATH, *PICTURE_KEYS)) is not None:
            return delimiter
    return max(_DELIMITERS, key=header.count)


def _text(path: Path) -> str:
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe would be waited for
        raise ValueError(message("source", "a table in a file", f"{printable(path.name)!r}, which is none"))
    content = path.read_bytes()
    encoding = _WIDE.get(content[:2], "utf-8-sig")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        got = f"the byte 0x{content[error.start]:02x}, which is no {encoding.removesuffix('-sig').upper()}"
        todo = "Save it again as 'CSV UTF-8'."
        raise ValueError(_in_row(path, row, "text in UTF-8", got, todo)) from error
    if "\0" in text:
        todo = "It seems to be UTF-16 without its mark. Save it again as 'CSV UTF-8'."
        raise ValueError(message("source", "text in UTF-8", f"zero bytes in {path.name!r}", todo))
    return text


def _in_row(path: Path, row: int, expected: str, got: str, todo: str) -> str:
    return message(f"{printable(path.name)}, row {row}", expected, got, todo)
