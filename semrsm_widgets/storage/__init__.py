"""Results as Zarr stores: written piece by piece, gone on with after a kill, read lazily and checked when read."""

from .gram_store import GramForm, GramStore, fingerprint
from .token_store import Parts, TokenStore, open_tokens

__all__ = ["GramForm", "GramStore", "Parts", "TokenStore", "fingerprint", "open_tokens"]
