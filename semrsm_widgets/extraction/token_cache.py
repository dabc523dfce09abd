"""Tokens kept in a folder between sessions, one file for each layer, named by the hash of all that they depend on."""

from __future__ import annotations

import hashlib
import json
import os
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from semrsm_widgets.common import home_expanded, listed, message, placed_whole, sweep, try_writing
from semrsm_widgets.models import VisionModel, weights_sha256

from .layer_table import LayerRow
from .model_state import without_addresses
from .token_settings import behaviour_of, how_read, transform_sha256

if TYPE_CHECKING:
    from semrsm_widgets.images import Images

    from .hooks import Setting

FORMAT = 2  # raise it when the same call would give other tokens or the file another content
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}
"""The floating types of a safetensors file."""
_LONGEST_HEADER = 2**16
Parts = dict[str, tuple[Tensor, Tensor | None]]


class TokenCache:
    """A folder of tokens for one model, one set of images and one set of options.

    The names of the files are hashes of: the weights; code, settings, buffers, hooks and helpers of every module, as
    far as they can be read (`model_state.py`); what the layer gives for a fixed input; the transform; the pictures'
    files; batch size, pooling, type, device kind and the layer with its layout. A change of any is another file.
    A layer that gives something else for the same input each time is not kept, with a word. What is read is in memory,
    and its checksum, type and shape are right; a damaged file is made anew.

    Raises:
        ValueError: `folder` is a file.
    """

    def __init__(
        self, folder: Path, model: VisionModel, setting: Setting, images: Images, options: Iterable[Any]
    ) -> None:
        self._folder = home_expanded("cache", folder)
        if os.path.lexists(self._folder) and not os.path.isdir(self._folder):  # neither minds a name that cannot be
            raise ValueError(message("cache", "a folder", f"the file {folder.name!r}"))
        self._setting, self._count = setting, len(images)
        self._options = tuple(options)
        digest = hashlib.sha256(f"{FORMAT} {torch.__version__} {setting.device.type} {self._options}".encode())
        for part in (
            weights_sha256(setting.module),
            without_addresses(repr(setting.module)),
            transform_sha256(model.transform),
        ):
            digest.update(part.encode())
        digest.update(f"{setting.input_shape} {setting.as_keyword}".encode())
        for source in images.sources:
            digest.update(source.digest().encode())
        self._pictures_and_options = digest
        self._keys: dict[str, str] = {}

    def read(self, rows: Sequence[LayerRow]) -> Parts:
        """Return the tokens and prefix tokens of those layers that are kept; runs the model on two images of noise.

        Raises:
            ValueError: something is not kept yet, and the folder cannot be written.
        """
        self._keys = self._keys_of(rows)
        found = {}
        for row in rows:
            if row.name in self._keys and (kept := self._kept(row)) is not None:
                found[row.name] = kept
        if any(row.name in self._keys and row.name not in found for row in rows):
            self._try_writing()
        return found

    def write(self, rows: Sequence[LayerRow], parts: Mapping[str, tuple[Tensor, Tensor | None]]) -> None:
        """Keep the tokens of some layers that were asked for in `read`; each file is there whole or not at all.

        What fails costs the files, with a warning, not the tokens.
        """
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        for row in rows:
            if row.name not in self._keys:
                continue
            values, prefix = parts[row.name]
            content = {"values": values} if prefix is None else {"values": values, "prefix": prefix}
            content = {name: tensor.contiguous() for name, tensor in content.items()}
            facts = {"layer": row.name, "key": self._keys[row.name], "sha256": _checksum(content)}
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                sweep(self._folder, ".writing-")
                with placed_whole(self._path(row)) as unfinished:
                    unfinished.touch(exist_ok=False)
                    mode = unfinished.stat().st_mode  # as the umask has it; the library takes all from the others
                    save_file(content, unfinished, metadata=facts)
                    unfinished.chmod(mode)
            except (OSError, SafetensorError) as error:
                where = f"`cache`, {self._folder.name!r} ({_reason(error)})"
                text = f"The tokens could not be kept in {where}; they are returned."
                warnings.warn(text, RuntimeWarning, stacklevel=3)
                return

    def _keys_of(self, rows: Sequence[LayerRow]) -> dict[str, str]:
        """Return the key of each layer whose tokens can be kept."""
        found = behaviour_of(self._setting, rows)
        base = self._pictures_and_options.copy()
        base.update(found.state.encode())
        if found.unsteady:
            text = f"For one input, {listed(found.unsteady)} gave two outputs: the tokens are not kept in `cache`."
            warnings.warn(text, RuntimeWarning, stacklevel=4)
        keys = {}
        for row in rows:
            if row.name not in found.unsteady:
                own = f"{base.hexdigest()} {found.outputs.get(row.path)} {how_read(row)}"
                keys[row.name] = hashlib.sha256(own.encode()).hexdigest()
        return keys

    def _path(self, row: LayerRow) -> Path:
        name = re.sub(r"[^A-Za-z0-9._-]", "_", row.name)[:60]
        return self._folder / f"{name}-{self._keys[row.name][:32]}.safetensors"

    def _kept(self, row: LayerRow) -> tuple[Tensor, Tensor | None] | None:
        """Return what is kept of a layer; None if there is nothing, or it is damaged or not what belongs there."""
        try:
            return self._verified(row)
        except Exception:  # whatever the bytes that stand there lead to
            return None

    def _verified(self, row: LayerRow) -> tuple[Tensor, Tensor | None] | None:
        content, facts = _read(self._path(row))
        values, prefix = content.get("values"), content.get("prefix")
        if facts.get("key") != self._keys[row.name] or facts.get("sha256") != _checksum(content):
            return None
        if values is None or values.ndim != 3 or len(values) != self._count or str(values.dtype) != self._options[-1]:
            return None
        if prefix is not None and (prefix.ndim != 3 or len(prefix) != self._count or prefix.dtype != values.dtype):
            return None
        return values, prefix

    def _try_writing(self) -> None:
        """Raise if the folder cannot be written, before anything is computed."""
        try:
            try_writing(self._folder)
        except OSError as error:
            todo = "Pass another folder, or leave `cache` out."
            got = f"{self._folder.name!r}: {_reason(error)}"
            raise ValueError(message("cache", "a folder that can be written", got, todo)) from None


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and the metadata of a safetensors file, in memory of their own.

    The library maps the file instead: who cuts it then ends the process, who writes to it changes what is held.
    """
    data = np.fromfile(path, np.uint8)
    length = int.from_bytes(data[:8].tobytes(), "little")
    if length > min(_LONGEST_HEADER, len(data) - 8):
        raise ValueError("no safetensors header")
    header = json.loads(data[8 : 8 + length].tobytes())
    facts = header.pop("__metadata__")
    content = {}
    for name, each in header.items():
        first, last = (8 + length + int(offset) for offset in each["data_offsets"])
        if not 8 + length <= first <= last <= len(data):
            raise ValueError("data beyond the end of the file")
        flat = torch.from_numpy(data[first:last].copy()).view(DTYPES[each["dtype"]])
        content[str(name)] = flat.reshape([int(side) for side in each["shape"]])
    return content, facts


def _checksum(content: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of some tensors: their names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name, tensor in sorted(content.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _reason(error: Exception) -> str:
    """Return what went wrong, without the path, which may name a person."""
    return getattr(error, "strerror", None) or type(error).__name__
