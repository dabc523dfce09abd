"""A torch module with its preprocessing: made, loaded, and which part of a picture it sees."""

from .load import load_model
from .visible import visible_box
from .vision_model import (
    Transform,
    VisionModel,
    check_model,
    check_repeatable,
    declared_size,
    model_view,
    prepare,
    weights_sha256,
)

__all__ = [
    "Transform",
    "VisionModel",
    "check_model",
    "check_repeatable",
    "declared_size",
    "load_model",
    "model_view",
    "prepare",
    "visible_box",
    "weights_sha256",
]
