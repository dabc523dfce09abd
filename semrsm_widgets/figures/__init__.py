"""The drawing kit, with no widget in it: figures of results, colours, still pictures, sheets for papers."""

from .palettes import DIVERGING, MISSING, PALETTE, colour_indices, colour_range, difference_range, finite_range
from .place_palette import AGAINST, CORNERS, FOR, place_colours
from .results import comparison_figure, matchers_figure, scores_figure
from .sentences import (
    certificate_sentence,
    layer_sentence,
    matcher_sentence,
    model_sentence,
    null_sentence,
    number,
    weights_badge,
)
from .still import (
    PANEL_SIDE,
    fitted_panel,
    heatmap_still,
    outline_patch,
    panels_in_a_row,
    stacked,
    still_font,
    title_still,
)
from .style import COLOURS

__all__ = [
    "AGAINST",
    "COLOURS",
    "CORNERS",
    "DIVERGING",
    "FOR",
    "MISSING",
    "PALETTE",
    "PANEL_SIDE",
    "certificate_sentence",
    "colour_indices",
    "colour_range",
    "comparison_figure",
    "difference_range",
    "finite_range",
    "fitted_panel",
    "heatmap_still",
    "layer_sentence",
    "matcher_sentence",
    "matchers_figure",
    "model_sentence",
    "null_sentence",
    "number",
    "outline_patch",
    "panels_in_a_row",
    "place_colours",
    "scores_figure",
    "stacked",
    "still_font",
    "title_still",
    "weights_badge",
]
