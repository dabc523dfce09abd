"""What goes over the wire between a view and its page."""

from __future__ import annotations

EXACT_IMAGES = 300
"""Up to this many images a message carries exact values and certificates."""


def is_exact(images: int) -> bool:
    """Return whether a message about so many images carries exact values and certificates."""
    return images <= EXACT_IMAGES
