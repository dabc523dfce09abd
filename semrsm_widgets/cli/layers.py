"""`semrsm layers`: what a model has to extract."""

from __future__ import annotations

from semrsm_widgets.common import Meter

from .errors import CommandError


def layers(name: str | None, image_size: int | None = None, *, every: bool = False) -> int:
    """Print the table of a model's layers."""
    try:
        with Meter("Finding the layers"):
            from semrsm_widgets.extraction import layers as layers_of
            from semrsm_widgets.models import load_model

            table = layers_of(load_model(name, pretrained=False, image_size=image_size))
    except ValueError as error:
        raise CommandError(str(error), code=2) from None
    print(table.text(every=every))
    return 0
