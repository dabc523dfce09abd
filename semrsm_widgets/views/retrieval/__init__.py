"""A query and what it retrieves."""

from .view import RetrievalView

__all__ = ["RetrievalView"]
