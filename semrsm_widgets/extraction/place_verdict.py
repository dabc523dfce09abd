"""The judgement on a layout: whether tokens look where its grid puts them, by what the place probe saw."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from semrsm_widgets.common import Grid

from .layout import Layout
from .place_probe import ACROSS, ACROSS_SQUARE, DOWN, DOWN_SQUARE, FULL, WAVE, Evidence, Moments, centres, wave
from .shape_reading import Reading

# Thresholds set on all timm families with random weights, where right readings correlate .8 to 1 almost always, and
# on models that crop, move, mirror or warp the picture inside. On few tokens chance does better: more is asked there.
FOLLOWS = 0.5
FOLLOWS_ON = ((36, FOLLOWS), (16, 0.7), (0, 0.9))  # (tokens from, correlation)
TIE = 0.02
SLACK = 1.25  # cells by which a token's place may lie beside its area: convolutions without padding, or strided
BLOCKS = 8  # places are compared in at most so many blocks a side: single tokens are noisy in deep layers
SILENT = 1e-6  # of the mean energy: what a token that does not see the picture shows is rounding
APART = 0.5  # tokens look at places of their own if their means are spread by this much of the width of their areas
CLEAR = 0.9  # correlation at which there is nothing common to all tokens that would have to be taken away
STRAY = 0.1  # share of blocks that may look beside their place by chance, where few channels are alive
FAR_APART = 1.0  # the same where they do not follow the grid at all: deep layers with random weights reach .7 by chance
TIGHT = 0.8  # as APART: below this a token may look at several places; a wide window turns waves round, too
OUTSIDE = 0.35  # share of blocks that must look elsewhere before tokens that do not follow the grid refute it
WAVY = 0.3  # share of the waves' height that must be left before their form says anything
FEWEST_FOR_WAVES = 6  # cells
WHOLE = 0.9  # share of a side that passes for all of it
MIRRORED = 0.9  # correlation, with the sign turned


class Verdict(NamedTuple):
    """What the probe says of a layout.

    Attributes:
        kind: "right": tokens look where they stand. "divided": at areas around it, or at several places. "elsewhere":
            at other places. "mixed": at no places of their own, so nothing can be said. "silent": nothing in them
            changes with the picture. "random": they are others each time, so the probe was not asked.
        follows: correlation of the tokens' places with the grid's, the lower of both axes.
        note: for "elsewhere" what can be said of it.
    """

    kind: str
    follows: float
    note: str = ""


@dataclass(frozen=True)
class Axis:
    """Where tokens look along one axis of the picture, which goes from -1 to 1.

    Attributes:
        follows: correlation of the mean places with those of the grid.
        apart: spread of the mean places against the width of the areas that tokens look at.
        outside: share of the blocks whose own place lies beside the area that they look at.
        low, high: from where to where the blocks look, from 0 to 1.
        waves: correlation of what is left of the waves with what should be; 1 where too little is left.
    """

    follows: float
    apart: float
    outside: float
    low: float
    high: float
    waves: float

    @property
    def divided(self) -> bool:
        """Whether tokens look at several places: areas wider than their means are apart, with waves of other places."""
        return self.apart < TIGHT and self.waves < FOLLOWS


def judge(evidence: Evidence, layout: Layout, *, asked: float | None = None) -> Verdict:
    """Return the verdict on a layout with a grid: by the plain reactions if they are clear, else by either.

    Args:
        evidence: what the probe saw of the output.
        layout: how it may be read.
        asked: the correlation that confirms it; None: more where there are few tokens.
    """
    assert layout.grid is not None
    reaction = evidence.of(layout)
    axes = {} if reaction is None else _axes(reaction.plain, layout.grid, reaction.channels)
    if reaction is None or not axes:
        return Verdict("silent", 0.0)
    count = layout.grid[0] * layout.grid[1]
    if asked is None:
        asked = next(asked for least, asked in FOLLOWS_ON if count >= least)
    plain = _verdict(axes, asked)
    # Where nothing is left but what all have in common, the rest is rounding.
    if plain.follows >= CLEAR or reaction.centred[FULL].sum() <= SILENT * reaction.plain[FULL].sum():
        return plain
    # What is left is enough to confirm. It refutes with the rest alone: where little is left, it may look anywhere.
    centred = _verdict(_axes(reaction.centred, layout.grid, reaction.channels), asked)
    if centred.kind == "right":
        return centred
    return plain if centred.kind in ("elsewhere", plain.kind) else Verdict("mixed", plain.follows)


def _verdict(axes: dict[str, Axis], asked: float) -> Verdict:
    follows = min(axis.follows for axis in axes.values())
    if follows >= asked:
        if not any(axis.outside > STRAY for axis in axes.values()):
            kind = "divided" if any(axis.divided for axis in axes.values()) else "right"
            return Verdict(kind, follows, _where(axes) if kind == "divided" else "")
        if all(axis.apart < APART for axis in axes.values()):
            return Verdict("mixed", follows)
        return Verdict("elsewhere", follows, _where(axes))
    if any(axis.apart >= FAR_APART and axis.outside >= OUTSIDE for axis in axes.values()):
        return Verdict("elsewhere", follows, _where(axes))
    return Verdict("mixed", follows)


def _where(axes: dict[str, Axis]) -> str:
    """Return what can be said of places that are not the grid's."""
    for name, axis in axes.items():
        if axis.follows < -MIRRORED:
            return f"the picture's {name} is mirrored inside the model"
    parts = [
        f"{round(100 * max(axis.low, 0))} to {round(100 * min(axis.high, 1))} % of the {name}"
        for name, axis in axes.items()
        if axis.outside and axis.follows > FOLLOWS_ON[-1][1] and axis.high - axis.low < WHOLE
    ]
    if parts:
        return f"its tokens look at {' and '.join(parts)} of the picture only"
    return "its tokens look at other parts of the picture than their rows and columns say"


def _axes(moments: Moments, grid: Grid, channels: int) -> dict[str, Axis]:
    """Return what there is to say of "height" and "width"; of an axis of one cell, or if nothing reacts, nothing."""
    maps = moments.reshape(-1, *grid)
    energy = maps[FULL]
    seen = energy > SILENT * energy.mean()
    if not seen.any():
        return {}
    # A token of little energy has it by chance: its place is a ratio of two small numbers.
    trust = np.minimum(energy / energy[seen].mean(), 1.0) * seen
    blocks = _blocks(np.stack([energy * seen, trust, seen]))
    found = {}
    for name, axis, along, squares in (("height", 0, DOWN, DOWN_SQUARE), ("width", 1, ACROSS, ACROSS_SQUARE)):
        if grid[axis] > 1:
            ratios = maps[[along, squares, WAVE]] / np.where(seen, energy, 1.0) * seen
            found[name] = _axis(ratios, energy * seen, trust / trust.sum(), blocks, channels, axis)
    return found


def _axis(ratios: Moments, energy: Moments, trust: Moments, blocks: Moments, channels: int, axis: int) -> Axis:
    """Measure one axis.

    Args:
        ratios: (3, h, w) each token's mean place, mean square of it, and mean wave.
        energy: (h, w) of each token's full change; 0 where it sees nothing.
        trust: (h, w) each token's weight; they add up to 1.
        blocks: of energy, of weights before they add up to 1, and the share of tokens that see something.
        channels: how many there are.
        axis: 0 for down, 1 for across.
    """
    mean, square, waves = ratios
    side = mean.shape[axis]
    places = centres(side).double().numpy()
    stands = np.broadcast_to(places[:, None] if axis == 0 else places, mean.shape)
    # As with any variance about an estimated mean: one channel tells a place, but not the width of an area.
    variance = np.maximum(square - mean**2, 0.0) * (channels / (channels - 1)) if channels > 1 else np.ones_like(mean)
    middle = float((trust * mean).sum())
    spread = (3 * float((trust * (mean - middle) ** 2).sum())) ** 0.5
    width = (3 * float((trust * variance).sum())) ** 0.5
    filled = blocks[2] > 0.5
    along, around, own = _blocks(np.stack([energy * mean, energy * variance, stands]))[:, filled]
    looked, area, weight = along / blocks[0][filled], around / blocks[0][filled], blocks[1][filled]
    low, high = (looked.min(), looked.max()) if len(looked) else (places[0], places[-1])
    step = (high - low) / max(min(side, BLOCKS) - 1, 1)  # these are the middles of the first block and the last
    beside = np.abs(looked - own) - np.sqrt(3 * area) - 2 * SLACK / side
    energies = energy.sum(1 - axis)
    there = energies > 0
    return Axis(
        follows=correlation(mean, stands, trust),
        apart=spread / max(width, 1e-9),
        outside=float(weight[beside > 0].sum() / weight.sum()) if len(beside) else 0.0,
        low=float(low - step / 2 + 1) / 2,
        high=float(high + step / 2 + 1) / 2,
        waves=_waves((energy * waves).sum(1 - axis)[there] / energies[there], places[there]),
    )


def _blocks(values: Moments) -> Moments:
    """Return the means of at most BLOCKS × BLOCKS blocks of maps (n, h, w)."""
    sums = values.astype(np.float64)
    for axis in (1, 2):
        side = values.shape[axis]
        count = min(side, BLOCKS)
        if count < side:
            starts = np.arange(count) * side // count
            lengths = np.diff(np.append(starts, side))
            sums = np.add.reduceat(sums, starts, axis) / (lengths[:, None] if axis == 1 else lengths)
    return sums


def _waves(left: Moments, places: Moments) -> float:
    """Return how well the rows' or columns' mean waves follow the waves at their places; 1 if they cannot tell."""
    if len(left) < FEWEST_FOR_WAVES:
        return 1.0
    sent = wave(torch.from_numpy(places)).numpy() / 2
    if float(left.std()) < WAVY * float(sent.std()):
        return 1.0
    return correlation(left, sent, np.full_like(left, 1 / len(left)))


def correlation(a: Moments, b: Moments, weights: Moments) -> float:
    """Return Pearson's correlation with weights that add up to 1; 0 if one of the two is constant."""
    a, b = a - (weights * a).sum(), b - (weights * b).sum()
    norm = float(np.sqrt((weights * a * a).sum() * (weights * b * b).sum()))
    return float((weights * a * b).sum()) / norm if norm > 0 else 0.0


def confirmed(evidence: Evidence, reading: Reading, extra: Collection[Layout] = ()) -> tuple[Layout | None, Verdict]:
    """Return the reading of an ambiguous shape that the probe confirms, or None, and the verdict on the likeliest.

    Args:
        evidence: what the probe saw of the output.
        reading: what its shape allows.
        extra: readings in an order of the model's own, tried if the shape's are not confirmed.
    """
    verdicts = [(candidate, judge(evidence, candidate.layout)) for candidate in reading.candidates]
    best: tuple[float, Layout | None] = (0.0, None)
    for candidate, verdict in verdicts:
        # A declared reading needs half the evidence on a tiny grid, where every correlation is a matter of chance.
        right = verdict.kind == "right" or (
            candidate.declared and verdict.kind == "mixed" and verdict.follows >= FOLLOWS
        )
        if right and verdict.follows > best[0] + TIE:
            best = verdict.follows, candidate.layout
    if best[1] is not None:
        return best[1], Verdict("right", best[0])
    told = [verdict for _, verdict in verdicts]
    own = [(layout, judge(evidence, layout)) for layout in extra]
    fitting = [(verdict.follows, layout) for layout, verdict in own if verdict.kind == "right"]
    if fitting:
        follows, layout = max(fitting, key=lambda pair: pair[0])
        return layout, Verdict("right", follows)
    return None, told[0]
