"""Tiles matched by the workers of a Dask cluster.

The scheduler sees which images to match; each worker reads their tokens from the store. What it finds, two numbers a
pair, comes back to the process that called, which writes it: so a store has one writer, who holds its lock and writes
each tile once, whole, and of two workers who both matched a tile (one was thought lost) one is heard. Workers need to
see the tokens' store only, and that only to read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from queue import Empty, SimpleQueue
from secrets import token_hex
from socket import gethostname
from time import monotonic
from typing import TYPE_CHECKING, Any

from semrsm_widgets.common import Meter, __version__, describe, listed, message, optional
from semrsm_widgets.matching import Auction, Matcher, Products, TokenSet
from semrsm_widgets.storage import PartAddress, StoredPart
from semrsm_widgets.tokens import StoredTensor

from .tiles import Keep, Tile, match_tile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DECIDE_BITS = ("numba", "numpy", "torch")
"""Packages of which another version may give other last bits."""
_AHEAD = 2
"""Tiles for each thread of the workers that are submitted: one is matched while the last is on its way back."""
_POLL_SECONDS = 0.2
_COUNTED_EVERY = 5.0


@dataclass(frozen=True)
class TileTask:
    """What a worker is told of a tile.

    Attributes:
        matcher: what matches.
        tile: which images of either side; of the stores, once it is sent.
        sides: where the tokens of x are, and those of y.
        expected: the SHA-256 of the checksums of these images' tokens.
        memory: bytes that may be held besides the tokens.
        versions: of the packages of the caller.
    """

    matcher: Matcher
    tile: Tile
    sides: tuple[PartAddress, PartAddress]
    expected: str
    memory: int
    versions: dict[str, str]


def check_client(client: Any) -> None:
    """Refuse what is no Dask client that is connected.

    Raises:
        ImportError: Dask is not installed.
        TypeError: it is something else, or an asynchronous client.
        ValueError: it is closed.
    """
    distributed = optional("distributed", "scale")
    if not isinstance(client, distributed.Client):
        raise TypeError(message("client", "None or a dask.distributed.Client", describe(client)))
    if client.asynchronous:
        raise TypeError(message("client", "a client that waits", "an asynchronous one", "Make it: Client(address)."))
    if client.status not in ("running", "connecting"):
        raise ValueError(message("client", "one that is connected", f"one that is {client.status}", "Make another."))


def match_on_workers(
    client: Any,
    matcher: Matcher,
    left: TokenSet,
    right: TokenSet,
    tiles: Sequence[Tile],
    total: int,
    memory: int,
    meter: Meter,
    keep: Keep,
) -> None:
    """Match some tiles on the workers of a client, and hand each on when it is done; `total` pairs are to be there.

    A tile whose worker was lost is matched by another one, as Dask does it; what fails otherwise, fails.

    Raises:
        ValueError: the tokens are in no store that others can open, or workers have other versions or do not see it.
        ConnectionError: the client was closed, or its scheduler is gone.
        RuntimeError: workers die of a tile again and again; its images are named.
    """
    done = total - sum(tile.pairs for tile in tiles)
    meter(done, total)
    if not tiles:
        return
    (x, x_address), (y, y_address) = _stored("x", left), _stored("y", right)
    sides, versions = (x_address, y_address), own_versions()
    _check_workers(client, sides, (_digest(x.digests), _digest(y.digests)), versions)
    if isinstance(matcher, Auction) and matcher.threads is None:
        matcher = replace(matcher, threads=1)  # Dask gives each thread of a worker a tile
    rows, columns = _images(left), _images(right)

    def task_of(tile: Tile) -> TileTask:
        there = [replace(part, rows=rows[part.rows], columns=columns[part.columns]) for part in tile.parts]
        sent = Tile(tile.top, tile.first, tuple(there))
        return TileTask(matcher, sent, sides, _checksum(sent, x, y), memory, versions)

    with _Submitted(client) as submitted:
        coming: Iterator[Tile] = iter(tiles)
        while True:
            while submitted.wants_more and (tile := next(coming, None)) is not None:
                submitted.add(tile, task_of(tile))
            if not submitted.running:
                break
            for tile, found in submitted.arrived():
                done += tile.pairs
                keep(tile, found)
                meter(done, total)
            meter(done, total)  # also where nothing came: the callback may cancel


class _Submitted:
    """The tiles that workers have; a context, on leaving which nothing is left with them."""

    def __init__(self, client: Any) -> None:
        self._client, self._run = client, token_hex(4)
        self.running: dict[Any, Tile] = {}
        self._ended: SimpleQueue[Any] = SimpleQueue()
        self._most, self._counted = 0, -_COUNTED_EVERY

    def __enter__(self) -> _Submitted:
        return self

    def __exit__(self, *_: object) -> None:
        if self.running:
            with suppress(Exception):  # a client that is gone has nothing to cancel
                self._client.cancel(list(self.running), force=True)
            self.running.clear()

    @property
    def wants_more(self) -> bool:
        """Whether workers could run out of tiles; how many there are is asked now and then."""
        if monotonic() > self._counted + _COUNTED_EVERY:
            self._check()
            self._most = _AHEAD * max(1, sum(self._client.nthreads().values()))
            self._counted = monotonic()
        return len(self.running) < self._most

    def add(self, tile: Tile, task: TileTask) -> None:
        """Have a worker match a tile."""
        self._check()
        key = f"semrsm-tile-{self._run}-{tile.top}-{tile.first}"
        future = self._client.submit(match_remotely, task, key=key, pure=False)
        self.running[future] = tile
        future.add_done_callback(self._ended.put)

    def arrived(self) -> Iterator[tuple[Tile, list[Products]]]:
        """Yield what has come, waiting a moment for it."""
        with suppress(Empty):
            future = self._ended.get(timeout=_POLL_SECONDS)
            while True:
                tile = self.running.get(future)
                if tile is not None:
                    found = self._result(future, tile)
                    del self.running[future]
                    yield tile, found
                future = self._ended.get_nowait()
        self._check()

    def _result(self, future: Any, tile: Tile) -> list[Products]:
        """Return what a worker found, or raise what it raised; the tile's images are named."""
        if future.status == "cancelled":
            raise self._gone()
        try:
            if future.status == "error":
                raise future.exception()
            # straight from the worker, unless the client was told to have the scheduler hand it on
            found: list[Products] = self._client.gather(future, direct=self._client.direct_to_workers is not False)
            return found
        except Exception as error:
            name = type(error).__name__
            if self._client.status != "running" or name == "FutureCancelledError":
                raise self._gone() from error
            if name == "CommClosedError":  # it asked the scheduler where the result is; its status says so later
                raise self._gone("lost its connection") from error
            if name == "KilledWorker":
                todo = "Give workers more memory, or pass a smaller memory= and another store."
                text = f"Workers died again and again while they matched {tile}, most likely for want of memory. {todo}"
                raise RuntimeError(text) from error
            error.add_note(f"(in {tile}, on a worker)")
            raise

    def _check(self) -> None:
        if self._client.status != "running":
            raise self._gone()

    def _gone(self, what: str = "") -> ConnectionError:
        status = self._client.status
        what = what or ("was restarted, or its tasks were cancelled" if status == "running" else f"is {status}")
        todo = "Make another client, and call again."
        return ConnectionError(f"`client` {what}: it was closed, or its scheduler stopped. What is done stays. {todo}")


def own_versions() -> dict[str, str]:
    """Return the versions of what decides the bits of a result, as this process has them."""
    found = {"semrsm_widgets": __version__}
    for name in DECIDE_BITS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


def match_remotely(task: TileTask) -> list[Products]:
    """Return the products of a tile; this runs on a worker."""
    if differing := _other_versions(task.versions):
        raise RuntimeError(f"the worker on {gethostname()} has {differing}")
    left, right = _opened(task.sides, anew=False)
    if _checksum(task.tile, left, right) != task.expected:  # it may have grown since
        left, right = _opened(task.sides, anew=True)
    if _checksum(task.tile, left, right) != task.expected:
        where = " and ".join(dict.fromkeys(f"{side.store!r}" for side in task.sides))
        raise ValueError(f"the worker on {gethostname()} sees other tokens at {where} than the caller")

    def reader(part: StoredPart) -> Any:
        def take(images: NDArray[np.int64]) -> TokenSet:
            return TokenSet.read(part.label, part.read(images)).part(slice(0, len(images)))

        return take

    return match_tile(task.matcher, task.tile, reader(left), reader(right), task.memory)


def seen_from_here(sides: tuple[PartAddress, PartAddress], expected: Sequence[str], versions: dict[str, str]) -> str:
    """Return what keeps this worker from matching, in words; empty if nothing does."""
    if differing := _other_versions(versions):
        return differing
    for side, digest in zip(sides, expected, strict=True):
        try:
            if _digest(side.open().digests) != digest:
                return f"sees other tokens at {side.store!r}"
        except FileNotFoundError as error:
            return f"does not see the store: {error}"
    return ""


def _check_workers(
    client: Any, sides: tuple[PartAddress, PartAddress], expected: tuple[str, str], versions: dict[str, str]
) -> None:
    """Ask all workers that are there whether they can match; those that come later are asked with their first tile.

    One that goes meanwhile is Dask's to replace: what keeps it from matching is not known.
    """
    asked = client.run(seen_from_here, sides, expected, versions, on_error="return")
    answers = {worker: answer for worker, answer in asked.items() if type(answer).__name__ != "CommClosedError"}
    faults: dict[str, list[str]] = {}
    for worker, answer in answers.items():
        if isinstance(answer, Exception):
            here = f"here semrsm_widgets {versions['semrsm_widgets']}"
            answer = f"cannot run this version of the package ({here}): {type(answer).__name__}: {answer}"
        if answer:
            faults.setdefault(answer, []).append(worker)
    if faults:
        (fault, workers), *_ = faults.items()
        if fault.startswith(("has ", "cannot run")):
            expected_words, todo = "one whose workers have the same packages as here", "Install the same everywhere."
        else:
            expected_words = "one whose workers see the tokens' store"
            todo = "Put it where all machines find it under one path, or pass a URL."
        got = f"{len(workers)} of {len(answers)} workers that cannot: {listed(workers, 2)} {fault}"
        raise ValueError(message("client", expected_words, got, todo))


def _other_versions(wanted: dict[str, str]) -> str:
    """Return which packages are of other versions here than there, in words."""
    here = own_versions()
    words = [f"{name} {here[name]}, not {wanted[name]}" for name in here if here[name] != wanted.get(name)]
    return f"has {' and '.join(words)}" if words else ""


def _stored(name: str, tokens: TokenSet) -> tuple[StoredPart, PartAddress]:
    """Return where tokens are stored, or refuse those that no worker can read."""
    values = tokens.values
    source = values.source if isinstance(values, StoredTensor) else None
    if isinstance(source, StoredPart) and (address := source.address()) is not None:
        return source, address
    todo = "Write them: extract(..., store=...), then open_tokens(store), where all workers can read it."
    got = "tokens in memory" if source is None else "a store in memory"
    raise ValueError(message(name, "tokens in a store that workers can open, for a client", got, todo))


def _images(tokens: TokenSet) -> NDArray[np.int64]:
    """Return which images of a store tokens are of."""
    assert isinstance(tokens.values, StoredTensor)
    return tokens.values.images


def _checksum(tile: Tile, left: StoredPart, right: StoredPart) -> str:
    """Return the SHA-256 of the checksums of a tile's images."""
    digest = hashlib.sha256()
    for part in tile.parts:
        digest.update(left.digests[part.rows].tobytes() + right.digests[part.columns].tobytes())
    return digest.hexdigest()


def _digest(digests: NDArray[np.uint8]) -> str:
    return hashlib.sha256(digests.tobytes()).hexdigest()


_open: dict[PartAddress, StoredPart] = {}
"""On a worker: stores that it has opened, so that each tile does not read their checksums again."""


def _opened(sides: tuple[PartAddress, PartAddress], *, anew: bool) -> tuple[StoredPart, StoredPart]:
    """Return the tokens of both sides, read when they are asked for."""
    if anew:
        _open.clear()
    found = []
    for side in sides:
        if not isinstance(side.store, str):  # what is sent as a store is another object each time
            found.append(side.open())
            continue
        if side not in _open:
            _open[side] = side.open()
        found.append(_open[side])
    return found[0], found[1]
