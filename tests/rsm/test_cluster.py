"""Tiles on the workers of a Dask cluster: real processes, killed, closed, and of other versions."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time

import numpy as np
import pytest
import torch
import zarr
from helpers.clusters import Noting, cluster, noted, scheduler_of_its_own, tokens_in

from semrsm_widgets.matching import Auction
from semrsm_widgets.rsm import tiles
from semrsm_widgets.rsm.rsm import matched_gram
from semrsm_widgets.rsm.stored_gram import open_gram

RNG = np.random.default_rng(7)
X = RNG.normal(size=(44, 9, 16)).astype(np.float32)
Y = RNG.normal(size=(13, 7, 16)).astype(np.float16)


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    monkeypatch.setattr(tiles, "LARGEST_TILE", 8)


@pytest.fixture(scope="module")
def client():
    with cluster(2) as client:
        yield client


@pytest.fixture(scope="module")
def x(tmp_path_factory):
    return tokens_in(tmp_path_factory.mktemp("x") / "x.zarr", X)


def same(a, b):
    """Say whether two Grams are the same to the last bit."""
    names = ("products", "upper_bound", "x_sq_norms", "y_sq_norms")
    return a.fallbacks == b.fallbacks and all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)


def test_workers_give_the_same_bits(client, x, tmp_path):
    here = matched_gram(x, matcher=Auction(threads=1), store=tmp_path / "here.zarr")
    told = []
    told_all = {"client": client, "progress": lambda *done: told.append(done)}
    there = matched_gram(x, store=tmp_path / "there.zarr", **told_all)
    assert same(here, there)
    assert np.array_equal(here.pooled_products, there.pooled_products)
    assert same(matched_gram(x, client=client), there)
    assert told[0] == (0, 946)
    assert told[-1] == (946, 946)
    assert len(set(told)) > 10
    assert not list((tmp_path / "there.zarr").rglob("*.partial"))
    counts = noted(tmp_path / "log")
    matched_gram(x, matcher=Noting(str(tmp_path / "log")), store=tmp_path / "there.zarr", client=client)
    assert noted(tmp_path / "log") == counts == []  # all tiles are there


def test_two_sets_and_chosen_images(client, x, tmp_path):
    y = tokens_in(tmp_path / "y.zarr", torch.from_numpy(Y))
    some = x.select([5, 40, 3, 4, 30, 8, 9, 10, 11, 12])
    for left, right in ((some, y), (y, some), (some, None)):
        assert same(matched_gram(left, right, client=client), matched_gram(left, right, matcher=Auction(threads=1)))
    shutil.make_archive(str(tmp_path / "y"), "zip", tmp_path / "y.zarr")
    from semrsm_widgets.storage import open_tokens

    packed = open_tokens(tmp_path / "y.zip")["noise"]
    assert same(matched_gram(packed, client=client), matched_gram(y, client=client))


def test_ctrl_c_cancels_and_the_same_call_goes_on(client, x, tmp_path):
    log = tmp_path / "log"

    def stop(done, total):
        if done >= 200:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as found:
        matched_gram(x, matcher=Noting(str(log), 0.02), store=tmp_path / "rsm.zarr", client=client, progress=stop)
    assert "The tiles that are done are kept in 'rsm.zarr'" in found.value.__notes__[-1]
    time.sleep(0.3)
    begun = len(noted(log))
    assert 4 <= begun <= 12
    matched_gram(x, matcher=Noting(str(log)), store=tmp_path / "rsm.zarr", client=client)
    assert len(noted(log)) <= 21 + 4  # those that were with the workers
    assert same(open_gram(tmp_path / "rsm.zarr"), matched_gram(x, client=client))


def test_a_tile_that_fails_names_its_images(client, x, tmp_path):
    with pytest.raises(ArithmeticError, match="no") as found:
        matched_gram(x, matcher=Noting(str(tmp_path / "log"), fails_at=4 * 8), store=tmp_path / "r.zarr", client=client)
    assert found.value.__notes__[0].startswith("(in images ")
    assert found.value.__notes__[0].endswith(" with 40 to 43, on a worker)")


def other_version(name):
    from semrsm_widgets.rsm import cluster

    cluster.__version__ = name
    return name


def test_workers_of_another_version_are_refused(client, x):
    client.run(other_version, "0.0.9")
    try:
        text = r"`client` must be one whose workers have the same packages as here; got \d of \d workers that cannot: "
        with pytest.raises(ValueError, match=text + r"'tcp://.* has semrsm_widgets 0\.0\.9, not 0\.1\.0\. Install"):
            matched_gram(x, client=client)
    finally:
        client.run(other_version, "0.1.0")


def test_what_workers_cannot_read_is_refused(client, x, tmp_path):
    with pytest.raises(
        ValueError, match=r"`x` must be tokens in a store that workers can open.*; got tokens in memory"
    ):
        matched_gram(X, client=client)
    memory = tokens_in(zarr.storage.MemoryStore(), X)
    with pytest.raises(ValueError, match=r"got a store in memory\. Write them: extract"):
        matched_gram(memory, client=client)
    gone = tokens_in(tmp_path / "gone.zarr", X)

    def move(done, total):  # once its norms are there
        if gone_path.exists():
            gone_path.rename(tmp_path / "moved.zarr")

    gone_path = tmp_path / "gone.zarr"
    text = (
        r"whose workers see the tokens' store; got \d of \d workers .* does not see the store: 'noise' of 'gone.zarr'"
    )
    with pytest.raises(ValueError, match=text):
        matched_gram(gone, client=client, progress=move)
    tokens_in(gone_path, X + 1)
    gone_path.rename(tmp_path / "other.zarr")
    (tmp_path / "moved.zarr").rename(gone_path)

    def replaced(done, total):
        if done == 0 and not (tmp_path / "moved.zarr").exists():
            gone_path.rename(tmp_path / "moved.zarr")
            (tmp_path / "other.zarr").rename(gone_path)

    with pytest.raises(
        ValueError, match=r"\d of \d workers that cannot: .* sees other tokens at '.*gone.zarr'\. Put it"
    ):
        matched_gram(gone, client=client, progress=replaced)
    with pytest.raises(TypeError, match=r"`client` must be None or a dask.distributed.Client; got 'tcp://"):
        matched_gram(x, client="tcp://127.0.0.1:8786")


def test_a_worker_that_is_killed_costs_what_it_was_at(client, x, tmp_path):
    log, killed = tmp_path / "log", []

    def kill():
        while len(noted(log, "done")) < 6:
            time.sleep(0.005)
        killed.append(noted(log)[-1][0])
        os.kill(killed[0], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    found = matched_gram(x, matcher=Noting(str(log), 0.05), store=tmp_path / "rsm.zarr", client=client)
    thread.join()
    assert same(found, matched_gram(x, matcher=Auction(threads=1), store=tmp_path / "here.zarr"))
    # of 21 tiles, those again which the lost worker was at, or had matched and nobody had fetched yet
    assert 21 <= len(noted(log)) <= 21 + 3
    assert {pid for pid, _ in noted(log)} - set(killed)


def test_a_tile_of_which_workers_die_is_named(client, x, tmp_path, monkeypatch):
    monkeypatch.setattr(client.cluster.scheduler, "allowed_failures", 0)
    text = r"Workers died again and again while they matched images \d+ to \d+ with \d+ to \d+, most likely for want of"
    with pytest.raises(RuntimeError, match=text):
        matched_gram(x, matcher=Noting(str(tmp_path / "log"), dies_at=4 * 8), client=client)


def test_a_client_that_disappears_is_said(client, x, tmp_path):
    from distributed import Client

    log = tmp_path / "log"
    own = Client(client.cluster)

    def close():
        while len(noted(log, "done")) < 6:
            time.sleep(0.005)
        own.close()

    thread = threading.Thread(target=close)
    thread.start()
    with pytest.raises(ConnectionError, match=r"`client` is clos(ed|ing): .* What is done stays\. Make another client"):
        matched_gram(x, matcher=Noting(str(log), 0.05), store=tmp_path / "rsm.zarr", client=own)
    thread.join()
    with pytest.raises(ValueError, match="`client` must be one that is connected; got one that is closed"):
        matched_gram(x, client=own)
    there = zarr.open_group(tmp_path / "rsm.zarr", mode="r")["fallbacks"][:, :, 2].sum()
    assert 3 <= there < 21
    whole = matched_gram(x, matcher=Auction(threads=1), store=tmp_path / "rsm.zarr")
    assert same(whole, matched_gram(x, matcher=Auction(threads=1)))


def test_a_worker_that_goes_while_it_is_asked_is_left_to_dask(client, x, monkeypatch):
    from distributed.comm import CommClosedError

    run = client.run

    def one_goes(*given, **how):
        return run(*given, **how) | {"tcp://127.0.0.1:1": CommClosedError("in <TCP (closed) Scheduler Broadcast>")}

    monkeypatch.setattr(client, "run", one_goes)
    assert same(matched_gram(x, client=client), matched_gram(x, matcher=Auction(threads=1)))


GONE = r"`client` (is \w+|lost its connection): .* its scheduler stopped\. What is done stays"


def test_a_scheduler_that_goes_while_a_result_is_fetched_is_said(client, x, monkeypatch):
    from distributed.comm import CommClosedError

    def gather(*_, **__):
        raise CommClosedError("connection reset by peer")

    monkeypatch.setattr(client, "gather", gather)
    with pytest.raises(ConnectionError, match=GONE):
        matched_gram(x, client=client)


def test_a_scheduler_that_is_killed_is_said(x, tmp_path):
    log = tmp_path / "log"
    with scheduler_of_its_own(tmp_path) as (scheduler, own):

        def kill():
            while len(noted(log, "done")) < 6:
                time.sleep(0.005)
            scheduler.send_signal(signal.SIGKILL)

        thread = threading.Thread(target=kill)
        thread.start()
        with pytest.raises(ConnectionError, match=GONE):
            matched_gram(x, matcher=Noting(str(log), 0.05), store=tmp_path / "rsm.zarr", client=own)
        thread.join()
    there = zarr.open_group(tmp_path / "rsm.zarr", mode="r")["fallbacks"][:, :, 2].sum()
    assert 1 <= there < 21
    whole = matched_gram(x, matcher=Auction(threads=1), store=tmp_path / "rsm.zarr")
    assert same(whole, matched_gram(x, matcher=Auction(threads=1)))
