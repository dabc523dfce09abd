"""The band probe: where in the image each token looks, found by changing one band of the image at a time.

One noise image, and copies of it with other noise added in each of BANDS horizontal and BANDS vertical bands. A token
that stands at a place reacts most to the bands that cross it: the centroid of its reaction over the bands follows its
row and its column. A reading of the output is right if they do, wrong if tokens have distinct places but other ones,
and left open if every token reacts to every band alike, as after much mixing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .hooks import hooked, leaves, noise, run
from .layout import Layout, to_tokens
from .shape_reading import Candidate, Reading

BANDS = 4
IMAGES = 1 + 2 * BANDS
CHANGE = 0.5  # noise added in a band, in standard deviations of the image

# Thresholds set on 134 models of all timm families with random weights: right readings correlate .93-.99 almost
# always, wrong ones at most .35 on grids from 7 x 7. On few tokens chance does better, so more is asked there.
FOLLOWS = 0.5
FOLLOWS_ON = ((36, FOLLOWS), (16, 0.7), (0, 0.9))  # (tokens from, correlation)
DISTINCT = 0.7  # tokens have places of their own: permuted orders .91-.97, mixed ones at most .47
UNIFORM = 12**-0.5  # standard deviation of places spread evenly over [0, 1]
TIE = 0.02

Key = tuple[str, int, str]  # path, call, leaf


@dataclass(frozen=True)
class Places:
    """Where the tokens of one output look.

    Attributes:
        output: (1 + 2 * BANDS, ...) the output for the image and its changed copies; dropped once it is decided.
    """

    output: Tensor

    def _reaction(self, layout: Layout) -> Tensor:
        """Return how much each token of each image changed, (2 * BANDS, S) float64."""
        tokens = to_tokens(self.output, layout)[0]
        return (tokens[1:] - tokens[:1]).float().square().sum(-1).double()

    def follows(self, layout: Layout) -> float:
        """Return how well the tokens' places follow the grid: the lower of two correlations; 0 if undefined."""
        assert layout.grid is not None
        h, w = layout.grid
        rows, columns, _ = _centroids(self._reaction(layout))
        found = [
            _correlation(centroid, expected.to(centroid))
            for side, centroid, expected in (
                (h, rows, torch.arange(h).repeat_interleave(w)),
                (w, columns, torch.arange(w).repeat(h)),
            )
            if side > 1
        ]
        return min(found, default=0.0)

    def distinct(self, layout: Layout) -> float:
        """Return how far the tokens, in whatever order, have places of their own: 0 (all mixed) to 1."""
        rows, columns, concentration = _centroids(self._reaction(layout))
        spread = min(float(rows.std()), float(columns.std())) / UNIFORM
        return min(spread, concentration)


def _centroids(energy: Tensor) -> tuple[Tensor, Tensor, float]:
    """Return each token's mean row and column in [0, 1], (S,) each, and how concentrated the reactions are."""
    centres = (torch.arange(BANDS, device=energy.device, dtype=energy.dtype) + 0.5) / BANDS
    places, shares = [], []
    for bands in (energy[:BANDS], energy[BANDS:]):
        own = bands - bands.min(0).values
        total = own.sum(0)
        places.append((centres @ own) / total)
        shares.append((bands.max(0).values / bands.sum(0) - 1 / BANDS) / (1 - 1 / BANDS))
    concentration = float(torch.cat(shares).nan_to_num(0.0).mean())
    return places[0].nan_to_num(0.5), places[1].nan_to_num(0.5), concentration


def _correlation(a: Tensor, b: Tensor) -> float:
    a, b = a - a.mean(), b - b.mean()
    norm = float(a.norm() * b.norm())
    return float(a @ b) / norm if norm > 0 else 0.0


def asked_for(layout: Layout) -> float:
    """Return the correlation that confirms a grid."""
    assert layout.grid is not None
    count = layout.grid[0] * layout.grid[1]
    return next(asked for least, asked in FOLLOWS_ON if count >= least)


def probe(
    module: nn.Module,
    input_shape: tuple[int, ...],
    as_keyword: bool,
    device: torch.device,
    wanted: Collection[Key],
    decide: Callable[[Key, Places], None],
) -> None:
    """Run the module on the probe's images and hand what each wanted output gave to `decide`.

    Call it inside `as_found`. Nothing is kept beyond the call of `decide`: a deep model has hundreds of outputs.
    """
    base, other = noise((2, *input_shape), device, seed=1)
    height, width = input_shape[1:]
    batch = base.repeat(IMAGES, 1, 1, 1)
    for band in range(BANDS):
        top, bottom = band * height // BANDS, (band + 1) * height // BANDS
        left, right = band * width // BANDS, (band + 1) * width // BANDS
        batch[1 + band, :, top:bottom] += CHANGE * other[:, top:bottom]
        batch[1 + BANDS + band, :, :, left:right] += CHANGE * other[:, :, left:right]
    calls: dict[str, int] = {}

    def look(path: str, output: Any) -> None:
        calls[path] = calls.get(path, 0) + 1
        for leaf, (tensor, _) in leaves(output).items():
            if (path, calls[path], leaf) in wanted:
                decide((path, calls[path], leaf), Places(tensor))

    with hooked(module, {path for path, _, _ in wanted}, look):
        run(module, batch, as_keyword)


def judged(places: Places, reading: Reading, extra: Collection[Layout] = ()) -> tuple[Layout | None, str]:
    """Return the reading that the places confirm, or None and why: "permuted" or "mixed".

    Args:
        places: what the probe saw of the output.
        reading: what its shape allows.
        extra: readings in an order of the model's own, tried if tokens have places but other ones.
    """
    best: tuple[float, Layout | None] = (0.0, None)
    for candidate in reading.candidates:
        score = places.follows(candidate.layout)
        # A declared reading needs half the evidence on a tiny grid, where every correlation is a matter of chance.
        enough = FOLLOWS if candidate.declared else asked_for(candidate.layout)
        if score >= enough and score > best[0] + TIE:
            best = score, candidate.layout
    if best[1] is not None:
        return best[1], ""
    layouts = [candidate.layout for candidate in reading.candidates]
    if max((places.distinct(layout) for layout in layouts if layout.axes != "NTLC"), default=0.0) < DISTINCT:
        return None, "mixed"
    own = [layout for layout in extra if places.follows(layout) >= asked_for(layout)]
    return (max(own, key=places.follows) if own else None), "permuted"


def declared_reading(candidates: Collection[Candidate]) -> Layout | None:
    """Return the first reading that the model itself declares, or None."""
    return next((candidate.layout for candidate in candidates if candidate.declared), None)
