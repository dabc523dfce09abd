"""Weights from files: found wherever training code put them, all of the backbone or an error, nothing random unseen."""

import argparse

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from semrsm_widgets.extraction.forward import extract
from semrsm_widgets.extraction.predictions import predict
from semrsm_widgets.images.demo import demo_images
from semrsm_widgets.models import load
from semrsm_widgets.models.load import load_model
from semrsm_widgets.models.vision_model import weights_sha256

NAME = "test_resnet"
IMAGES = demo_images().select([0, 3])


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(7)
    return load_model(NAME, pretrained=False)


def renamed(state, prefix):
    return {f"{prefix}{name}": value for name, value in state.items()}


FORMS = {
    "plain": (lambda s: s, "", ""),
    "module. inside state_dict": (lambda s: {"state_dict": renamed(s, "module."), "epoch": 3}, "state_dict", ""),
    "compiled": (lambda s: {"model": renamed(s, "_orig_mod.")}, "model", ""),
    "compiled inside": (lambda s: {k.replace("layer1.", "layer1._orig_mod."): v for k, v in s.items()}, "", ""),
    "teacher": (
        lambda s: {"teacher": renamed(s, "module.backbone."), "student": {"x": torch.ones(2)}},
        "teacher",
        "backbone.",
    ),
    "averaged": (lambda s: {"optimizer": {"state": {0: torch.ones(3)}}, "model_ema": s}, "model_ema", ""),
    "deep": (lambda s: {"checkpoint": {"model": renamed(s, "encoder_q.")}}, "checkpoint.model", "encoder_q."),
    "counters left out": (lambda s: {k: v for k, v in s.items() if "num_batches" not in k}, "", ""),
}


@pytest.mark.parametrize(("form", "where", "prefix"), FORMS.values(), ids=FORMS)
def test_weights_are_found_where_training_code_puts_them(form, where, prefix, trained, tmp_path):
    path = tmp_path / "run.pth"
    torch.save(form(trained.module.state_dict()), path)
    loaded = load_model(NAME, weights=path)
    for name, value in trained.module.state_dict().items():
        if "num_batches" not in name:
            assert torch.equal(loaded.module.state_dict()[name], value)
    report = loaded.provenance["matched"]
    assert (f"from {where!r}" in report) == bool(where)
    assert (f"prefix {prefix!r}" in report) == bool(prefix)
    assert (loaded.provenance["missing"], loaded.provenance["weights"]) == ("none", "run.pth")
    expected = extract(trained, IMAGES, "layer2")["layer2"].values
    torch.testing.assert_close(extract(loaded, IMAGES, "layer2")["layer2"].values, expected)


def test_safetensors_are_read(trained, tmp_path):
    save_file(trained.module.state_dict(), tmp_path / "w.safetensors")
    loaded = load_model(NAME, weights=tmp_path / "w.safetensors")
    assert loaded.provenance["weights_sha256"] == trained.provenance["weights_sha256"] == weights_sha256(loaded.module)
    np.testing.assert_allclose(predict(loaded, IMAGES), predict(trained, IMAGES), atol=1e-6)


def test_a_classifier_of_other_classes_is_taken_over(tmp_path):
    import timm

    torch.manual_seed(1)
    module = timm.create_model(NAME, num_classes=5)
    torch.save({"state_dict": renamed(module.state_dict(), "module.")}, tmp_path / "five.pth")
    loaded = load_model(NAME, weights=tmp_path / "five.pth")
    assert predict(loaded, IMAGES).shape == (2, 5)
    assert torch.equal(loaded.module.fc.weight, module.fc.weight)


def test_without_a_classifier_there_is_none(trained, tmp_path):
    state = {name: value for name, value in trained.module.state_dict().items() if not name.startswith("fc.")}
    torch.save({**state, "projector.0.weight": torch.ones(3, 3)}, tmp_path / "bare.pth")
    loaded = load_model(NAME, weights=tmp_path / "bare.pth")
    assert loaded.module.num_classes == 0
    assert loaded.provenance["unexpected"] == "1: projector.0.weight"
    with pytest.raises(ValueError, match="`model` must be a classifier"):
        predict(loaded, IMAGES)


def test_every_weight_of_the_backbone_must_match(trained, tmp_path):
    state = dict(trained.module.state_dict())
    del state["layer3.0.conv1.weight"]
    state["layer2.0.conv1.weight"] = torch.zeros(1, 1, 3, 3)
    torch.save(state, tmp_path / "part.pth")
    text = r"`weights` must be a file with all \d+ weights.*2: layer3.0.conv1.weight, layer2.0.conv1.weight"
    with pytest.raises(ValueError, match=text):
        load_model(NAME, weights=tmp_path / "part.pth")
    with pytest.raises(ValueError, match="Is this the architecture"):
        load_model("test_vit", weights=tmp_path / "part.pth")


def test_the_bundled_architecture_takes_weights_too(tmp_path):
    made = load_model(pretrained=False)
    torch.save(made.module.state_dict(), tmp_path / "own.pth")
    assert load_model(weights=tmp_path / "own.pth").provenance["weights_sha256"] == made.provenance["weights_sha256"]


def test_files_that_are_no_weights(tmp_path):
    with pytest.raises(FileNotFoundError, match="`weights` must be a file"):
        load_model(NAME, weights=tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(ValueError, match=r"'text.pth'"):
        load_model(NAME, weights=tmp_path / "text.pth")
    (tmp_path / "bad.safetensors").write_text("no weights")
    with pytest.raises(ValueError, match=r"a safetensors file; got 'bad.safetensors'"):
        load_model(NAME, weights=tmp_path / "bad.safetensors")
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    with pytest.raises(ValueError, match="tensors by name"):
        load_model(NAME, weights=tmp_path / "empty.pth")


def test_python_objects_in_a_checkpoint_are_not_run(trained, tmp_path):
    torch.save({"args": argparse.Namespace(lr=1), "state_dict": trained.module.state_dict()}, tmp_path / "objects.pth")
    with pytest.raises(ValueError, match="save its weights alone"):
        load_model(NAME, weights=tmp_path / "objects.pth")


# ---- image_size


@pytest.mark.parametrize(
    ("name", "size", "layer", "grid"),
    [
        ("test_resnet", (96, 160), "layer2", (12, 20)),
        ("test_vit", (96, 160), "blocks.1", (6, 10)),
        ("test_vit", 192, "blocks.1", (12, 12)),
    ],
)
def test_other_input_sizes(name, size, layer, grid):
    model = load_model(name, pretrained=False, image_size=size)
    tokens = extract(model, IMAGES, layer)[layer]
    assert tokens.grid == grid
    assert "input_size" in model.provenance["config"]


def test_patches_that_would_leave_a_border_out_are_refused_whatever_timm_does():
    class Taking(torch.nn.Module):
        """Takes any size, as timm 1.0.9 does."""

        def __init__(self):
            super().__init__()
            self.patch_embed = torch.nn.Conv2d(3, 2, 16, 16)
            self.patch_embed.patch_size = (16, 16)

        def forward(self, x):
            return self.patch_embed(x)

    load._try_size(Taking(), (96, 160))
    with pytest.raises(ValueError, match=r"`image_size` must be .*\(96, 100\) \(its patches have 16 x 16 pixels\)"):
        load._try_size(Taking(), (96, 100))


def test_sizes_that_a_model_does_not_take():
    with pytest.raises(ValueError, match=r"`image_size` must be a size that this model takes; got \(100, 100\)"):
        load_model("test_vit", pretrained=False, image_size=100)
    with pytest.raises(ValueError, match="`image_size`"):
        load_model("test_vit", pretrained=False, image_size=(1, 2, 3))
    with pytest.raises(ValueError, match="`image_size`"):
        load_model("test_vit", pretrained=False, image_size=0)


@pytest.mark.parametrize(
    "junk", [b"", b"PK\x03\x04", b"\x80\x02]q\x00.", b"K\x01.", b"\x80\x02h\x05.", b"junk" * 100, bytes(64)]
)
def test_junk_bytes_are_no_checkpoint(junk, tmp_path):
    path = tmp_path / "junk.pth"
    path.write_bytes(junk)
    with pytest.raises(ValueError, match="`weights` must be a"):
        load_model(NAME, weights=path)


def test_any_damage_to_a_checkpoint_is_named(trained, tmp_path):
    path = tmp_path / "a.pth"
    torch.save(trained.module.state_dict(), path)
    good, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(60):
        data = bytearray(good)
        for at in rng.integers(0, len(data) if rng.random() < 0.5 else 400, rng.integers(1, 30)):
            data[at] ^= 1 << rng.integers(8)
        path.write_bytes(data[: rng.integers(len(data))] if rng.random() < 0.3 else data)
        try:
            load_model(NAME, weights=path)
        except ValueError as error:
            if "`weights` must be" not in str(error):
                raise


WRONG = {
    "complex": lambda value: value.to(torch.complex64),
    "integer": lambda value: value.to(torch.int32),
    "truth": lambda value: value > 0,
    "NaN": lambda value: value * torch.nan,
    "one NaN": lambda value: torch.cat([value.flatten()[:-1], torch.tensor([torch.nan])]).reshape(value.shape),
}


@pytest.mark.parametrize("form", WRONG)
def test_weights_that_are_no_floating_numbers_are_refused(form, trained, tmp_path):
    state = {
        name: WRONG[form](value) if value.ndim == 4 else value for name, value in trained.module.state_dict().items()
    }
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=r"`weights` must be a file of (floating weights|numbers)"):
        load_model(NAME, weights=tmp_path / "a.pth")
