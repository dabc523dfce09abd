"""The token cache: what its files are named by, and what is done about those that are damaged or cannot be written."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from helpers import DATA
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision import transforms as T  # noqa: N812 (its usual name)

from semrsm_widgets.extraction.forward import extract
from semrsm_widgets.models.vision_model import VisionModel

KEPT = "token-cache-0.1.0"


def stripes() -> tuple[VisionModel, list[np.ndarray]]:
    """Return a model and pictures that are the same on every machine."""
    layer = nn.Conv2d(3, 8, 4, 4)
    with torch.no_grad():
        layer.weight.copy_(torch.arange(layer.weight.numel()).reshape(layer.weight.shape) / 512)
        layer.bias.zero_()
    pictures = [np.full((16, 16, 3), 40 * k + 10, np.uint8) for k in range(4)]
    for k, picture in enumerate(pictures):
        picture[:, 4 * k : 4 * k + 4] = 200
    return VisionModel(nn.Sequential(layer), T.ToTensor()), pictures


def test_tokens_kept_by_the_first_version_are_not_believed(tmp_path):
    """They have no checksum, and were named by less than they depended on."""
    model, pictures = stripes()
    fresh = extract(model, pictures, "0")["0"].values
    shutil.copytree(DATA / KEPT, tmp_path / KEPT)
    before = {path.name for path in (tmp_path / KEPT).iterdir()}
    assert torch.equal(extract(model, pictures, "0", cache=tmp_path / KEPT)["0"].values, fresh)
    after = {path.name for path in (tmp_path / KEPT).iterdir()}
    assert len(after - before) == 1
    assert before < after


# ---- what a forward depends on

FACTOR = 1.0


def scaled(x):
    return x * FACTOR


class Part(nn.Module):
    """A layer that reads everything a layer may read."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 8, 4, 4)
        self.factor = 1.0
        self.function = torch.relu
        self.options = {"deep": [1.0]}
        self.register_buffer("shift", torch.zeros(1), persistent=False)
        self.array = np.ones(1, np.float32)

    def forward(self, x):
        factor = self.factor * self.options["deep"][0] * float(self.array[0])
        return self.function(scaled(self.layer(x)) * factor + self.shift)


def hook(part, monkeypatch):
    part.layer.register_forward_hook(lambda module, inputs, output: output * 2)


def other_hook(part, monkeypatch):
    part.layer.register_forward_hook(lambda module, inputs, output: output.clamp(max=50.0))  # no noise goes so far


def pre_hook(part, monkeypatch):
    part.layer.register_forward_pre_hook(lambda module, inputs: inputs[0] * 2)


def global_hook(part, monkeypatch):
    handle = nn.modules.module.register_module_forward_hook(
        lambda module, inputs, output: output * 2 if isinstance(module, nn.Conv2d) else None
    )
    monkeypatch.setattr(part, "handle", handle, raising=False)


def own_forward(part, monkeypatch):
    forward = part.layer.forward
    part.layer.forward = lambda x: forward(x) * 3


def attribute(part, monkeypatch):
    part.factor = 2.0


def hidden_attribute(part, monkeypatch):
    part.options["deep"][0] = 2.0


def function_attribute(part, monkeypatch):
    part.function = torch.sigmoid


def array(part, monkeypatch):
    part.array = np.full(1, 2, np.float32)


def buffer(part, monkeypatch):
    part.shift.fill_(1)


def constant(part, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "FACTOR", 2.0)


def helper(part, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "scaled", lambda x: x * 3)


def closure(part, monkeypatch):
    factor = 4.0
    part.function = lambda x: x * factor


def class_forward(part, monkeypatch):
    monkeypatch.setattr(Part, "forward", lambda self, x: self.layer(x) * 7)


def torch_function(part, monkeypatch):
    relu = torch.nn.functional.conv2d
    monkeypatch.setattr(torch.nn.functional, "conv2d", lambda *given: relu(*given) * 2)


CHANGES = [
    hook, other_hook, pre_hook, global_hook, own_forward, attribute, hidden_attribute, function_attribute, array,
    buffer, constant, helper, closure, class_forward, torch_function,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_whatever_a_forward_depends_on_is_seen(change, tmp_path, monkeypatch):
    _, pictures = stripes()
    part = Part()
    model = VisionModel(nn.Sequential(part), T.ToTensor())
    before = extract(model, pictures, "0", cache=tmp_path)["0"].values
    assert torch.equal(extract(model, pictures, "0", cache=tmp_path)["0"].values, before)
    assert len(list(tmp_path.iterdir())) == 1  # the same again is the same file
    change(part, monkeypatch)
    try:
        fresh = extract(model, pictures, "0")["0"].values
        assert torch.equal(extract(model, pictures, "0", cache=tmp_path)["0"].values, fresh)
    finally:
        if hasattr(part, "handle"):
            part.handle.remove()
    assert len(list(tmp_path.iterdir())) == 2


def test_what_a_forward_changes_itself_does_not_make_another_file(tmp_path):
    class Counting(Part):
        calls = 0

        def forward(self, x):
            self.calls += 1
            self.last = super().forward(x)
            return self.last

    _, pictures = stripes()
    model = VisionModel(nn.Sequential(Counting()), T.ToTensor())
    for _ in range(3):
        extract(model, pictures, "0", cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_model_that_draws_at_random_is_not_kept_with_a_word(tmp_path):
    class Drawing(Part):
        def forward(self, x):
            return super().forward(x) + torch.rand(1)

    _, pictures = stripes()
    model = VisionModel(nn.Sequential(Drawing()), T.ToTensor())
    extract(model, pictures, "0")  # the table of layers is made
    torch.manual_seed(3)
    expected = extract(model, pictures, "0")["0"].values
    torch.manual_seed(3)
    with pytest.warns(RuntimeWarning, match=r"'0' gave two outputs: the tokens are not kept"):
        found = extract(model, pictures, "0", cache=tmp_path)["0"].values
    assert list(tmp_path.iterdir()) == []
    assert torch.equal(found, expected)  # the probe leaves the random state as it is


SESSION = """
import sys
sys.path[:0] = sys.argv[2:]
from pathlib import Path
import torch
from semrsm_widgets.extraction import extract
from semrsm_widgets.models import load_model
from semrsm_widgets.images import demo_images
extract(load_model(), demo_images().select(range(2)), ["blocks.4", "blocks.6"], cache=sys.argv[1])
print(sorted(path.name for path in Path(sys.argv[1]).iterdir()))
"""


def test_other_sessions_find_the_same_files(tmp_path):
    def session(seed):
        done = subprocess.run(
            [sys.executable, "-c", SESSION, str(tmp_path), *sys.path], capture_output=True, text=True, timeout=200,
            check=True, env={**os.environ, "PYTHONHASHSEED": seed},
        )  # fmt: skip
        return done.stdout

    names = session("1")
    assert names.count("safetensors") == 2
    assert session("2") == names


# ---- files that are damaged, or cannot be written


@pytest.fixture
def kept(tmp_path):
    """Return (what extracts, the tokens, the one file that keeps them)."""
    model, pictures = stripes()

    def again():
        return extract(model, pictures, "0", cache=tmp_path)["0"].values

    tokens = again()
    (path,) = tmp_path.iterdir()
    return again, tokens, path


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_a_damaged_file_is_made_anew(seed, kept):
    again, tokens, path = kept
    good, rng = path.read_bytes(), random.Random(seed)
    data = bytearray(good)
    for _ in range(rng.choice([1, 1, 3, 50])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    if rng.random() < 0.3:
        del data[rng.randrange(len(data)) :]
    path.write_bytes(data)
    assert torch.equal(again(), tokens)
    assert torch.equal(again(), tokens)


@pytest.mark.parametrize(
    "header",
    [
        b"[]", b"5", b"{}", b"[" * 9000, b"\xff", b'{"__metadata__": []}', b'{"__metadata__": {}, "values": []}',
        b'{"__metadata__": {}, "values": {"dtype": "F32", "shape": [4, 96, 8], "data_offsets": [0, 512]}}',
        b'{"__metadata__": {}, "values": {"dtype": "F32", "shape": [1e400], "data_offsets": [0, 512]}}',
        b'{"__metadata__": {}, "values": {"dtype": "F32", "shape": [128], "data_offsets": [0, 9e99]}}',
        b'{"__metadata__": {}, "values": {"dtype": "F32", "shape": [128], "data_offsets": [1, 510]}}',
    ],
)  # fmt: skip
def test_a_file_with_any_header_is_made_anew(header, kept):
    again, tokens, path = kept
    good = path.read_bytes()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(512))
    assert torch.equal(again(), tokens)
    assert len(path.read_bytes()) == len(good)  # the order of what its header says may differ


def test_a_file_of_another_layer_or_type_is_made_anew(tmp_path):
    model, pictures = stripes()
    half = extract(model, pictures, "0", cache=tmp_path, dtype=torch.float16)["0"].values
    (path,) = tmp_path.iterdir()
    whole = extract(model, pictures, "0", cache=tmp_path)["0"].values
    (other,) = set(tmp_path.iterdir()) - {path}
    shutil.copy(path, other)
    found = extract(model, pictures, "0", cache=tmp_path)["0"].values
    assert torch.equal(found, whole)
    assert half.dtype != found.dtype


def test_a_whole_file_of_other_pictures_is_made_anew(tmp_path):
    """Its tokens have the same type and shape, and its checksum is right: only what it is of is another."""
    model, pictures = stripes()
    others = [picture + 7 for picture in pictures]
    extract(model, pictures, "0", cache=tmp_path)
    (path,) = tmp_path.iterdir()
    wanted = extract(model, others, "0", cache=tmp_path)["0"].values
    (other,) = set(tmp_path.iterdir()) - {path}
    shutil.copy(path, other)
    assert torch.equal(extract(model, others, "0", cache=tmp_path)["0"].values, wanted)


def test_tokens_that_were_read_are_no_map_of_the_file(kept):
    again, tokens, path = kept
    found = again()
    size = path.stat().st_size
    with open(path, "r+b") as file:
        file.write(bytes(size))
        file.truncate(10)
    assert torch.equal(found, tokens)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no umask there")
def test_kept_files_follow_the_umask(tmp_path):
    model, pictures = stripes()
    before = os.umask(0o027)
    try:
        extract(model, pictures, "0", cache=tmp_path / "new")
    finally:
        os.umask(before)
    (path,) = (tmp_path / "new").iterdir()
    assert path.stat().st_mode & 0o777 == 0o640


def test_what_killed_writers_left_is_swept(kept):
    again, _, path = kept
    left = [path.with_name(".writing-abc"), path.with_name(".a.safetensors.0123.unfinished")]
    young = path.with_name(".writing-young")
    for each in (*left, young):
        each.write_bytes(b"half")
    for each in left:
        os.utime(each, (0, 0))
    path.unlink()
    again()
    assert [each.exists() for each in (*left, young, path)] == [False, False, True, True]


@pytest.mark.parametrize("place", ["under a file", "no room"])
def test_a_folder_that_cannot_be_written_is_found_before_the_first_picture(place, tmp_path, monkeypatch):
    model, pictures = stripes()
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "kept" if place == "under a file" else tmp_path / "kept"
    if place == "no room":

        def full(self, data):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("pathlib.Path.write_bytes", full)
    seen = []
    with pytest.raises(ValueError, match=r"`cache` must be a folder that can be written; got 'kept': \w+"):
        extract(model, pictures, "0", cache=folder, progress=lambda *done: seen.append(done))
    assert seen == []


def test_a_complete_cache_need_not_be_writable(kept, monkeypatch):
    again, tokens, _ = kept

    def never(self, *given, **options):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("pathlib.Path.write_bytes", never)
    monkeypatch.setattr("os.replace", never)
    assert torch.equal(again(), tokens)


def test_a_write_that_fails_costs_the_file_and_not_the_tokens(tmp_path, monkeypatch):
    model, pictures = stripes()
    fresh = extract(model, pictures, "0")["0"].values

    def fail(*given, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", fail)
    with pytest.warns(RuntimeWarning, match=r"could not be kept in `cache`.*No space left.*are returned"):
        found = extract(model, pictures, "0", cache=tmp_path)["0"].values
    assert torch.equal(found, fresh)
    assert list(tmp_path.iterdir()) == []
