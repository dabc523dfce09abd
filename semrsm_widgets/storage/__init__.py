"""Results as Zarr stores: written piece by piece, gone on with after a kill, read lazily and checked when read."""

from .token_store import Parts, TokenStore, open_tokens

__all__ = ["Parts", "TokenStore", "open_tokens"]
