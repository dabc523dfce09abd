"""Do the experiments, with all their intervals, take longer than the Grams they rest on? Run it from this folder.

    python experiments.py [--images 100 300 1000 3000] [--sizes 16 49 196] [--largest 300] [--classes 10]

CPU seconds on one thread. A Gram is the matched and the aligned one of a layer, made in one run; that of more images
than `--largest` is reckoned from as many, by the number of pairs. What the experiments take does not depend on the
number of tokens, so they are run on Grams of few: `output_agreement` of one layer under three kernels, `compare` of two
layers with each other by CKA and by Spearman (two layers' Grams), `retrieval_scores` of a layer, and what
`translation_test` makes of the similarities of queries (the Grams of all pairs, i with j and j with i). The last column
is what a bar reckons with before, as a part of what it took.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Read when the libraries are loaded: one thread.
os.environ.update({f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "NUMBA")})

import numpy as np
import torch
from _features import machine

import semrsm_widgets as srsm
from semrsm_widgets.experiments.agreement import scoring_seconds
from semrsm_widgets.experiments.layer_pairs import comparing_seconds
from semrsm_widgets.experiments.scores import rsms_of
from semrsm_widgets.experiments.translation import separation

RESULTS = Path(__file__).parent / "results"
CHANNELS = 64
KINDS = 10
FEW = 4
"""Tokens of the images that the experiments are run on."""
LAYERS = ("a", "b")


def seconds(work: Callable[[], Any]) -> float:
    """Return the CPU seconds of a call."""
    started = time.process_time()
    work()
    return time.process_time() - started


def layer(count: int, size: int, seed: int) -> srsm.Tokens:
    """Return random tokens of images of some kinds."""
    rng = torch.Generator().manual_seed(seed)
    kinds = torch.arange(count) % KINDS
    values = torch.randn(count, size, CHANNELS, generator=rng)
    values += 0.5 * torch.randn(KINDS, 1, CHANNELS, generator=rng)[kinds]
    known = {"grid": None, "native_grid": None, "note": "", "prefix": None, "has_class_token": False}
    return srsm.Tokens(values=values, layer=LAYERS[seed], **known)


def gram_seconds(count: int, size: int, largest: int) -> float:
    """Return what the matched and the aligned Gram of a layer take."""
    used = min(count, largest)
    tokens = layer(used, size, 0)
    taken = seconds(lambda: [srsm.matched_gram(tokens), srsm.matched_gram(tokens, matcher=srsm.Identity())])
    return taken * (count * (count - 1)) / (used * (used - 1))


def experiment_seconds(count: int, classes: int) -> dict[str, tuple[float, int]]:
    """Return what each experiment takes when its Grams are there, and how many Grams of a layer it rests on."""
    rng = np.random.default_rng(0)
    pictures = list(rng.integers(0, 255, (count, 4, 4, 3), dtype=np.uint8))
    images = srsm.load_images(pictures, labels=[str(k % KINDS) for k in range(count)])
    tokens = {name: layer(count, FEW, k) for k, name in enumerate(LAYERS)}
    probabilities = rng.dirichlet(np.full(classes, 0.3), count)
    analysis = srsm.Analysis(images, tokens, probabilities=probabilities)
    asked = srsm.Analysis(images, {"a": tokens["a"]}, queries=images, query_tokens={"a": tokens["b"]})
    for name in LAYERS:
        for matcher in (None, srsm.Identity()):
            analysis.gram(name, matcher=matcher)
    for matcher in (None, srsm.Identity()):
        asked.query_gram("a", matcher=matcher)
    work: dict[str, tuple[Callable[[], Any], int]] = {
        "output_agreement": (lambda: srsm.output_agreement(analysis, layers=["a"]), 1),
        "compare, CKA": (lambda: srsm.compare(analysis), 2),
        "compare, Spearman": (lambda: srsm.compare(analysis, statistic=srsm.rsa), 2),
        "retrieval_scores": (lambda: srsm.retrieval_scores(analysis, layers=["a"]), 1),
        "translation_test": (lambda: [separation(K) for K in rsms_of(asked, "a", queries=True).values()], 2),
    }
    return {name: (seconds(call), grams) for name, (call, grams) in work.items()}


def reckoned_seconds(name: str, count: int, classes: int) -> float:
    """Return what the bar of an experiment reckons with; NaN for those that reckon with no time."""
    if name == "output_agreement":
        scoring, predictions = scoring_seconds(count, classes)
        return 3 * scoring + predictions
    if name.startswith("compare"):
        making, comparing = comparing_seconds(srsm.cka if name.endswith("CKA") else srsm.rsa, count, 2, 0)
        return 2 * making + 3 * comparing  # of four pairs of layers one is the mirror image of another
    return float("nan")


def main() -> None:
    """Print a table of seconds, and of how many of its Grams each experiment takes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[100, 300, 1000, 3000])
    parser.add_argument("--sizes", type=int, nargs="+", default=[16, 49, 196])
    parser.add_argument("--largest", type=int, default=300)
    parser.add_argument("--classes", type=int, default=10)
    given = parser.parse_args()
    about = machine()
    print(json.dumps(about))
    experiment_seconds(20, 3)  # what is imported and compiled at the first call
    gram_seconds(20, 16, 20)
    rows = []
    print(
        f"| N | experiment | seconds | {' | '.join(f'of its Grams, S = {size}' for size in given.sizes)} | reckoned |"
    )
    print("| --- " * (4 + len(given.sizes)) + "|")
    for count in given.images:
        grams = {size: gram_seconds(count, size, given.largest) for size in given.sizes}
        print(f"| {count} | Gram of a layer | | {' | '.join(f'{grams[size]:.3g} s' for size in given.sizes)} | |")
        for name, (taken, layers) in experiment_seconds(count, given.classes).items():
            ratios = {size: taken / (layers * grams[size]) for size in given.sizes}
            shown = " | ".join(f"{ratios[size]:.2f}" for size in given.sizes)
            reckoned = reckoned_seconds(name, count, given.classes) / taken
            print(f"| {count} | {name} | {taken:.3g} | {shown} | {reckoned:.2f} |", flush=True)
            rows.append({"images": count, "experiment": name, "seconds": taken, "grams": grams, "ratios": ratios})
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "experiments.json").write_text(json.dumps({"machine": about, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
