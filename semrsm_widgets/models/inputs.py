"""Why a model does not take what it is given, in words: one check around its first forward."""

from __future__ import annotations

import inspect
from typing import NamedTuple

import torch
from torch import nn

from semrsm_widgets.common import message

from .vision_model import declared_size

VISION_PARTS = ("vision_model", "visual", "vision_tower", "vision_encoder", "image_encoder", "vision")
TEXT_INPUTS = ("input_ids", "text", "texts", "tokens", "text_tokens", "captions", "attention_mask")
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
GETS = "A model gets one input, a batch of pictures"


class Given(NamedTuple):
    """What a model is given.

    Attributes:
        module: the model.
        shape: (C, H, W) of a picture as the transform makes it.
        as_keyword: whether it is passed as `pixel_values=`.
        floating: whether it is of a floating type.
    """

    module: nn.Module
    shape: tuple[int, ...]
    as_keyword: bool
    floating: bool


def explain_inputs(given: Given, error: Exception) -> None:
    """Raise ValueError where it can be said why a model failed on a batch of pictures; else return.

    Raises:
        ValueError: the model needs more inputs than pictures, or another keyword; it is made for other numbers of
            channels, of axes or of pixels; or the pictures are integers.
    """
    for reason in (_keyword, _inputs, _axes, _channels, _size, _integers):
        told = reason(given)
        if told is not None:
            raise ValueError(message(*told)) from error


def _parameters(module: nn.Module) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(module.forward).parameters.values())
    except (TypeError, ValueError):
        return []  # it is no Python function


def _inputs(given: Given) -> tuple[str, str, str, str] | None:
    """Say that it takes several inputs: two pictures, a text and a picture, a time step, a dict of them."""
    parameters = _parameters(given.module)
    part = next((name for name in VISION_PARTS if isinstance(getattr(given.module, name, None), nn.Module)), None)
    expected = "a module that takes one input, a batch of pictures"
    if part is not None and any(parameter.name in TEXT_INPUTS for parameter in parameters):
        todo = f"Take the part that sees: VisionModel(model.{part}, transform)."
        return "model", expected, f"{type(given.module).__name__}, which takes text as well", todo
    passed = "pixel_values" if given.as_keyword else next((p.name for p in parameters), "")
    needed = [
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        and parameter.name != passed
    ]
    if not needed:
        return None
    names = ", ".join(map(repr, needed))
    if part is not None:
        todo = f"Take the part that sees: VisionModel(model.{part}, transform)."
    else:
        todo = (
            "Wrap it in a module whose forward(pixels) makes the other inputs, or take the part that sees the picture."
        )
    return "model", expected, f"{type(given.module).__name__}, which needs {names} as well", todo


def _keyword(given: Given) -> tuple[str, str, str, str] | None:
    parameters = _parameters(given.module)
    names = [parameter.name for parameter in parameters]
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    if not given.as_keyword or not names or takes_any or "pixel_values" in names:
        return None
    todo = "Let the transform return the tensor itself: lambda image: processor(image)['pixel_values'][0]."
    return "transform", f"a function that returns a tensor, for forward({names[0]})", "a mapping", todo


def _first_convolution(given: Given) -> nn.Module | None:
    return next((part for part in given.module.modules() if isinstance(part, CONVOLUTIONS)), None)


def _axes(given: Given) -> tuple[str, str, str, str] | None:
    first = _first_convolution(given)
    if not isinstance(first, (nn.Conv1d, nn.Conv3d)):
        return None
    kind = "volumes or films" if isinstance(first, nn.Conv3d) else "signals"
    todo = "Wrap it in a module whose forward(pixels) adds or drops the axis, and gives layers for one picture."
    return "model", "a module for pictures, (N, 3, H, W)", f"{type(given.module).__name__}, which takes {kind}", todo


def _channels(given: Given) -> tuple[str, str, str, str] | None:
    first, channels = _first_convolution(given), given.shape[0]
    if not isinstance(first, nn.Conv2d) or first.in_channels == channels:
        return None
    todo = (
        f"Pictures are RGB here. Let the transform make {first.in_channels} channels of them, "
        "or wrap the model in a module that does."
    )
    got = f"inputs of shape {given.shape}"
    return "model.transform", f"one that gives {first.in_channels} channels, as {type(first).__name__} takes", got, todo


def _size(given: Given) -> tuple[str, str, str, str] | None:
    size, declared = given.shape[1:], declared_size(given.module)
    if declared is None or declared == size:
        return None
    todo = (
        f"Resize and crop to {declared[0]}×{declared[1]} in the transform; or, for a timm model, "
        f"load_model(name, image_size={size}) makes one for this size."
    )
    return "model.transform", f"one to {declared[0]}×{declared[1]} pixels", "×".join(map(str, size)), todo


def _integers(given: Given) -> tuple[str, str, str, str] | None:
    if given.floating:
        return None
    todo = "End it with ToTensor(), or ConvertImageDtype(torch.float32) and Normalize."
    return "model.transform", "one that gives floating numbers", "integers", todo


def what_it_gets(given: Given, n: int) -> str:
    """Return a sentence on what a model was given, for errors of its own."""
    how = " as pixel_values=" if given.as_keyword else ""
    return f"{GETS}{how}; here of shape {(n, *given.shape)}. Wrap a model that takes anything else."


def dtype_of(module: nn.Module) -> torch.dtype:
    """Return the floating type that a module computes in."""
    return next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
