"""A torch module with its preprocessing: made, loaded, and which part of a picture it sees."""

from .inputs import Given, dtype_of, explain_inputs, what_it_gets
from .load import import_timm, load_model
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
    "Given",
    "Transform",
    "VisionModel",
    "check_model",
    "check_repeatable",
    "declared_size",
    "dtype_of",
    "explain_inputs",
    "import_timm",
    "load_model",
    "model_view",
    "prepare",
    "visible_box",
    "weights_sha256",
    "what_it_gets",
]
