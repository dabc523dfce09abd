"""VisionModel: a torch module with the preprocessing it was trained with, and what the two make of a picture."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from semrsm_widgets.common import describe, message

Transform = Callable[[Image.Image], Any]


@dataclass(frozen=True, eq=False)
class VisionModel:
    """A module and the transform that turns a picture into its input.

    Attributes:
        module: any torch module that takes a batch (N, 3, H, W), or the keyword `pixel_values` with one.
        transform: takes an RGB PIL image and returns a (3, H, W) tensor, or a mapping with `pixel_values` (as
            Hugging Face's image processors do, with or without a leading axis of 1).
        name: shown in titles; the module's class if not given.
        provenance: what to write down for others to repeat a result: weights and their hash (when this was made),
            configuration, library versions.

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
        if not isinstance(self.name, str):
            raise TypeError(message("name", "a text", self.name))
        if not isinstance(self.provenance, Mapping):
            raise TypeError(message("provenance", "texts by name, such as {'weights': 'from ...'}", self.provenance))
        object.__setattr__(self, "name", self.name or type(self.module).__name__)
        known = {
            "name": self.name,
            "torch": torch.__version__,
            "transform": repr(self.transform),
            "weights_sha256": weights_sha256(self.module),
            **self.provenance,
        }
        object.__setattr__(self, "provenance", MappingProxyType(known))

    def __repr__(self) -> str:
        return f"VisionModel({self.name!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (self.module, self.transform, self.name, dict(self.provenance))


def _rebuilt(module: nn.Module, transform: Transform, name: str, provenance: dict[str, str]) -> VisionModel:
    """Make the copy of a model: a mapping that cannot be changed can be neither copied nor sent to a worker itself."""
    return VisionModel(module, transform, name=name, provenance=provenance)


def check_model(model: Any) -> None:
    """Raise TypeError unless `model` is a VisionModel."""
    if isinstance(model, VisionModel):
        return
    todo = "Wrap a module with its preprocessing: VisionModel(module, transform)."
    raise TypeError(message("model", "a VisionModel, as load_model() gives", type(model).__name__, todo))


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
        if isinstance(result, Mapping):
            result = f"a mapping with {', '.join(map(repr, result)) or 'nothing'}"
            todo = "For a model of several inputs, wrap it in a module whose forward(pixels) makes the others."
        raise TypeError(
            message(
                "transform",
                expected,
                f"one that returns {result if isinstance(result, str) else describe(result)}",
                todo,
            )
        )
    if pixels.ndim == 4 and pixels.shape[0] == 1:
        pixels = pixels[0]
    if pixels.ndim != 3:
        raise ValueError(message("transform", expected, f"one that returns {describe(pixels)}"))
    return pixels, as_keyword


REPEATS = 3  # a transform that mirrors every other picture shows itself in one of two more runs, three times in four


def check_repeatable(transform: Transform, image: Image.Image, first: Tensor) -> None:
    """Warn if a transform makes something else of a picture each time; `first` is what it made before."""
    for _ in range(REPEATS - 1):
        again = prepare(transform, image)[0]
        if again.shape != first.shape or not torch.equal(again, first):
            todo = "Leave random steps (RandomResizedCrop, RandomHorizontalFlip, ColorJitter) to training."
            warnings.warn(f"model.transform is random: it makes two inputs of one picture. {todo}", stacklevel=3)
            return


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


def weights_sha256(module: nn.Module) -> str:
    """Return the SHA-256 of a module's parameters and buffers: their names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for key, value in sorted(module.state_dict().items()):
        if not isinstance(value, Tensor) or is_lazy(value) or value.is_meta:
            continue  # nothing is there yet
        if value.is_quantized:
            value = value.int_repr()
        elif value.layout != torch.strided:
            value = value.to_dense()
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}\n".encode())
        flat = value.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()
