"""Results as Zarr stores: written piece by piece, gone on with after a kill, read lazily and checked when read."""

from .attributes import group_name
from .gram_form import GramForm, Lacking, Patch, checksums, kind_of
from .gram_store import GramStore
from .places import part_of
from .pyramid import BINS, Cells, Pyramid
from .sketch_store import Sketch, kept_sketch, piece_of
from .token_reading import PartAddress, StoredPart
from .token_store import Parts, TokenStore, open_tokens
from .what_is_there import TokensThere, pairs_left, tokens_there

__all__ = [
    "BINS",
    "Cells",
    "GramForm",
    "GramStore",
    "Lacking",
    "PartAddress",
    "Parts",
    "Patch",
    "Pyramid",
    "Sketch",
    "StoredPart",
    "TokenStore",
    "TokensThere",
    "checksums",
    "group_name",
    "kept_sketch",
    "kind_of",
    "open_tokens",
    "pairs_left",
    "part_of",
    "piece_of",
    "tokens_there",
]
