"""Why a model does not take what it is given, in words: one check around its first forward."""

from __future__ import annotations

import inspect

import torch
from torch import nn

from semrsm_widgets.common import message
from semrsm_widgets.models import declared_size

from .hooks import Setting

VISION_PARTS = ("vision_model", "visual", "vision_tower", "vision_encoder", "image_encoder", "vision")
TEXT_INPUTS = ("input_ids", "text", "texts", "tokens", "text_tokens", "captions", "attention_mask")
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
GETS = "A model gets one input, a batch of pictures"


def explain(setting: Setting, error: Exception) -> None:
    """Raise ValueError where it can be said why a model failed on a batch of pictures; else return.

    Raises:
        ValueError: the model needs more inputs than pictures, or another keyword; it is made for other numbers of
            channels, of axes or of pixels; or the pictures are integers.
    """
    for reason in (_inputs, _keyword, _axes, _channels, _size, _integers):
        told = reason(setting)
        if told is not None:
            raise ValueError(message(*told)) from error


def _parameters(module: nn.Module) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(module.forward).parameters.values())
    except (TypeError, ValueError):
        return []  # it is no Python function


def _inputs(setting: Setting) -> tuple[str, str, str, str] | None:
    """Say that it takes several inputs: two pictures, a text and a picture, a time step, a dict of them."""
    parameters = _parameters(setting.module)
    part = next((name for name in VISION_PARTS if isinstance(getattr(setting.module, name, None), nn.Module)), None)
    expected = "a module that takes one input, a batch of pictures"
    if part is not None and any(parameter.name in TEXT_INPUTS for parameter in parameters):
        todo = f"Take the part that sees: VisionModel(model.{part}, transform)."
        return "model", expected, f"{type(setting.module).__name__}, which takes text as well", todo
    given = "pixel_values" if setting.as_keyword else next((p.name for p in parameters), "")
    needed = [
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        and parameter.name != given
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
    return "model", expected, f"{type(setting.module).__name__}, which needs {names} as well", todo


def _keyword(setting: Setting) -> tuple[str, str, str, str] | None:
    parameters = _parameters(setting.module)
    names = [parameter.name for parameter in parameters]
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    if not setting.as_keyword or not names or takes_any or "pixel_values" in names:
        return None
    todo = "Let the transform return the tensor itself: lambda image: processor(image)['pixel_values'][0]."
    return "transform", f"a function that returns a tensor, for forward({names[0]})", "a mapping", todo


def _first_convolution(setting: Setting) -> nn.Module | None:
    return next((part for part in setting.module.modules() if isinstance(part, CONVOLUTIONS)), None)


def _axes(setting: Setting) -> tuple[str, str, str, str] | None:
    first = _first_convolution(setting)
    if not isinstance(first, (nn.Conv1d, nn.Conv3d)):
        return None
    kind = "volumes or films" if isinstance(first, nn.Conv3d) else "signals"
    todo = "Wrap it in a module whose forward(pixels) adds or drops the axis, and gives layers for one picture."
    return "model", "a module for pictures, (N, 3, H, W)", f"{type(setting.module).__name__}, which takes {kind}", todo


def _channels(setting: Setting) -> tuple[str, str, str, str] | None:
    first, channels = _first_convolution(setting), setting.input_shape[0]
    if not isinstance(first, nn.Conv2d) or first.in_channels == channels:
        return None
    todo = (
        f"Pictures are RGB here. Let the transform make {first.in_channels} channels of them, "
        "or wrap the model in a module that does."
    )
    got = f"inputs of shape {setting.input_shape}"
    return "model.transform", f"one that gives {first.in_channels} channels, as {type(first).__name__} takes", got, todo


def _size(setting: Setting) -> tuple[str, str, str, str] | None:
    size, declared = setting.input_shape[1:], declared_size(setting.module)
    if declared is None or declared == size:
        return None
    todo = (
        f"Resize and crop to {declared[0]}×{declared[1]} in the transform; or, for a timm model, "
        f"load_model(name, image_size={size}) makes one for this size."
    )
    return "model.transform", f"one to {declared[0]}×{declared[1]} pixels", "×".join(map(str, size)), todo


def _integers(setting: Setting) -> tuple[str, str, str, str] | None:
    if setting.floating:
        return None
    todo = "End it with ToTensor(), or ConvertImageDtype(torch.float32) and Normalize."
    return "model.transform", "one that gives floating numbers", "integers", todo


def what_it_gets(setting: Setting, n: int) -> str:
    """Return a sentence on what a model was given, for errors of its own."""
    how = " as pixel_values=" if setting.as_keyword else ""
    return f"{GETS}{how}; here of shape {(n, *setting.input_shape)}. Wrap a model that takes anything else."


def dtype_of(module: nn.Module) -> torch.dtype:
    """Return the floating type that a module computes in."""
    return next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
