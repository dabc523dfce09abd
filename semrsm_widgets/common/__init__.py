"""What every package uses; it knows nothing of models, images or matching."""

from .arrays import float64_home, read_numbers
from .background import in_background, interruptibly, large_heard
from .checks import (
    check_choice,
    check_flag,
    check_function,
    check_int,
    check_number,
    check_several,
    clipped,
    describe,
    listed,
    message,
    suggest,
)
from .ending import end_soon
from .files import (
    check_html_path,
    home_expanded,
    placed_whole,
    shown_path,
    sweep,
    try_writing,
    without_path,
    written_whole,
)
from .interrupts import interrupts_heard
from .memo import Memo, cached_property
from .progress import LONG, Meter, quietly
from .screen import in_notebook
from .settings import options
from .tables import Row, data_frame, frame_of, optional
from .text import describe_seconds, in_words_of, natural_key, printable
from .types import Grid, GridPlace, Matrix, PixelBox, Progress, ProgressOption
from .version import __version__

__all__ = [
    "LONG",
    "Grid",
    "GridPlace",
    "Matrix",
    "Memo",
    "Meter",
    "PixelBox",
    "Progress",
    "ProgressOption",
    "Row",
    "__version__",
    "cached_property",
    "check_choice",
    "check_flag",
    "check_function",
    "check_html_path",
    "check_int",
    "check_number",
    "check_several",
    "clipped",
    "data_frame",
    "describe",
    "describe_seconds",
    "end_soon",
    "float64_home",
    "frame_of",
    "home_expanded",
    "in_background",
    "in_notebook",
    "in_words_of",
    "interruptibly",
    "interrupts_heard",
    "large_heard",
    "listed",
    "message",
    "natural_key",
    "optional",
    "options",
    "placed_whole",
    "printable",
    "quietly",
    "read_numbers",
    "shown_path",
    "suggest",
    "sweep",
    "try_writing",
    "without_path",
    "written_whole",
]
