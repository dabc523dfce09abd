"""Many things at once, for as long as is asked for: `python tests/helpers/soak.py --seconds 600`.

Two kernels extract other selections of the same pictures again and again, in other orders, into one token store and one
cache, and match them into one Gram store; meanwhile this process moves two views over one analysis, each from a thread
of its own, and matches on three threads more. What comes back is held against what one process alone gives. Memory is
read once all have warmed up, and at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
from jupyter_client.manager import start_new_kernel

import semrsm_widgets as srsm
from helpers import stores
from helpers.analyses import make_analysis, make_layers
from helpers.views import ask, finished

COUNT = 24
"""Pictures."""
LAYERS = ["first", "second"]
WARM = 0.2
"""The part of the time after which memory is read first."""
LEAST = 2
"""Rounds that each of what goes on is to make at least, whatever the time."""
Round = Callable[[np.random.Generator], str]


def memory() -> int:
    """Return this process's resident memory in bytes."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # no Linux
        return 0


class Tally:
    """Rounds by what they did, what fell, and memory after warming up and at the end."""

    def __init__(self) -> None:
        self.rounds: Counter[str] = Counter()
        self.falls: list[str] = []
        self.warm = 0

    def go_on(self, one_round: Round, until: float, warm_at: float, seed: int) -> None:
        """Make rounds until a time."""
        rng, made = np.random.default_rng(seed), 0
        while made < LEAST or time.time() < until:
            try:
                self.rounds[one_round(rng)] += 1
            except Exception:
                self.falls.append(traceback.format_exc())
            made += 1
            if not self.warm and time.time() > warm_at:
                self.warm = memory()

    def told(self) -> dict[str, Any]:
        """Return all as plain values."""
        end = memory()
        return {"rounds": dict(self.rounds), "falls": self.falls, "memory": [self.warm or end, end]}


# ---- in each of the two kernels


class Stores:
    """What a kernel does with the stores in a folder, which another one uses, too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.images = srsm.load_images(folder / "photos")
        self.model = stores.model()
        self.wanted = {name: each.values for name, each in self.extract(range(COUNT)).items()}
        self.gram = srsm.matched_gram(self.wanted["first"], progress=False)

    def extract(self, images: Any, **options: Any) -> dict[str, srsm.Tokens]:
        return srsm.extract(
            self.model,
            self.images.select(images),
            LAYERS,
            batch_size=stores.BATCH,
            workers=0,
            progress=False,
            **options,
        )

    def one_round(self, rng: np.random.Generator) -> str:
        images = np.sort(rng.permutation(COUNT)[: int(rng.integers(2, COUNT + 1))])
        what = str(rng.choice(["extract, cache", "extract, store", "match, store", "read Gram"]))
        try:
            getattr(self, "_" + what.replace(", ", "_").replace(" ", "_").lower())(images)
        except BlockingIOError:  # the other kernel writes
            time.sleep(0.01)
            return "had to wait"
        return what

    def _extract_cache(self, images: np.ndarray) -> None:
        kept = images[: stores.BATCH * 2]  # few selections, so that some are found
        self._same(self.extract(kept, cache=self.folder / "cache"), kept)

    def _extract_store(self, images: np.ndarray) -> None:
        tokens = self.extract(images, store=self.folder / "tokens.zarr")
        self._same(tokens, images)

    def _match_store(self, images: np.ndarray) -> None:
        store = self.folder / "gram.zarr"
        self._near(srsm.matched_gram(self.wanted["first"][images], store=store, progress=False), images)

    def _read_gram(self, images: np.ndarray) -> None:
        with contextlib.suppress(FileNotFoundError):  # nobody has written one yet
            gram = srsm.open_gram(self.folder / "gram.zarr")
            assert np.all(np.isfinite(gram.x_sq_norms))

    def _same(self, tokens: dict[str, srsm.Tokens], images: np.ndarray) -> None:
        for name, wanted in self.wanted.items():
            assert torch.equal(tokens[name].values[:], wanted[images]), f"other tokens at {name}"

    def _near(self, gram: srsm.MatchedGram, images: np.ndarray) -> None:
        wanted = self.gram.products[np.ix_(images, images)]
        close = 2e-4 * self.gram.norms[np.ix_(images, images)]
        assert np.all(np.abs(gram.products - wanted) <= close), "other products"


def in_a_kernel(folder: str, until: float, warm_at: float, seed: int) -> None:
    """Use the stores of a folder until a time, and write what came of it into a file there."""
    tally = Tally()
    torch.set_num_threads(1)
    tally.go_on(Stores(Path(folder)).one_round, until, warm_at, seed)
    (Path(folder) / f"told-{seed}.json").write_text(json.dumps(tally.told()), encoding="utf-8")


KERNEL = """
import sys
sys.path[:0] = {path!r}
from helpers import soak
soak.in_a_kernel({folder!r}, {until!r}, {warm_at!r}, {seed!r})
"""


def run_kernel(folder: Path, until: float, warm_at: float, seed: int, said: list[str]) -> None:
    """Start a kernel, have it use the stores, and end it."""
    path = [str(Path(__file__).parents[1]), *sys.path]
    code = KERNEL.format(path=path, folder=str(folder), until=until, warm_at=warm_at, seed=seed)
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        answer = client.execute_interactive(code, output_hook=lambda _: None, timeout=None)
        if answer["content"]["status"] != "ok":
            said.append("\n".join(answer["content"]["traceback"]))
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


# ---- in this process


def moving(view: Any, analysis: srsm.Analysis) -> Round:
    """Return a round with a view: something else is shown, and what its page is sent is what the analysis says."""
    sent: list[dict[str, Any]] = []
    view.send = lambda content, buffers=None: sent.append(content)

    def one_round(rng: np.random.Generator) -> str:
        sent.clear()
        view.layer = str(rng.choice(analysis.layers))
        view.kernel = str(rng.choice(["cosine", "inner product"]))
        if hasattr(view, "pair"):
            view.pair = tuple(int(k) for k in rng.permutation(len(analysis))[:2])
        ask(view, kind="ready")
        assert finished(view), view.status
        assert view.last_error == "", view.last_error
        assert sent, "the page was sent nothing"
        return type(view).__name__

    return one_round


def matching(x: np.ndarray, wanted: srsm.MatchedGram) -> Round:
    """Return a round of matching with some gap and threads."""

    def one_round(rng: np.random.Generator) -> str:
        gap = float(rng.choice([1e-3, 1e-4, 1e-6]))
        gram = srsm.matched_gram(x, matcher=srsm.Auction(gap=gap, threads=int(rng.integers(1, 3))), progress=False)
        assert np.all(np.abs(gram.products - wanted.products) <= (gap + 1e-4) * wanted.norms), "other products"
        assert np.all(gram.upper_bound >= wanted.products - 1e-4 * wanted.norms), "bounds that do not hold"
        return "matched_gram"

    return one_round


def soak(seconds: float) -> dict[str, dict[str, Any]]:
    """Return what came of each process, by name."""
    os.environ["SEMRSM_PROGRESS"] = "0"
    begun = time.time()
    until, warm_at = begun + seconds, begun + WARM * seconds
    with TemporaryDirectory() as name:
        folder = Path(name)
        stores.pictures(folder / "photos", COUNT)
        said: list[str] = []
        analysis = make_analysis(12, layers=["a", "b", "c"], matcher=srsm.Auction())
        x = next(iter(make_layers(12, ["a"], (7, 7), channels=32).values())).values.numpy()
        wanted = srsm.matched_gram(x, progress=False)
        views = [srsm.RSMView(analysis), srsm.PairView(analysis)]
        rounds = [*(moving(view, analysis) for view in views), *[matching(x, wanted)] * 3]
        tallies = [Tally() for _ in rounds]
        threads = [
            threading.Thread(target=tally.go_on, args=(one_round, until, warm_at, seed))
            for seed, (tally, one_round) in enumerate(zip(tallies, rounds, strict=True))
        ]
        threads += [threading.Thread(target=run_kernel, args=(folder, until, warm_at, seed, said)) for seed in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for view in views:
            view.close()
        here = Tally()
        here.rounds = sum((tally.rounds for tally in tallies), Counter())
        here.falls = said + [fall for tally in tallies for fall in tally.falls]
        here.warm = max(tally.warm for tally in tallies)
        found = {"views and threads": here.told()}
        for seed in (1, 2):
            told = folder / f"told-{seed}.json"
            found[f"kernel {seed}"] = json.loads(told.read_text(encoding="utf-8")) if told.exists() else {}
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    given = parser.parse_args()
    fallen = 0
    for process, told in soak(given.seconds).items():
        warm, end = (size / 2**20 for size in told["memory"])
        rounds = ", ".join(f"{what} {count}" for what, count in sorted(told["rounds"].items()))
        print(f"{process}: {rounds}; fell {len(told['falls'])}; memory {warm:.0f} MiB, at the end {end:.0f} MiB")
        print("\n".join(told["falls"][:3]), file=sys.stderr)
        fallen += len(told["falls"])
    sys.exit(int(fallen > 0))
