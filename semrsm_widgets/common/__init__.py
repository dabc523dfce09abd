"""What every package uses; it knows nothing of models, images or matching."""

from .arrays import read_numbers
from .checks import check_choice, check_int, check_number, clipped, describe, listed, message, suggest
from .files import placed_whole, sweep, written_whole
from .memo import Memo
from .tables import data_frame, frame_of, optional
from .text import in_words_of, natural_key, printable
from .types import Grid, GridPlace, Matrix, PixelBox, Progress
from .version import __version__

__all__ = [
    "Grid",
    "GridPlace",
    "Matrix",
    "Memo",
    "PixelBox",
    "Progress",
    "__version__",
    "check_choice",
    "check_int",
    "check_number",
    "clipped",
    "data_frame",
    "describe",
    "frame_of",
    "in_words_of",
    "listed",
    "message",
    "natural_key",
    "optional",
    "placed_whole",
    "printable",
    "read_numbers",
    "suggest",
    "sweep",
    "written_whole",
]
