"""`semrsm run`: the tokens and matched Grams that a file asks for, in stores, gone on with where it was stopped."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semrsm_widgets.common import describe_seconds, in_words_of, optional

from .errors import INTERRUPTED, CommandError
from .run_config import RunConfig, read_config

if TYPE_CHECKING:
    from semrsm_widgets.images import Images
    from semrsm_widgets.models import VisionModel
    from semrsm_widgets.tokens import Tokens

FEATURES, GRAMS = "features.zarr", "grams.zarr"
SAID_EVERY = 30.0
"""Seconds between lines where no terminal shows a bar, as in the log of a batch job."""
ANSWERS_WITHIN = "30s"
"""How long a scheduler has."""


def run(options: argparse.Namespace) -> int:
    """Do what a file asks for, having said what it will take; with `dry_run` say it and do nothing."""
    try:
        config = read_config(options.config)
        _say("Importing the libraries")
        with in_words_of(_words(options.config.name)):
            _run(config, options.config.name, dry_run=options.dry_run)
    except (ValueError, TypeError) as error:
        raise CommandError(str(error), code=2) from None
    except (OSError, ImportError) as error:
        raise CommandError(str(error)) from None
    except KeyboardInterrupt as stop:
        notes = " ".join(getattr(stop, "__notes__", []))
        text = f"stopped. {notes} The same command goes on from what is done."
        raise CommandError(" ".join(text.split()), code=INTERRUPTED) from None
    return 0


def _words(file: str) -> dict[str, str]:
    """Return what the arguments of functions are called in the file."""
    names = {
        "name": "model.name", "weights": "model.weights", "image_size": "model.image_size", "device": "model.device",
        "source": "images.source", "layers": "layers.names", "max_grid": "layers.max_grid", "gap": "matching.gap",
        "batch_size": "layers.batch_size", "workers": "layers.workers", "store": "store.folder",
    }  # fmt: skip
    return {f"`{name}`": f"{file}: `{key}`" for name, key in names.items()}


def _run(config: RunConfig, file: str, *, dry_run: bool) -> None:
    from semrsm_widgets.images import load_images
    from semrsm_widgets.matching import Auction
    from semrsm_widgets.models import load_model

    from .run_estimate import plan

    matcher = Auction(gap=config.gap)
    _say("Opening the images")
    images = load_images(config.source, skip_unreadable=config.skip_unreadable)
    _say("Loading the model")
    model = load_model(**config.model)
    _say("Estimating from a few images")
    features = _below(config, FEATURES)
    print(plan(config, file, model, images, features=features, gram=lambda name: _gram(config, name, matcher)))
    sys.stdout.flush()
    if dry_run:
        return
    tokens = _extracted(config, model, images)
    if config.grams:
        with _client(config) as client:
            for name, each in tokens.items():
                _match(config, name, each, matcher, client)
    print(f"Done: {_label(config)} holds {', '.join(tokens)}.")


def _extracted(config: RunConfig, model: VisionModel, images: Images) -> dict[str, Tokens]:
    import torch

    from semrsm_widgets.extraction import extract

    options = {**config.extraction, "dtype": getattr(torch, config.extraction["dtype"])}
    return extract(
        model,
        images,
        config.layers,
        device=config.device,
        store=_below(config, FEATURES),
        progress=_log("Tokens", "images"),
        **options,
    )


def _match(config: RunConfig, name: str, tokens: Tokens, matcher: Any, client: Any) -> None:
    from semrsm_widgets.analysis import gram_place
    from semrsm_widgets.rsm import matched_gram

    there: dict[str, Any] = {} if client is None else {"client": client}
    log = _log(f"Gram of {name}", "pairs")
    place = gram_place(_below(config, GRAMS), name, matcher)
    matched_gram(tokens, matcher=matcher, memory=config.memory, store=place, progress=log, **there)


@contextmanager
def _client(config: RunConfig) -> Iterator[Any]:
    """Give a client of the cluster that the file names, with a worker at least; None where it names none."""
    if config.workers is None and config.scheduler is None and config.scheduler_file is None:
        yield None
        return
    distributed = optional("distributed", "scale")
    if config.workers is not None:
        _say(f"Starting {config.workers} workers")
        with (
            distributed.LocalCluster(n_workers=config.workers, threads_per_worker=1, dashboard_address=None) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client
        return
    said = config.scheduler or Path(config.scheduler_file or "").name
    if config.scheduler_file is not None and not os.path.isfile(config.scheduler_file):
        todo = "Start it: dask scheduler --scheduler-file FILE."
        raise FileNotFoundError(f"`cluster.scheduler_file`: there is no {said!r}. {todo}")
    try:
        client = distributed.Client(config.scheduler, scheduler_file=config.scheduler_file, timeout=ANSWERS_WITHIN)
    except (OSError, TimeoutError, ValueError) as error:
        raise ConnectionError(
            f"No scheduler answers at {said!r}: {error}. Is it running, and seen from here?"
        ) from None
    with client:
        _say("Waiting for a worker")
        client.wait_for_workers(1)
        yield client


def _below(config: RunConfig, *names: str) -> str:
    return "/".join([config.folder.rstrip("/"), *names])


def _gram(config: RunConfig, name: str, matcher: Any) -> str:
    """Return where the Gram of a layer is, or will be; nothing is made there."""
    from semrsm_widgets.analysis import gram_names

    return _below(config, GRAMS, *gram_names(name, matcher))


def _label(config: RunConfig) -> str:
    return config.folder.rstrip("/").rpartition("/")[2]


def _say(text: str) -> None:
    print(f"{text} ...", file=sys.stderr, flush=True)


def _log(what: str, unit: str) -> Callable[[int, int], None] | None:
    """Return what says now and then how far a call is, where no bar would; None where one does."""
    if sys.stderr.isatty():
        return None
    began = last = time.monotonic()
    first, said = -1, -1

    def tell(done: int, total: int) -> None:
        nonlocal last, first, said
        now = time.monotonic()
        if said == done or (said >= 0 and done < total and now - last < SAID_EVERY):
            return
        rate = (done - first) / max(now - began, 1e-9) if first >= 0 else 0.0
        left = f", {describe_seconds((total - done) / rate)} left" if rate and done < total else ""
        print(f"{what}: {done:,} of {total:,} {unit}{left}", file=sys.stderr, flush=True)
        last, said, first = now, done, done if first < 0 else first

    return tell
