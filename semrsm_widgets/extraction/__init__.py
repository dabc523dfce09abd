"""A model and images become Tokens: layers found, layouts decided, outputs collected by forward hooks."""

from .batches import AHEAD, default_workers
from .forward import extract
from .layer_table import LayerTable
from .layout import Layout, to_tokens
from .model_layers import layers
from .predictions import extract_and_predict, predict
from .shape_reading import LARGEST_PREFIX

__all__ = [
    "AHEAD",
    "LARGEST_PREFIX",
    "LayerTable",
    "Layout",
    "default_workers",
    "extract",
    "extract_and_predict",
    "layers",
    "predict",
    "to_tokens",
]
