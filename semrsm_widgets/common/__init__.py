"""What every package uses; it knows nothing of models, images or matching."""

from .checks import check_choice, check_int, check_number, describe, message, suggest
from .files import written_whole
from .memo import Memo
from .tables import data_frame, frame_of, optional
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
    "data_frame",
    "describe",
    "frame_of",
    "message",
    "optional",
    "suggest",
    "written_whole",
]
