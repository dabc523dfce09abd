"""What writes: each work, what stands in its folder before, and how what it leaves is judged.

`killing.py` kills and interrupts them.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

import semrsm_widgets as srsm
from semrsm_widgets.analysis import gram_names
from semrsm_widgets.cli import main
from semrsm_widgets.cli.lab import copy_tutorials, tutorials_folder
from semrsm_widgets.common import interruptibly
from semrsm_widgets.common.files import ABANDONED_SECONDS, sweep
from semrsm_widgets.matching.solvers import engine, numba_kernel
from semrsm_widgets.rsm import tiles
from semrsm_widgets.storage.gram_form import ORDERS

from . import stores
from .analyses import make_analysis


@dataclass(frozen=True)
class Work:
    """Something that writes into a folder.

    Attributes:
        run: writes; what it writes into may be there already, whole or begun.
        check: raises if what is there is neither as it was before nor as it should be.
        begin: makes what stands in the folder before.
    """

    run: Callable[[Path], object]
    check: Callable[[Path], None]
    begin: Callable[[Path], object] = lambda folder: None


def _pictures() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (16, 16, 3), dtype=np.uint8) for _ in range(24)]


PICTURES = _pictures()
LAYERS = ["first", "second"]


def _extract(images=PICTURES, model=None, **options):
    given = stores.model() if model is None else model
    return srsm.extract(given, images, LAYERS, batch_size=stores.BATCH, workers=0, progress=False, **options)


def _same_tokens(found, wanted) -> None:
    for name in LAYERS:
        assert torch.equal(found[name].values[:], wanted[name].values), f"other tokens at {name}"


def _aged(folder: Path) -> None:
    """Have what is there look abandoned."""
    then = time.time() - 2 * ABANDONED_SECONDS
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


def _token_cache() -> Work:
    wanted = _extract()

    def check(folder: Path) -> None:
        from safetensors.torch import load_file

        for path in (folder / "cache").glob("*.safetensors"):
            assert load_file(path)["values"].shape[0] == len(PICTURES), f"half a file: {path.name}"
        _aged(folder)
        for _ in range(2):
            _same_tokens(_extract(cache=folder / "cache"), wanted)
        names = sorted(path.name for path in (folder / "cache").iterdir())
        assert len(names) == 2, f"left behind: {names}"
        assert all(name.endswith(".safetensors") for name in names), f"left behind: {names}"

    return Work(lambda folder: _extract(cache=folder / "cache"), check)


def _token_store() -> Work:
    wanted = _extract()

    def check(folder: Path) -> None:
        store = folder / "tokens.zarr"
        _same_tokens(_extract(store=store), wanted)
        _whole_store(store, wanted)

    return Work(lambda folder: _extract(store=folder / "tokens.zarr"), check)


def _whole_store(store: Path, wanted) -> None:
    _same_tokens(srsm.open_tokens(store), wanted)
    left = [path.name for path in store.rglob("*") if path.suffix == ".partial" or path.name in (".lock", "pending")]
    left += sorted(path.name for path in store.glob("order-*"))[1:]
    assert not left, f"left behind: {left}"


def _growing_token_store() -> Work:
    """The last shard of the nine images that are there has room for a batch of the others."""
    stores.small_shards()
    images = srsm.load_images(PICTURES)
    old, new = images.select(range(9)), images.select([20, *range(3, 9), *range(9, 20), 0, 22])

    def begin(folder: Path):
        return _extract(old, store=folder / "tokens.zarr")

    def grow(folder: Path):
        return _extract(new, store=folder / "tokens.zarr")

    with TemporaryDirectory() as name:
        before, wanted = (
            {layer: replace(tokens, values=tokens.values[:]) for layer, tokens in call(Path(name)).items()}
            for call in (begin, grow)
        )

    def check(folder: Path) -> None:
        store, ran = folder / "tokens.zarr", []
        _same_tokens(_extract(old, stores.model(ran.append), store=store), before)
        assert not ran, f"{sum(ran)} images that were there were run again"
        _same_tokens(grow(folder), wanted)
        _whole_store(store, wanted)

    return Work(grow, check, begin)


def _gram_store() -> Work:
    tiles.LARGEST_TILE = 8  # so that there are ten
    x = np.random.default_rng(5).normal(size=(30, 9, 16)).astype(np.float32)
    wanted = srsm.matched_gram(x)

    def match(folder: Path):
        return srsm.matched_gram(x, store=folder / "gram.zarr", progress=False)

    def check(folder: Path) -> None:
        for found in (match(folder), srsm.open_gram(folder / "gram.zarr")):
            _same_gram(found, wanted)
        left = [path.name for path in folder.rglob("*") if path.suffix == ".partial" or path.name == ".lock"]
        assert not left, f"left behind: {left}"

    return Work(match, check)


def _no_leftovers(folder: Path, names: set[str]) -> None:
    _aged(folder)
    sweep(folder)
    found = {path.name for path in folder.iterdir()}
    assert found == names, f"left behind: {sorted(found - names)}"


def _saved_analysis() -> Work:
    old, new = make_analysis(seed=1), make_analysis(seed=2)
    for analysis in (old, new):
        for layer in analysis.layers:
            analysis.similarities(layer)

    def save(folder: Path) -> None:
        new.save(folder / "a.npz", tokens=True)

    def check(folder: Path) -> None:
        found = srsm.Analysis.load(folder / "a.npz")
        assert any(
            all(
                np.array_equal(found.rsm(layer), each.rsm(layer))
                and torch.equal(found.tokens[layer].values, each.tokens[layer].values)
                for layer in each.layers
            )
            for each in (old, new)
        ), "neither the old analysis nor the new one"
        _no_leftovers(folder, {"a.npz"})

    return Work(save, check, lambda folder: old.save(folder / "a.npz", tokens=True))


def _file(name: str, write: Callable[[Path], object]) -> Work:
    """Return the writing of one file that is always the same; an older one of other content is there before."""
    with TemporaryDirectory() as folder:
        write(Path(folder) / name)
        wanted = (Path(folder) / name).read_bytes()

    def check(folder: Path) -> None:
        assert (folder / name).read_bytes() in (b"old", wanted), "neither the old file nor the new one"
        _no_leftovers(folder, {name})

    return Work(lambda folder: write(folder / name), check, lambda folder: (folder / name).write_bytes(b"old"))


def _report() -> Work:
    analysis = make_analysis(3, layers=["a"], grid=(2, 2))
    return _file("report.html", lambda path: srsm.to_html(analysis, path, pairs="current", progress=False))


def _figure(suffix: str) -> Callable[[], Work]:
    def work() -> Work:
        view = srsm.RSMView(make_analysis(3, layers=["a"], grid=(2, 2)))
        return _file(f"figure.{suffix}", view.save_figure)

    return work


def _tutorials() -> Work:
    source = tutorials_folder()

    def check(folder: Path) -> None:
        for path in [path for path in (folder / "lab").glob("*") if not path.name.startswith(".")]:
            assert path.read_bytes() == (source / path.name).read_bytes(), f"half a file: {path.name}"
        copy_tutorials(folder / "lab")
        _no_leftovers(folder / "lab", {path.name for path in [*source.glob("*.ipynb"), source / "lessons.py"]})

    return Work(lambda folder: copy_tutorials(folder / "lab"), check, lambda folder: (folder / "lab").mkdir())


def _growing_gram_store() -> Work:
    """Return the growing of a store of 13 images by 15 others, of which it has a part in an order of its own."""
    tiles.LARGEST_TILE = 8
    x = np.random.default_rng(5).normal(size=(30, 9, 16)).astype(np.float32)
    few, many = np.arange(13), np.random.default_rng(6).permutation(30)[:28]
    wanted = {name: srsm.matched_gram(x[images]) for name, images in (("few", few), ("many", many))}
    plain = tiles.match_job

    def match(folder: Path, images: np.ndarray = many):
        return srsm.matched_gram(x[images], store=folder / "gram.zarr", progress=False)

    def refuse(*_):
        raise AssertionError("pairs that were there before are matched again")

    def check(folder: Path) -> None:
        tiles.match_job = refuse
        try:
            before = match(folder, few)
        finally:
            tiles.match_job = plain
        for name, found in (
            ("few", before), ("many", match(folder)), ("many", srsm.open_gram(folder / "gram.zarr")),
        ):  # fmt: skip
            close = 1e-4 * wanted[name].norms.max()  # the auction's gap: who bids for whom is as the images came first
            assert np.allclose(found.products, wanted[name].products, rtol=0, atol=close), "other products"
            assert np.all(found.upper_bound >= wanted[name].products), "bounds that do not hold"
        orders = {f"orders/{path.name}" for path in folder.glob("gram.zarr/orders/*") if path.is_dir()}
        assert orders <= set(ORDERS), f"left behind: {orders}"

    return Work(match, check, lambda folder: match(folder, few))


def _same_gram(found, wanted) -> None:
    assert np.array_equal(found.products, wanted.products), "other products"
    assert np.array_equal(found.upper_bound, wanted.upper_bound), "other bounds"


RUN = """
[model]
image_size = 32
[images]
source = "photos"
[layers]
names = "blocks.6"
batch_size = 4
[store]
folder = "results"
"""


def _run() -> Work:
    """Return `semrsm run` over six pictures."""

    def begin(folder: Path) -> None:
        stores.pictures(folder / "photos", 6)
        (folder / "config.toml").write_text(RUN)

    def run(folder: Path) -> None:
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            status = main(["run", str(folder / "config.toml")])
        if status == 130:
            raise KeyboardInterrupt
        assert status == 0, said.getvalue()

    def results(folder: Path) -> tuple[torch.Tensor, srsm.MatchedGram]:
        tokens = srsm.open_tokens(folder / "results" / "features.zarr")["blocks.6"]
        grams = folder / "results" / "grams.zarr"
        return tokens.values[:], srsm.open_gram(grams / "/".join(gram_names("blocks.6", srsm.Auction())))

    with TemporaryDirectory() as name:
        begin(Path(name))
        run(Path(name))
        tokens, gram = results(Path(name))
        wanted = gram.select()

    def check(folder: Path) -> None:
        run(folder)
        found = results(folder)
        assert torch.equal(found[0], tokens), "other tokens"
        _same_gram(found[1], wanted)
        left = [path.name for path in folder.rglob("*") if path.suffix == ".partial" or path.name == ".lock"]
        assert not left, f"left behind: {left}"

    return Work(run, check, begin)


def _kernel_cache() -> Work:
    """Return the writing of a compiled kernel into numba's cache: as numba does it, once it has compiled."""
    import numba

    pair = np.eye(4, dtype=np.float32)

    def kernel_in(folder: Path):
        numba.config.CACHE_DIR = str(folder / "cache")
        engine._loader = engine._Loader()

    with TemporaryDirectory() as name:
        kernel_in(Path(name))
        srsm.Auction().solve(pair, 2.0)
        compiled = dict(engine._loader.kernel.overloads)

    def write(folder: Path) -> None:
        numba.config.CACHE_DIR = str(folder / "cache")
        kernel, _ = numba_kernel.build()

        def save() -> None:
            for signature, code in compiled.items():
                kernel._cache.save_overload(signature, code)

        interruptibly(save, "semrsm-compile")  # as the engine does: llvmlite bears no interrupt

    def check(folder: Path) -> None:
        for _ in range(2):
            kernel_in(folder)
            found = srsm.Auction().solve(pair, 2.0)
            assert found.value[0] == 4, "another answer"
            said = engine.engine()
            assert (said.simd, said.note) == ("vector", ""), f"without its cache: {said}"
            assert str(said.cache).startswith(str(folder)), f"another cache: {said.cache}"
        assert said.seconds < 1, "compiled again"

    return Work(write, check)


WORKS: dict[str, Callable[[], Work]] = {
    "token cache": _token_cache,
    "token store": _token_store,
    "token store growing": _growing_token_store,
    "Gram store": _gram_store,
    "Gram store growing": _growing_gram_store,
    "Analysis.save": _saved_analysis,
    "to_html": _report,
    "save_figure svg": _figure("svg"),
    "save_figure pdf": _figure("pdf"),
    "save_figure png": _figure("png"),
    "semrsm lab's copies": _tutorials,
    "semrsm run": _run,
    "kernel cache": _kernel_cache,
}
"""Everything that writes, by name."""
