"""What people have done with models and pictures, in public reports, from the first call to the last."""

import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.optimize import linear_sum_assignment
from torch import nn
from torchvision import transforms as T  # noqa: N812 (its usual name)
from torchvision.models import detection

import semrsm_widgets as srsm

SIDE = 96
TRANSFORM = T.Compose([T.Resize((SIDE, SIDE)), T.ToTensor()])
PICTURES = [Image.linear_gradient("L").convert("RGB"), Image.radial_gradient("L").convert("RGB")]


def batch() -> torch.Tensor:
    return torch.stack([TRANSFORM(picture) for picture in PICTURES])


def tokens_of(maps: torch.Tensor) -> torch.Tensor:
    return maps.flatten(2).transpose(1, 2)


def with_spots(size: tuple[int, int], points: list[tuple[int, int]], half: int) -> list[Image.Image]:
    """Return a grey picture, and one with a red square at each of the points."""
    grey = Image.new("RGB", size, "grey")
    pictures = [grey]
    for x, y in points:
        pictures.append(grey.copy())
        pictures[-1].paste((255, 0, 0), (x - half, y - half, x + half, y + half))
    return pictures


def test_a_masked_autoencoder_is_random_and_says_so():
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96}
    torch.manual_seed(0)
    net = transformers.ViTMAEModel(transformers.ViTMAEConfig(**sizes, image_size=64, patch_size=8)).eval()
    resized = T.Compose([T.Resize((64, 64)), T.ToTensor()])
    model = srsm.VisionModel(net, lambda picture: {"pixel_values": resized(picture)})
    with pytest.warns(UserWarning, match="two runs on the same picture differ"):
        first, again = (srsm.extract(model, PICTURES, "layernorm")["layernorm"] for _ in range(2))
    assert not torch.equal(first.values, again.values)
    assert first.grid is None
    assert "random" in first.note
    analysis = srsm.Analysis(srsm.load_images(PICTURES), {"layernorm": first}, model=model)
    assert "random: two runs" in analysis.to_xarray().attrs["provenance"]
    with warnings.catch_warnings():  # what comes before the masking is as it was
        warnings.simplefilter("error")
        before = srsm.extract(model, PICTURES, "embeddings.patch_embeddings")["embeddings.patch_embeddings"]
    assert before.grid == (8, 8)


def test_one_activation_in_place_for_two_layers_and_a_sum_in_place_after_it():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.act = nn.Conv2d(3, 24, 8, 8), nn.Conv2d(24, 24, 1), nn.ReLU(inplace=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.act(self.a(x))
            return self.act(self.b(y)).add_(y)

    torch.manual_seed(0)
    net = Net().eval()
    got = srsm.extract(srsm.VisionModel(net, TRANSFORM), PICTURES, ["a", "act@1", "b", "act@2"])
    with torch.no_grad():
        a = net.a(batch())
        b = net.b(a.relu())
    for name, expected in {"a": a, "act@1": a.relu(), "b": b, "act@2": b.relu()}.items():
        assert torch.equal(got[name].values, tokens_of(expected)), name


def test_a_model_and_a_part_of_one_that_were_compiled_and_run_before():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 24, 8, 8), nn.ReLU(), nn.Conv2d(24, 9, 1)).eval()
    with torch.no_grad():
        first, last = net[0](batch()), net(batch())
        whole = torch.compile(net, backend="eager")
        whole(batch())
        outer = nn.Sequential(torch.compile(net, backend="eager"), nn.Flatten())
        outer(batch())
    got = srsm.extract(srsm.VisionModel(whole, TRANSFORM), PICTURES, ["0", "2"])
    assert torch.equal(got["0"].values, tokens_of(first))
    assert torch.equal(got["2"].values, tokens_of(last))
    part = srsm.extract(srsm.VisionModel(outer, TRANSFORM), PICTURES, "0._orig_mod.0")
    assert torch.equal(next(iter(part.values())).values, tokens_of(first))


def test_bfloat16_from_the_model_to_the_report(tmp_path):
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    images = srsm.load_images([Image.fromarray(rng.integers(0, 255, (48, 48, 3), dtype=np.uint8)) for _ in range(4)])
    resized = T.Compose([T.Resize((48, 48)), T.ToTensor()])
    model = srsm.VisionModel(nn.Conv2d(3, 24, 8, 8).bfloat16().eval(), resized)
    tokens = srsm.extract(model, images, "output", dtype=torch.bfloat16)["output"]
    x = tokens.values.double().numpy()
    gain = x[0] @ x[1].T
    rows, columns = linear_sum_assignment(gain, maximize=True)
    expected = gain[rows, columns].sum() / np.linalg.norm(x[0]) / np.linalg.norm(x[1])
    analysis = srsm.Analysis(images, {"output": tokens}, model=model)
    assert -1e-6 < expected - analysis.rsm("output")[0, 1] < 1e-4
    analysis.save(tmp_path / "a.npz", tokens=True)
    again = srsm.Analysis.load(tmp_path / "a.npz")
    assert np.array_equal(again.rsm("output"), analysis.rsm("output"))
    srsm.to_html(again, tmp_path / "r.html")
    assert (tmp_path / "r.html").stat().st_size > 0


def test_a_detector_that_resizes_and_pads_inside_has_its_places():
    torch.manual_seed(0)
    net = detection.fasterrcnn_mobilenet_v3_large_320_fpn(weights=None, weights_backbone=None).eval()
    model = srsm.VisionModel(net, T.Compose([T.Resize((240, 400)), T.ToTensor()]))
    points = [(50, 30), (350, 30), (50, 210), (350, 210)]
    tokens = srsm.extract(model, with_spots((400, 240), points, 10), "backbone.body.4")["backbone.body.4"]
    h, w = tokens.grid
    for k, (x, y) in enumerate(points, 1):
        j = int((tokens.values[k] - tokens.values[0]).norm(dim=1).argmax())
        assert abs((j % w + 0.5) * 400 / w - x) <= 12
        assert abs((j // w + 0.5) * 240 / h - y) <= 12
