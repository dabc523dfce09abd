"""A patch and what is like it: as heat over two pictures, in all other images, and along the layers."""

from .messages import MOST_TOKENS, Crop, alike_message, along_message, crop, places_message

__all__ = ["MOST_TOKENS", "Crop", "alike_message", "along_message", "crop", "places_message"]
