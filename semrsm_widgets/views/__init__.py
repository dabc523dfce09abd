"""The widgets, a folder a view."""

from .compare import CompareView
from .explorer import Explorer
from .pair import PairView
from .retrieval import RetrievalView
from .rsm import RSMView
from .stepper import AuctionStepper
from .transform_lab import TransformLab

__all__ = [
    "AuctionStepper",
    "CompareView",
    "Explorer",
    "PairView",
    "RSMView",
    "RetrievalView",
    "TransformLab",
]
