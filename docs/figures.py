"""The figures for a lecture, drawn anew by the version at hand: `python docs/figures.py FOLDER [svg|pdf|png]`.

One for each moment of the lesson plan in docs/teaching.md, by the bundled model on the bundled photographs, without a
browser and without a network. It needs matplotlib: pip install "semrsm-widgets[figures]".
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import semrsm_widgets as srsm

LAYER = "blocks.4"
WIDTH_MM = 180


def draw(folder: Path, suffix: str = "svg", names: Sequence[str] = ()) -> Iterator[Path]:
    """Write the figures, or those that are named, into a folder, made if need be, and yield their paths.

    Raises:
        KeyError: a name of none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    images = srsm.demo_images(crops=2, overlap=0.5, seed=0)
    index = {name: k for k, name in enumerate(images.ids)}

    def seen_by(model: srsm.VisionModel) -> srsm.Analysis:
        tokens = srsm.extract(model, images, ["blocks.2", LAYER, "blocks.6"], max_grid=16)
        return srsm.Analysis(images, tokens, model=model)

    analysis = seen_by(srsm.load_model())

    def pair(one: str, other: str) -> srsm.PairView:
        return srsm.PairView(analysis, layer=LAYER, pair=(index[one], index[other]))

    def compared() -> srsm.CompareView:
        untrained = seen_by(srsm.load_model("efficientnet_lite0", pretrained=False))
        return srsm.CompareView(analysis, untrained, names=("trained", "untrained"))

    auction = partial(srsm.AuctionStepper, analysis, layer=LAYER, pair=(index["coffee/0"], index["coffee/1"]), grid=2)
    ends = [k for k, step in enumerate(auction().trace.steps) if step.kind == "prove"]
    views: dict[str, Callable[[], Any]] = {
        "rsm": lambda: srsm.RSMView(analysis, layer=LAYER),
        "shifted": srsm.TransformLab,
        "patches-astronaut": lambda: pair("astronaut/0", "astronaut/1"),
        "patches-brick": lambda: pair("brick/0", "brick/1"),
        "patches-cat-and-coffee": lambda: pair("chelsea/0", "coffee/0"),
        "auction-start": auction,
        **{f"auction-phase-{phase}": partial(auction, step=step) for phase, step in enumerate(ends, 1)},
        "retrieval": lambda: srsm.RetrievalView(analysis, layer=LAYER, query=index["astronaut/0"]),
        "trained-and-untrained": compared,
    }
    for name in names or views:
        view = views[name]()
        view.wait(120)
        yield view.save_figure(folder / f"{name}.{suffix}", width_mm=WIDTH_MM)
        view.close()


if __name__ == "__main__":
    for path in draw(Path(sys.argv[1]), *sys.argv[2:3]):
        print(path, flush=True)
