"""What a file for `semrsm run` may say: its tables and keys, each checked before anything is loaded."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from semrsm_widgets.common import (
    check_choice,
    check_flag,
    check_int,
    check_number,
    describe,
    home_expanded,
    message,
    suggest,
)

DTYPES = ("float16", "bfloat16", "float32")
PATHS = (("model", "weights"), ("images", "source"), ("store", "folder"), ("cluster", "scheduler_file"))
"""Tables and keys whose texts are paths."""
MOST_MEMORY_GIB = 2.0**30
ADDRESSES = ("tcp://", "tls://", "ucx://", "ws://", "wss://")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What is run.

    Attributes:
        model: arguments of `load_model`.
        device: where the model runs; None: where it is loaded.
        source: of the pictures, a path.
        skip_unreadable: whether pictures that cannot be decoded are left out.
        layers: names or patterns, how many, or None for the default.
        extraction: further arguments of `extract`, with `dtype` as a text.
        folder: path or URL of the folder that holds the stores.
        grams: whether matched Grams are made.
        gap: of the auction, in units of cosine similarity.
        memory: bytes for matching, on each machine.
        workers: processes of a cluster on this machine; None: none.
        scheduler: address of a Dask scheduler that is running; None: none.
        scheduler_file: path of the file in which a Dask scheduler says its address; None: none.
    """

    model: Mapping[str, Any]
    device: str | None
    source: str
    skip_unreadable: bool
    layers: str | int | list[str] | None
    extraction: Mapping[str, Any]
    folder: str
    grams: bool
    gap: float
    memory: int
    workers: int | None
    scheduler: str | None
    scheduler_file: str | None


@dataclass(frozen=True)
class _Key:
    """A key: `read(name, value)` checks and returns its value; one without a default must be there."""

    read: Callable[[str, Any], Any]
    default: Any = None
    required: bool = field(default=False, kw_only=True)


def read_config(path: Path) -> RunConfig:
    """Return what a file says, with paths that are relative to it.

    Raises:
        FileNotFoundError: there is none.
        ValueError, TypeError: it is no TOML, or a key is unknown, missing or wrong: file, table and key are named.
    """
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(message("CONFIG", "a file that exists", str(path), "Check the path.")) from None
    except OSError as error:
        raise OSError(f"{path.name} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, numbers of thousands of digits, too deep
        why = "tables or lists too deep" if isinstance(error, RecursionError) else error
        raise ValueError(f"{path.name} is no TOML: {why}. Texts stand in quotes, tables in [brackets].") from None
    try:
        found = _read_tables(given)
        _place_paths(found, path.absolute().parent)
    except (ValueError, TypeError) as error:
        raise type(error)(f"{path.name}: {error}") from None
    model, layers, matching, cluster = (found[name] for name in ("model", "layers", "matching", "cluster"))
    device, names = model.pop("device"), layers.pop("names")
    return RunConfig(
        model=model,
        device=device,
        source=found["images"]["source"],
        skip_unreadable=found["images"]["skip_unreadable"],
        layers=names,
        extraction=layers,
        folder=found["store"]["folder"],
        grams=found["store"]["grams"],
        gap=matching["gap"],
        memory=int(matching["memory_gib"] * 2**30),
        workers=cluster["workers"],
        scheduler=cluster["scheduler"],
        scheduler_file=cluster["scheduler_file"],
    )


def _place_paths(found: Mapping[str, dict[str, Any]], below: Path) -> None:
    """Have paths be seen from the file's folder; a URL stays as it is."""
    for table, key in PATHS:
        path = found[table][key]
        if path is None or "://" in path:
            continue
        if "\0" in path:  # which no file has in its name
            raise ValueError(message(f"{table}.{key}", "a path", describe(path)))
        found[table][key] = str(below / home_expanded(f"{table}.{key}", path))


def _read_tables(given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    for name, table in given.items():
        if name not in TABLES:
            what = "table" if isinstance(table, dict) else "key outside of a table"
            raise ValueError(f"[{name}] is no {what} that `semrsm run` knows. {suggest(name, TABLES)}")
        if not isinstance(table, dict):
            raise TypeError(message(name, "a table", describe(table), f"Write [{name}] and its keys below it."))
    found = {name: _read_table(name, given.get(name, {}), keys) for name, keys in TABLES.items()}
    named = [key for key, value in found["cluster"].items() if value is not None]
    if len(named) > 1:
        got = " and ".join(f"`{key}`" for key in named)
        raise ValueError(message("cluster", "one of `workers`, `scheduler` and `scheduler_file`", got))
    if "cluster" in given and not named:
        todo = 'Leave [cluster] out to match here, or write: workers = 4, or scheduler = "tcp://...".'
        raise ValueError(message("cluster", "a table of one key", "an empty one", todo))
    return found


def _read_table(table: str, given: Mapping[str, Any], keys: Mapping[str, _Key]) -> dict[str, Any]:
    for key in given:
        if key not in keys:
            raise ValueError(f"`{table}.{key}` is no key of [{table}]. {suggest(key, keys)}")
    found = {}
    for key, rule in keys.items():
        name = f"{table}.{key}"
        if key not in given:
            if rule.required:
                raise ValueError(f"`{name}` is missing: write [{table}] and below it {key} = ...")
            found[key] = rule.default
        else:
            found[key] = rule.read(name, given[key])
    return found


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise TypeError(message(name, "a text that is not empty", describe(value)))
    return value


def _whole(minimum: int) -> Callable[[str, Any], int]:
    return lambda name, value: check_int(name, value, minimum=minimum)


def _size(name: str, value: Any) -> int | tuple[int, int]:
    if not isinstance(value, list):
        return check_int(name, value, minimum=1)
    if len(value) != 2:
        raise ValueError(message(name, "a number of pixels, or [height, width]", describe(value)))
    height, width = (check_int(name, side, minimum=1) for side in value)
    return height, width


def _layers(name: str, value: Any) -> str | int | list[str]:
    if isinstance(value, str):
        return _text(name, value)
    if isinstance(value, int):
        return check_int(name, value, minimum=1)
    if not isinstance(value, list):
        raise TypeError(message(name, "a name, a pattern, a list of these, or how many layers", describe(value)))
    if not value:
        raise ValueError(message(name, "at least one name or pattern", "an empty list", "Leave it out for a choice."))
    return [_text(name, each) for each in value]


def _address(name: str, value: Any) -> str:
    text = _text(name, value)
    if not text.startswith(ADDRESSES):
        todo = "A file in which the scheduler says it: scheduler_file = ..."
        raise ValueError(message(name, 'an address such as "tcp://10.0.0.1:8786"', repr(text), todo))
    return text


TABLES: Mapping[str, Mapping[str, _Key]] = {
    "model": {
        "name": _Key(_text),
        "weights": _Key(_text),
        "pretrained": _Key(check_flag, True),
        "image_size": _Key(_size),
        "device": _Key(_text),
    },
    "images": {
        "source": _Key(_text, required=True),
        "skip_unreadable": _Key(check_flag, False),
    },
    "layers": {
        "names": _Key(_layers),
        "max_grid": _Key(_whole(1)),
        "batch_size": _Key(_whole(1), 16),
        "workers": _Key(_whole(0)),
        "dtype": _Key(lambda name, value: check_choice(name, value, DTYPES), "float16"),
    },
    "store": {
        "folder": _Key(_text, required=True),
        "grams": _Key(check_flag, True),
    },
    "matching": {
        "gap": _Key(lambda name, value: check_number(name, value, above=0, maximum=1), 1e-4),
        "memory_gib": _Key(lambda name, value: check_number(name, value, above=0, maximum=MOST_MEMORY_GIB), 1.0),
    },
    "cluster": {
        "workers": _Key(_whole(1)),
        "scheduler": _Key(_address),
        "scheduler_file": _Key(_text),
    },
}
"""What a file may say: [table], then key = value."""
