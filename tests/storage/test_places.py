"""Stores behind URLs: the same tokens and Grams as in a folder; Ctrl-C while Zarr begins; who opened one early."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from helpers import stores
from helpers.command_line import ROOT

import semrsm_widgets as srsm
from semrsm_widgets.storage.places import GRAM, open_place

pytest.importorskip("fsspec")


@pytest.fixture(params=["file", "memory"])
def url(request, tmp_path):
    """A place of this test's own behind a URL."""
    if request.param == "file":
        yield f"file://{tmp_path / 'stores'}"
        return
    import fsspec

    yield f"memory://{tmp_path.name}"
    held = fsspec.filesystem("memory")
    if held.exists(f"/{tmp_path.name}"):
        held.rm(f"/{tmp_path.name}", recursive=True)


def test_tokens_grams_and_searches_behind_a_url(url, tmp_path):
    images, forwards = stores.pictures(tmp_path / "pictures", 10), []
    model = stores.model(forwards.append)
    expected = srsm.extract(model, images, ["first", "second"], batch_size=4, workers=0)
    forwards.clear()
    for _ in range(2):
        srsm.extract(model, images, ["first", "second"], batch_size=4, workers=0, store=f"{url}/features.zarr")
    assert sum(forwards) == 10  # the second call finds all
    tokens = srsm.open_tokens(f"{url}/features.zarr")
    for name in ("first", "second"):
        assert torch.equal(tokens[name].values[:], expected[name].values)
    x = expected["first"].values
    gram = srsm.matched_gram(tokens["first"], store=f"{url}/rsm.zarr")
    assert np.allclose(gram.products, srsm.matched_gram(x).products, atol=1e-4 * gram.norms.max())
    assert np.array_equal(srsm.open_gram(f"{url}/rsm.zarr").products, gram.products)
    found = srsm.search(x[3], tokens["first"], k=3)
    assert np.array_equal(found.indices, srsm.search(x[3], x, k=3).indices)
    again = srsm.search(x[3], srsm.open_tokens(f"{url}/features.zarr")["first"], k=3)  # means and spreads are kept
    assert np.array_equal(again.indices, found.indices)


def test_a_url_where_nothing_is(url):
    with pytest.raises(FileNotFoundError, match=r"extract\(\.\.\., store=\.\.\.\)"):
        srsm.open_tokens(f"{url}/nothing.zarr")


SCRIPT = """
import signal, sys, threading
import semrsm_widgets as srsm

plain = threading.Thread.start
def start(thread):
    if thread.name == "zarr_io":
        threading.Thread.start = plain
        signal.raise_signal(signal.SIGINT)  # as late as it can come before the thread runs
    plain(thread)

threading.Thread.start = start
try:
    srsm.open_gram(sys.argv[1])
except KeyboardInterrupt:
    print("stopped", flush=True)
print(srsm.open_gram(sys.argv[1]).shape)
"""


def test_a_loop_that_was_interrupted_before_its_thread_ran_is_waited_for_by_nobody(tmp_path):
    srsm.matched_gram(np.eye(4, dtype=np.float32)[None].repeat(3, 0), store=tmp_path / "gram.zarr")
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "gram.zarr")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=environment)
    assert ended.stdout.splitlines() == ["stopped", "(3, 3)"], ended.stderr


def test_who_opened_a_store_before_another_wrote_undoes_nothing(tmp_path):
    x = np.random.default_rng(0).normal(size=(6, 4, 5)).astype(np.float32)
    store = tmp_path / "gram.zarr"
    srsm.matched_gram(x[:3], store=store)
    early = open_place(store, GRAM, make=True)
    srsm.matched_gram(x[::-1], store=store)  # another process would do the same
    there = open_place(store, GRAM).facts(GRAM)
    with early.written():
        early.group.attrs["another"] = 1  # Zarr writes all attributes that it knows
    assert open_place(store, GRAM).facts(GRAM) == there
    assert np.array_equal(srsm.open_gram(store).products, srsm.matched_gram(x[::-1], store=store).products)


def test_a_dictionary_that_is_no_store_is_left_as_it_is():
    store = {None: None}
    with pytest.raises(ValueError, match=r"`store` must be a dictionary of paths.*None"):
        open_place(store, GRAM, make=True)
    assert store == {None: None}
    assert open_place({}, GRAM, make=True).facts(GRAM) is None
