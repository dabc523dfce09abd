"""Do the 95 % intervals hold what they promise? Simulations with a known truth; run it from this folder.

    python intervals.py [--draws 500] [--images 60] [--quick] [--shares 0 0.5 0.8]

Each row draws a data set again and again and counts how often the interval holds the truth. The bootstrap over images
stands beside the jackknife to show why it is not used: drawn with replacement, an image meets itself off the diagonal.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _features import machine

from semrsm_widgets.experiments.translation import separation
from semrsm_widgets.retrieval.metrics import label_f1, score_ranking
from semrsm_widgets.retrieval.ranking import nearest
from semrsm_widgets.statistics import cka, doubly_centred, jackknife, permutation_test, rsa
from semrsm_widgets.statistics.statistic import Statistic

RESULTS = Path(__file__).parent / "results"
CHANNELS = 20
KINDS = 6

Draw = Callable[[np.random.Generator, int], dict[str, Statistic]]


def features(rng: np.random.Generator, n: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return two RSMs of features that are correlated by `share` channel by channel."""
    x = rng.normal(size=(n, CHANNELS))
    y = share * x + np.sqrt(1 - share**2) * rng.normal(size=x.shape)
    return x @ x.T, y @ y.T


def centred_spearman(K: np.ndarray, L: np.ndarray) -> float:
    """Return the Spearman correlation of two RSMs after row and column effects are taken out."""
    return rsa(doubly_centred(K), doubly_centred(L))


def bootstrap(statistic: Callable[..., float], K: np.ndarray, L: np.ndarray, rng: np.random.Generator) -> Statistic:
    """Return the percentile interval of 200 draws of images with replacement."""
    n = len(K)
    values = []
    for _ in range(200):
        some = rng.integers(n, size=n)
        values.append(statistic(K[np.ix_(some, some)], L[np.ix_(some, some)]))
    low, high = np.quantile(values, [0.025, 0.975])
    return Statistic(value=statistic(K, L), low=float(low), high=float(high), n=n)


def comparisons(share: float, rng: np.random.Generator, n: int, *, quick: bool = False) -> dict[str, Statistic]:
    """Return the intervals of CKA and RSA for one draw; `quick` leaves out what is computed anew without each image."""
    K, L = features(rng, n, share)
    found = {
        "cka": jackknife(cka, K, L),
        "rsa pearson": jackknife(partial(rsa, method="pearson"), K, L),
        "rsa spearman": jackknife(rsa, K, L),
        "double-centred spearman": jackknife(rsa, doubly_centred(K), doubly_centred(L)),
    }
    if quick:
        return found
    return found | {
        "rsa spearman, exact": jackknife(rsa, K, L, exact=True),
        "double-centred spearman, exact": jackknife(centred_spearman, K, L),
        "cka, bootstrap over images": bootstrap(cka, K, L, rng),
    }


def retrieval(signal: float, rng: np.random.Generator, n: int) -> dict[str, Statistic]:
    """Return the intervals of F1@5, mAP and AUC for one draw of labelled images and shifted copies."""
    kinds = rng.integers(KINDS, size=n)
    x = signal * np.eye(KINDS, CHANNELS)[kinds] + rng.normal(size=(n, CHANNELS)) / 2
    f1 = label_f1([{str(kind)} for kind in kinds])
    found = score_ranking(nearest(x @ x.T), f1, 5, complete=True, queries=False)
    shifted = x + signal / 2 * rng.normal(size=x.shape)
    split = separation(x @ shifted.T)
    return {"F1@5": found.f1, "mAP": found.average_precision, "AUC": split["AUC"], "top-1": split["top-1"]}


def coverage(draw: Draw, truth: dict[str, float] | None, n: int, draws: int, seed: int) -> dict[str, Any]:
    """Return how often each interval holds the truth; the mean of all draws stands in where it depends on n."""
    rng = np.random.default_rng(seed)
    answers = [draw(rng, n) for _ in range(draws)]
    rows = {}
    for name in answers[0]:
        own = [answer[name] for answer in answers]
        mean = float(np.mean([each.value for each in own]))
        target = (truth or {}).get(name, mean)
        held = float(np.mean([each.low <= target <= each.high for each in own]))
        width = float(np.mean([each.high - each.low for each in own]))
        rows[name] = {"truth": target, "mean": mean, "coverage": held, "width": width}
    return rows


def truths(share: float) -> dict[str, float]:
    """Return the truth of each comparison: CKA in closed form, correlations of a very large set of images."""
    K, L = features(np.random.default_rng(99), 4000, share)
    large = {f"rsa {method}": rsa(K, L, method=method) if share else 0.0 for method in ("pearson", "spearman")}
    large["double-centred spearman"] = centred_spearman(K, L) if share else 0.0
    exact = {f"{name}, exact": large[name] for name in ("rsa spearman", "double-centred spearman")}
    return {"cka": share**2, "cka, bootstrap over images": share**2, **large, **exact}


def p_values(n: int, draws: int) -> dict[str, float]:
    """Return how often unrelated RSMs come out below 5 %, and how far the p-values are from uniform."""
    rng = np.random.default_rng(3)
    p = np.sort([permutation_test(cka, *features(rng, n, 0.0), n=99, seed=s).p_value for s in range(draws)])
    distance = float(np.abs(p - 0.005 - (np.arange(draws) + 0.5) / draws).max())
    return {"share below 0.05": float(np.mean(p <= 0.05)), "KS distance": distance, "5 % bound": 1.36 / np.sqrt(draws)}


def main() -> None:
    """Run all simulations and write their results."""
    parser = argparse.ArgumentParser(description="Coverage of the intervals.")
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--quick", action="store_true", help="leave out what is computed anew without each image")
    parser.add_argument("--shares", type=float, nargs="+", help="only RSMs of features that are correlated by these")
    options = parser.parse_args()
    n, draws = options.images, options.draws
    found: dict[str, Any] = {"machine": machine(), "images": n, "draws": draws}
    for share in options.shares or (0.0, 0.5, 0.8):
        name = f"dependent, {share}" if share else "independent"
        found[name] = coverage(partial(comparisons, share, quick=options.quick), truths(share), n, draws, 1)
    if not options.shares:
        for name, signal in (("labels, weak signal", 0.5), ("labels, strong signal", 1.0)):
            found[name] = coverage(partial(retrieval, signal), None, n, draws, 2)
        found["p-values of unrelated RSMs"] = p_values(n, 4 * draws)
    for name, rows in found.items():
        if isinstance(rows, dict) and name != "machine":
            print(f"\n{name}")
            for row, numbers in rows.items():
                shown = numbers if isinstance(numbers, float) else {k: round(v, 4) for k, v in numbers.items()}
                print(f"  {row:28} {shown}")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "intervals.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
