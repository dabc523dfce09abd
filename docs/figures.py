"""The figures for a lecture, drawn anew by the version at hand: `python docs/figures.py FOLDER [svg|pdf|png]`.

One for each moment of the lesson plan in docs/teaching.md, by the bundled model on the bundled photographs, without a
browser and without a network. It needs matplotlib: pip install "semrsm-widgets[figures]".
"""

from __future__ import annotations

import sys
from pathlib import Path

import semrsm_widgets as srsm

LAYER = "blocks.4"


def draw(folder: Path, suffix: str = "svg") -> list[Path]:
    """Write the figures into a folder, made if need be, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    images = srsm.demo_images(crops=2, overlap=0.5, seed=0)
    index = {name: k for k, name in enumerate(images.ids)}
    layers = ["blocks.2", LAYER, "blocks.6"]

    def seen_by(model: srsm.VisionModel) -> srsm.Analysis:
        return srsm.Analysis(images, srsm.extract(model, images, layers, max_grid=16), model=model)

    analysis = seen_by(srsm.load_model())
    untrained = seen_by(srsm.load_model("efficientnet_lite0", pretrained=False))

    def pair(one: str, other: str) -> srsm.PairView:
        return srsm.PairView(analysis, layer=LAYER, pair=(index[one], index[other]))

    views = {
        "rsm": srsm.RSMView(analysis, layer=LAYER),
        "patches-astronaut": pair("astronaut/0", "astronaut/1"),
        "patches-brick": pair("brick/0", "brick/1"),
        "patches-cat-and-coffee": pair("chelsea/0", "coffee/0"),
        "retrieval": srsm.RetrievalView(analysis, layer=LAYER, query=index["astronaut/0"]),
        "shifted": srsm.TransformLab(),
        "trained-and-untrained": srsm.CompareView(analysis, untrained, names=("trained", "untrained")),
    }
    written = []
    for name, view in views.items():
        view.wait(120)
        written.append(view.save_figure(folder / f"{name}.{suffix}", width_mm=180))
        view.close()
    return written


if __name__ == "__main__":
    for path in draw(Path(sys.argv[1]), *sys.argv[2:3]):
        print(path)
