"""From a laptop to a cluster: tokens in a store, tiles on workers, one of which is killed, and nothing is lost.

Run: python laptop_to_cluster.py [FOLDER OF PICTURES] [PLACE FOR THE STORES]
     (none: the bundled pictures, each shifted and mirrored, and a folder that is removed at the end)

On a real cluster the workers are other machines. Two lines change: the cluster, for instance
`dask_jobqueue.SLURMCluster(cores=8, processes=8, memory="32GB")` with `cluster.scale(jobs=8)`, and the place, which all
machines must see.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from dask.distributed import Client, LocalCluster

import semrsm_widgets as srsm


def main(pictures: str | None, place: Path) -> None:
    """Extract, match on workers of which one dies, and compare with what this process alone makes of it."""
    images = srsm.load_images(varied(place / "pictures") if pictures is None else pictures)
    model = srsm.load_model()
    store, layer = place / "features.zarr", "blocks.6"
    srsm.extract(model, images, layer, dtype=torch.float16, store=store)
    tokens = srsm.open_tokens(store)[layer]  # read when a worker, or this process, asks for an image
    print(tokens)

    # few pairs: a small budget of memory makes small tiles, so that there is something to lose
    options = {"memory": 2**24, "matcher": srsm.Auction(threads=1)}
    killed: list[int] = []
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster) as client:
        workers = list(client.run(os.getpid).values())

        def kill_one(done: int, total: int) -> None:
            """In the middle, do to a worker what a machine that fails does."""
            if not killed and done > total / 3:
                killed.append(workers[0])
                os.kill(killed[0], signal.SIGKILL)

        there = srsm.matched_gram(tokens, store=place / "rsm.zarr", client=client, progress=kill_one, **options)
    print(f"{there}; worker {killed[0]} was killed on the way")

    again = srsm.matched_gram(tokens, store=place / "rsm.zarr", **options)  # finds all tiles, and needs no cluster
    here = srsm.matched_gram(tokens, store=place / "alone.zarr", **options)
    assert np.array_equal(here.products, there.products)
    assert np.array_equal(here.upper_bound, again.upper_bound)
    print("the same as without workers, to the last bit")
    print(np.round(srsm.cosine(there)[:4, :4], 3))


def varied(folder: Path) -> Path:
    """Write the bundled pictures and variants of them, and return the folder."""
    folder.mkdir()
    for name, picture in zip((images := srsm.demo_images()).ids, images, strict=True):
        for turn in range(4):
            picture.rotate(90 * turn, expand=True).save(folder / f"{name.replace('/', '-')}-{turn}.png")
    return folder


if __name__ == "__main__":
    given = sys.argv[1] if len(sys.argv) > 1 else None
    if len(sys.argv) > 2:
        main(given, Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(given, Path(folder))
