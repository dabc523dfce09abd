"""The engine: what is compiled and kept, and what serves where that fails."""

import json
import os
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest
from helpers.matchers import FLOAT32, norms, optima, tokens

from semrsm_widgets.matching.affinities import Affinities
from semrsm_widgets.matching.assignment import affinity
from semrsm_widgets.matching.auction import Auction
from semrsm_widgets.matching.solvers import engine, numba_auction


def test_the_kernel_stops_at_the_cancel_flag():
    loader = engine.kernel_for(np.float32)
    size = 700  # enough bids that the flag, which is looked at every few thousand, is met
    pair = Affinities.read(affinity(tokens(0, 1, size, 4), tokens(1, 1, size, 4)).astype(np.float32))
    for flag, expected in ((1, numba_auction.CANCELLED), (0, numba_auction.SOLVED)):
        *_, status, bids = loader.solve(
            pair, np.full(1, 2800.0), 1e-4, 10**9, np.full(1, flag), np.dtype(np.float32), slice(0, 1), False
        )
        assert status[0] == expected
        assert (bids[0] == numba_auction.POLL) == bool(flag)


def test_without_numba_scipy_serves_with_one_warning(monkeypatch):
    def no_numba(name):
        if name == "numba":
            raise ImportError("No module named 'numba'")
        return import_module(name)

    monkeypatch.setattr(engine, "import_module", no_numba)
    monkeypatch.setattr(engine, "_loader", engine._Loader())
    x, y = tokens(0), tokens(1)
    with pytest.warns(RuntimeWarning, match="SciPy solves the assignments"):
        answer = Auction()(x, y)
    Auction()(x, y)  # warns no more: a warning would be an error here
    assert np.allclose(answer.value, optima(x, y), rtol=1e-6)
    # what is left is the rounding of float32 products
    assert np.all(answer.upper_bound - answer.value < 1e-6 * norms(x, y))
    assert engine.engine().simd == "none"
    assert "numba" in engine.engine().note


def test_vectors_that_do_not_compile_give_way_to_plain_code(monkeypatch):
    loader = engine._Loader()
    rehearse = loader._rehearse

    def broken(kind):
        if loader.simd == "vector":
            raise NotImplementedError("no such instruction")
        rehearse(kind)

    monkeypatch.setattr(loader, "_rehearse", broken)
    monkeypatch.setattr(engine, "_loader", loader)
    answer = Auction()(tokens(0).astype(np.float32), tokens(1).astype(np.float32))
    assert np.all(np.abs(answer.value - optima(tokens(0), tokens(1))) <= 1.1e-4 * norms(tokens(0), tokens(1)))
    assert engine.engine().simd == "plain"
    assert "no such instruction" in engine.engine().note


def test_a_kernel_that_answers_wrongly_is_not_used(monkeypatch):
    loader = engine._Loader()
    loader._load()
    loader.kernel, loader.cache = lambda *arguments: None, None
    with pytest.warns(RuntimeWarning, match="wrong answer"):
        assert loader.get(FLOAT32) is None


def test_a_cache_folder_that_cannot_be_written_is_left_alone(monkeypatch):
    loader = engine._Loader()
    loader._load()
    attempts = []

    def full_disk(kind):
        attempts.append(loader.cache)
        if len(attempts) == 1:
            raise OSError("No space left on device")

    monkeypatch.setattr(loader, "_rehearse", full_disk)
    assert loader.get(FLOAT32) is loader
    assert attempts[1] is None
    assert "No space left" in loader.note


def test_engine_reports_what_runs():
    engine.warm_up()
    found = engine.engine()
    assert found.simd in ("vector", "plain")
    assert found.numba
    assert found.threads >= 1
    assert found.seconds > 0


CACHED = """
import json
from semrsm_widgets.matching.solvers import engine
engine.warm_up()
found = engine.engine()
print(json.dumps([found.simd, found.cache, found.note]))
"""


def in_a_session(folder, **variables):
    """Return (simd, cache folder, note) of a session of its own, and what it said besides."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder), **variables}
    done = subprocess.run(
        [sys.executable, "-c", CACHED], capture_output=True, text=True, timeout=200, check=True, env=environment
    )
    return json.loads(done.stdout), done.stderr


TORN = """
import json
from pathlib import Path
from semrsm_widgets.matching.solvers import engine
for junk in (None, b"", b"no pickle at all", bytes(500)):
    if junk is not None:
        for path in Path(engine.engine().cache).iterdir():
            path.write_bytes(junk)
    engine._loader = type(engine._loader)()  # knows of nothing that was compiled, as that of a new session
    engine.warm_up()
    found = engine.engine()
    sizes = {path.name: path.stat().st_size for path in Path(found.cache).iterdir()}
    print(json.dumps([[found.simd, found.cache, found.note], sizes]))
"""


def test_a_torn_cache_is_made_anew(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", TORN], capture_output=True, text=True, timeout=200, check=True, env=environment
    )
    (before, sizes), *anew = map(json.loads, done.stdout.splitlines())
    assert len(anew) == 3
    for found, now in anew:
        assert found == before
        assert now.keys() == sizes.keys()
        assert all(size > 500 for name, size in now.items() if name.endswith(".nbc"))
    assert "einstall" not in done.stderr


def test_a_switched_off_compiler_is_named(tmp_path):
    found, said = in_a_session(tmp_path, NUMBA_DISABLE_JIT="1")
    assert found[0] == "none"
    assert "Unset that to get the auction back" in said
    assert "einstall" not in said
