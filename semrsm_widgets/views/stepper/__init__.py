"""An auction of patches, step by step."""

from .view import AuctionStepper

__all__ = ["AuctionStepper"]
