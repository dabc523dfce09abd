"""Building a report: views without a browser are asked for everything that a page may want, and it is packed."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from semrsm_widgets.analysis import gram_share, layer_costs
from semrsm_widgets.common import Meter, __version__, describe_seconds
from semrsm_widgets.figures import weights_badge
from semrsm_widgets.views.base import KERNELS, page_traits
from semrsm_widgets.views.pair import PairView
from semrsm_widgets.views.retrieval import RetrievalView
from semrsm_widgets.views.rsm import ORDERS, RSMView

from .near_pairs import NearPairs, Pair, near_pairs, pooled_analysis, pooled_layers
from .packing import Blobs, Rounding, pack
from .page import Words, page_html
from .pictures import as_png, private_images, small_images
from .products import Shares, token_shares
from .recording import Recorded, Recording, ask, record, recorded_view
from .words import counted, embedded_words, held_words, origin_words, pooled_words, provenance_words

if TYPE_CHECKING:
    from semrsm_widgets.analysis import Analysis


# What the eye cannot see: similarities are shown to 0.01, contributions beside the largest one.
ROUNDINGS = {
    "cosine": Rounding(step=0.01),
    "contribution": Rounding(share=1 / 500),  # where it does not follow from a cosine
    "similarity": Rounding(step=0.0001),
    "share": Rounding(share=1 / 2000),
}
# A file keeps at least this much for the pairs, however large the rest is.
_LEAST_PAIR_BYTES = 1_000_000
# After so many pairs it is known how many bytes one takes.
_SAMPLE_PAIRS = 8
# Pairs that are matched at once.
_BLOCK_PAIRS = 32
# Roughly, for the shares of a bar and the first estimate: a pair or a query at a layer, a layer under a kernel.
_SECONDS_PER_PAIR = 0.005
_SECONDS_PER_QUERY = 0.005
_SECONDS_PER_FRAME = 0.03
_RECORDING_SHARE = 0.8  # of the patches; the rest is packing them
_PAGE_SHARE = 0.02
_GUESSED_NEAR = 1.6  # pairs for each neighbour of an image, before it is known which are near
# Images -> pixels a side of their pictures; more images leave less room for each.
_THUMBNAILS = 64  # that RetrievalView sends at once
_PIXELS = ((64, 340), (128, 240), (300, 160))


@dataclass(frozen=True, kw_only=True)
class Part:
    """A view of the report.

    Attributes:
        name: the name of its class.
        view: the view, without a browser.
        packs: what of that was packed: (layer or None, id).
        guarded: whether it shows only the pairs that the file holds.
        effects: what the view's Python sets when a trait is set; see `trait_effects`.
        alone: traits that are not linked with those of the other views.
    """

    name: str
    view: Any
    packs: list[tuple[str | None, str]] = field(default_factory=list)
    guarded: bool = False
    effects: list[dict[str, Any]] = field(default_factory=list)
    alone: tuple[str, ...] = ()


class ReportBuilder:
    """Collects views, their answers and the words about them.

    Args:
        analysis: what to show.
        images: whether pictures and ids may be in the file.
        labels: whether labels may be.
        meter: is told how far it is.
    """

    def __init__(self, analysis: Analysis, *, images: bool, labels: bool, meter: Meter) -> None:
        self.analysis = copy.copy(analysis)  # what is computed is shared
        self.pixels = next(pixels for most, pixels in _PIXELS if len(analysis) <= most)
        if images:
            self.analysis.images = small_images(analysis.images, self.pixels, labels=labels)
        else:
            self.analysis.images = private_images(analysis.images, labels=labels)
        self.has_images, self.has_labels = images, labels and bool(analysis.images.labels)
        self.blobs = Blobs(convert=bytes if images else as_png)
        self.stored: dict[str, str] = {}
        self.parts: list[Part] = []
        self.facts: list[str] = []
        self.pair: Pair = (0, 1)
        self.near = NearPairs(pairs=[], ranks=[])
        self.neighbours = 0
        self.held: list[Pair] = []
        self.held_words = ""
        self._meter = meter
        self._matching_share = 1.0

    def weigh(self, pairs: int) -> None:
        """Say what the steps will take: the heatmaps, the retrieval, the patches of so many pairs, and the page."""
        analysis, layers = self.analysis, len(self.analysis.layers)
        queries, frames = len(analysis) * layers, len(KERNELS) * layers
        matching = sum(layer_costs(analysis, analysis.layers))
        steps = [
            matching + _SECONDS_PER_FRAME * frames,
            _SECONDS_PER_QUERY * queries,
            _SECONDS_PER_PAIR * pairs * layers,
        ]
        self._matching_share = matching / steps[0]
        self._meter.costs = [*steps, _PAGE_SHARE * sum(steps)]
        what = f"{counted(len(analysis), 'image')} at {counted(layers, 'layer')}, {pairs:,} pairs with patches"
        less = f'; pairs="current" takes {describe_seconds(max(1.0, sum(steps[:2])))}' if pairs > 1 else ""
        self._meter.expect(sum(steps), f"{what}: about {describe_seconds(sum(steps))}{less}")

    def step(self, done: int) -> None:
        """Say that a step begins, the number of those done before; may raise to cancel."""
        self._meter(done, 4)

    # -- the views ------------------------------------------------------------------------------------------------

    def add_rsms(self, layer: str, kernel: str) -> None:
        """Add RSMView with every layer under every kernel."""
        analysis, count = self.analysis, len(self.analysis.layers)
        costs = layer_costs(analysis, analysis.layers)
        with self._meter.part(self._matching_share), Meter("Comparing the images", unit="layers") as meter:
            meter.costs = costs
            for k, name in enumerate(analysis.layers):
                meter(k, count)
                with meter.part(gram_share(analysis)):
                    analysis.gram(name)
                analysis.null(name)
            meter(count, count)
        view = recorded_view(RSMView, Recording(("layer", "kernel")), analysis, layer=layer, kernel=kernel, offers=[])
        ask(view, kind="figures")
        ask(view, kind="ready")
        states = [{"kernel": each, "layer": name} for each in KERNELS for name in _starting_at(layer, analysis.layers)]
        record(view, states)
        effects = trait_effects(view, "order", ORDERS, ("layer", "kernel"), ("_sequence", "_sequence_note"), states)
        view.kernel, view.layer = kernel, layer
        self.add(Part(name="RSMView", view=view, effects=effects))
        n = len(analysis)
        self.facts.append(
            f"Heatmaps: all {n * (n - 1) // 2:,} pairs of images at {counted(count, 'layer')} under "
            f"{len(KERNELS)} kernels, unrounded."
        )

    def choose_pair(self, layer: str, pair: Pair | None, neighbours: int) -> None:
        """Find the near pairs, and show a pair first: unless given, one that matching brings together.

        Args:
            layer: where it brings them together.
            pair: the pair to show, if one is wanted.
            neighbours: how many nearest of each image make near pairs; 0: the pair shown is the only one.
        """
        self.neighbours = neighbours
        self.near = near_pairs(self.analysis, max(1, neighbours))
        if pair is None:
            found = self.analysis.similarities(layer)
            gain = found.semantic - found.aligned
            nearest = [each for each, rank in zip(self.near.pairs, self.near.ranks, strict=True) if rank == 1]
            pair = max(nearest, key=lambda each: float(gain[each]))
        self.pair = min(pair), max(pair)
        self.weigh(len(self.near.pairs) if neighbours else 1)

    def add_pairs(self, layer: str, max_grid: int | None, max_megabytes: float) -> None:
        """Add PairView with as many pairs, the nearest first, as there is room for; inf: there is."""
        if any(tokens.values.is_meta for tokens in self.analysis.tokens.values()):
            self.facts.append("No patches: this Analysis was saved without its tokens, so it matches nothing anew.")
            return
        pooled = pooled_layers(self.analysis, max_grid)
        analysis = pooled_analysis(self.analysis, pooled, max_grid) if pooled else self.analysis
        view = recorded_view(
            PairView,
            Recording(("layer", "pair")),
            analysis,
            layer=layer,
            pair=self.pair,
            offers=[],
        )
        ask(view, kind="ready")
        order = [self.pair, *(each for each in self.near.pairs if each != self.pair and self.neighbours)]
        rest = len(self.html(()))
        count = min(len(order), _SAMPLE_PAIRS)
        with self._meter.part(_RECORDING_SHARE), Meter("Patches", unit="pairs") as meter:
            while True:
                self._record_pairs(view, order[:count], len(order), meter)
                if count == len(order):
                    break
                found = Blobs()
                taken = sum(len(text) for text in self._packed(view, found).values())
                pictures = sum(map(len, found.texts)) / max(1, len(found.texts)) * len(analysis)
                room = max(_LEAST_PAIR_BYTES, 1e6 * max_megabytes - rest - pictures)
                # The more pairs, the less each takes: this falls a little short, and the next time less.
                more = int(min(len(order), count * room / taken))
                if more < 1.05 * count:
                    break
                count = more
        self.held = order[:count]
        view.layer, view.pair = layer, self.pair
        with Meter("Packing the patches"):
            self.add(Part(name="PairView", view=view, guarded=True), place=1)
        # Among those held may be one that the user chose and that is not near.
        whole = self.near.whole_rank(count - (self.pair not in self.near.pairs)) if count < len(order) else None
        self.held_words = held_words(len(analysis), count, self.neighbours, whole)
        less = "" if whole is None else " More would not fit: max_megabytes=... raises the limit."
        self.facts.append(f"Patches: {self.held_words}.{less}")
        if pooled:
            self.facts.append(pooled_words(pooled, self.analysis, analysis))
        self.facts.append(
            "Rounded: cosines of single patches to 0.01, contributions accordingly, similarities of retrieved images "
            f"to 0.0001; {f'pictures to {self.pixels} pixels a side' if self.has_images else 'nothing else'}."
        )

    def _record_pairs(self, view: Any, pairs: Sequence[Pair], total: int, meter: Meter) -> None:
        """Record some pairs of all at all layers."""
        layers = list(view.analysis.layers)
        for start in range(0, len(pairs), _BLOCK_PAIRS):
            block = pairs[start : start + _BLOCK_PAIRS]
            for name in layers:
                view.analysis.match_pairs(name, block)
            for k, pair in enumerate(block, start):
                meter(k, total)
                record(view, [{"pair": pair, "layer": name} for name in layers])
                layers.reverse()  # the next pair starts where this one ends: one change at a time
        meter(len(pairs), total)

    def add_retrieval(self, layer: str, query: int) -> None:
        """Add RetrievalView with every image as the query, at every layer, under the cosine."""
        analysis, count = self.analysis, len(self.analysis)
        recording = Recording(("layer", "query"), apart=("indices",), named={"index": "query"})
        view = recorded_view(RetrievalView, recording, analysis, layer=layer, offers=[])
        ask(view, kind="ready")
        for start in range(0, count, _THUMBNAILS):
            ask(view, kind="thumbnails", indices=list(range(start, min(count, start + _THUMBNAILS))))
        layers = list(analysis.layers)
        with Meter("Retrieval", unit="queries") as meter:
            for image in range(count):
                meter(image, count)
                record(view, [{"query": image, "layer": name} for name in layers])
                layers.reverse()  # one change at a time
            meter(count, count)
        view.layer, view.query = layer, query
        self.add(Part(name="RetrievalView", view=view, alone=("kernel",)))
        self.facts.append(f"Retrieval: each of the {count} images as the query, by cosine.")

    def add(self, part: Part, place: int | None = None) -> None:
        """Add a view whose answers were recorded, at the end or at a place among the others."""
        for layer, text in self._packed(part.view, self.blobs).items():
            name = f"srsm-pack-{len(self.stored)}"
            self.stored[name] = text
            part.packs.append((layer, name))
        self.parts.insert(len(self.parts) if place is None else place, part)

    def _packed(self, view: Any, blobs: Blobs) -> dict[str | None, str]:
        """Return what a view sent, packed by layer."""
        groups: dict[str | None, list[Recorded]] = {}
        for message in view.recording.messages:
            groups.setdefault(message.scope.get("layer"), []).append(message)
        return {
            layer: pack(group, ROUNDINGS, blobs, self._shares(view, layer, group)) for layer, group in groups.items()
        }

    def _shares(self, view: Any, layer: str | None, messages: Sequence[Recorded]) -> dict[int, Shares]:
        """Return what contributions of patches are made from, of the images of the pairs in some messages."""
        if layer is None or "pair" not in view.recording.keys:
            return {}
        tokens = view.analysis.tokens[layer]
        images = {image for message in messages for image in message.content["pair"]}
        return {image: token_shares(tokens, image) for image in sorted(images)}

    # -- the page -------------------------------------------------------------------------------------------------

    def html(self, notices: Sequence[str]) -> str:
        """Return the page."""
        analysis = self.analysis
        name = "Tokens" if analysis.model is None else analysis.model.name
        parts = []
        for part in self.parts:
            traits = {**page_traits(part.view), "pair": list(self.pair)}
            packs = [{"layer": layer, "id": ident} for layer, ident in part.packs]
            parts.append(
                {
                    "module": part.name,
                    "traits": traits,
                    "keys": list(part.view.recording.keys),
                    "alone": list(part.alone),
                    "packs": packs,
                    "guarded": part.guarded,
                    "effects": part.effects,
                }
            )
        held = {"held": [list(pair) for pair in self.held], "words": f"It holds {self.held_words}."}
        size = f"{counted(len(analysis), 'image')} · {counted(len(analysis.layers), 'layer')}"
        embedded = embedded_words(len(analysis), images=self.has_images, labels=self.has_labels)
        words = Words(
            title=f"{name} · {size}",
            badge=weights_badge(analysis.provenance),
            lead="Which images the model finds alike, layer by layer, and which patches make them alike. "
            "Move the layer slider; click a cell of a heatmap to see its two images.",
            facts=[*notices, *self.facts, embedded, origin_words(analysis)],
            made=f"Made by semrsm_widgets {__version__} on {datetime.now(UTC):%Y-%m-%d}. The file is complete: it runs "
            "without Python and asks nothing of a network. Method: semantic RSMs, Wald et al., NeurIPS 2024 "
            "(arXiv:2410.23107).",
            provenance=provenance_words(analysis),
        )
        blobs = {f"srsm-blob-{k}": text for k, text in enumerate(self.blobs.texts)}
        names = [part.name for part in self.parts]
        return page_html(words, names, {"parts": parts, "pairs": held}, {**self.stored, **blobs})


def guessed_pairs(images: int, neighbours: int) -> int:
    """Return about how many pairs are near, before anything is compared; 0 neighbours: the one that is shown."""
    every = images * (images - 1) // 2
    return min(every, int(_GUESSED_NEAR * neighbours * images)) if neighbours else 1


def trait_effects(
    view: Any,
    trait: str,
    options: Sequence[str],
    given: Sequence[str],
    gives: Sequence[str],
    states: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Return what a view's Python sets when one of its traits is set, for a page without Python.

    Args:
        view: a view from `recorded_view`.
        trait: the trait that a user sets.
        options: its values.
        given: the traits on which the answer depends besides.
        gives: the traits that are set.
        states: the values of `given` that can be.
    """
    values: dict[str, list[Any]] = {}
    was = getattr(view, trait) if options else None
    for state, option in itertools.product(states, options):
        for name, value in state.items():
            setattr(view, name, value)
        try:
            setattr(view, trait, option)
        except Exception:  # one that these images do not allow is not offered by the page either
            continue
        key = json.dumps([option, *(state[name] for name in given)], ensure_ascii=False, separators=(",", ":"))
        values[key] = [getattr(view, name) for name in gives]
    if options:
        setattr(view, trait, was)
    return [{"given": [trait, *given], "gives": list(gives), "values": values}] if values else []


def _starting_at(layer: str, layers: Sequence[str]) -> Iterator[str]:
    """Yield the layers, one of them first."""
    yield layer
    yield from (name for name in layers if name != layer)
