"""What extraction hands to matching: tokens, and the grid on which they stand."""

from .grid import PatchBox, averaged, box_tokens, cell_box, check_box, moved_box, moved_token, pooled_grid, token_boxes
from .stored import BLOCK_BYTES, StoredTensor, TokenSource, in_blocks
from .tokens import Tokens

__all__ = [
    "BLOCK_BYTES",
    "PatchBox",
    "StoredTensor",
    "TokenSource",
    "Tokens",
    "averaged",
    "box_tokens",
    "cell_box",
    "check_box",
    "in_blocks",
    "moved_box",
    "moved_token",
    "pooled_grid",
    "token_boxes",
]
