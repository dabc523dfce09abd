"""Tokens kept in a folder between sessions, one file for each layer, named by the hash of all that they depend on."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from semrsm_widgets.common import message
from semrsm_widgets.models import VisionModel, prepare, weights_sha256

from .layer_table import LayerRow

if TYPE_CHECKING:
    from semrsm_widgets.images import Images

    from .hooks import Setting

FORMAT = 1  # raise it when the same call would give other tokens or the file another content
PICTURE_SIZES = ((300, 200), (150, 260))  # the transform is known by its text and by what it makes of these
Parts = dict[str, tuple[Tensor, Tensor | None]]


class TokenCache:
    """A folder of tokens for one model, one set of images and one set of options.

    The names of the files are hashes of: the weights; the code of every forward and every module's settings; the
    transform; the pictures' files; batch size, pooling, type, device kind and the layer with its layout. So a change of
    any of these is another file, and an old file is never wrong, only useless.

    Raises:
        ValueError: `folder` is a file.
    """

    def __init__(
        self, folder: Path, model: VisionModel, setting: Setting, images: Images, options: Iterable[Any]
    ) -> None:
        self._folder = folder.expanduser()
        if self._folder.exists() and not self._folder.is_dir():
            raise ValueError(message("cache", "a folder", f"the file {folder.name!r}"))
        digest = hashlib.sha256(f"{FORMAT} {torch.__version__} {setting.device.type} {tuple(options)}".encode())
        for part in (weights_sha256(setting.module), _code_of(setting.module), _transform_of(model.transform)):
            digest.update(part.encode())
        digest.update(f"{setting.input_shape} {setting.as_keyword}".encode())
        for source in images.sources:
            digest.update(source.digest().encode())
        self._base = digest.hexdigest()

    def _path(self, row: LayerRow) -> Path:
        layout = (row.layout.axes, row.layout.prefix, row.layout.grid, row.layout.order)
        key = hashlib.sha256(f"{self._base} {row.path} {row.call} {row.leaf} {layout}".encode()).hexdigest()
        return self._folder / f"{re.sub(r'[^A-Za-z0-9._-]', '_', row.name)[:60]}-{key[:32]}.safetensors"

    def read(self, rows: Sequence[LayerRow]) -> Parts:
        """Return the tokens and prefix tokens of those layers that are kept."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        found: Parts = {}
        for row in rows:
            path = self._path(row)
            if not path.is_file():
                continue
            try:
                content = load_file(path)
            except (SafetensorError, OSError):
                continue  # damaged: it is computed and written anew
            found[row.name] = content["values"], content.get("prefix")
        return found

    def write(self, rows: Sequence[LayerRow], parts: Mapping[str, tuple[Tensor, Tensor | None]]) -> None:
        """Keep the tokens of some layers; a file is there whole or not at all, also if this is interrupted."""
        from safetensors.torch import save_file

        self._folder.mkdir(parents=True, exist_ok=True)
        for row in rows:
            values, prefix = parts[row.name]
            content = {"values": values} if prefix is None else {"values": values, "prefix": prefix}
            handle, name = tempfile.mkstemp(prefix=".writing-", dir=self._folder)
            os.close(handle)
            try:
                save_file(content, name, metadata={"layer": row.name})
                os.replace(name, self._path(row))
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise


def _code_of(module: nn.Module) -> str:
    """Return the hash of what a module computes apart from its weights: settings and code of all its parts."""
    digest = hashlib.sha256(_without_addresses(repr(module)).encode())
    for kind in sorted({type(part) for part in module.modules()}, key=lambda kind: kind.__qualname__):
        digest.update(f"{kind.__module__}.{kind.__qualname__}".encode())
        for base in kind.__mro__:
            for name, value in sorted(vars(base).items()):
                # Bases of torch are told apart by its version.
                if not base.__module__.startswith("torch.nn.modules") and isinstance(
                    code := getattr(value, "__code__", None), CodeType
                ):
                    digest.update(f"{name} {_code_text(code)}".encode())
    return digest.hexdigest()


def _code_text(code: CodeType) -> str:
    """Return a text of a function's code that is the same in every session."""
    constants = [_code_text(c) if isinstance(c, CodeType) else _constant_text(c) for c in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {constants}"


def _constant_text(constant: Any) -> str:
    return repr(sorted(map(repr, constant))) if isinstance(constant, frozenset) else repr(constant)


def _transform_of(transform: Any) -> str:
    """Return the hash of a transform: its text, and what it makes of two pictures."""
    digest = hashlib.sha256(_without_addresses(repr(transform)).encode())
    for width, height in PICTURE_SIZES:
        pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        inputs = prepare(transform, Image.fromarray(pixels))[0].detach().cpu().contiguous()
        digest.update(f"{tuple(inputs.shape)} {inputs.dtype}".encode())
        digest.update(inputs.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _without_addresses(text: str) -> str:
    """Return a repr without the places in memory that functions and plain objects put into theirs."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text)
