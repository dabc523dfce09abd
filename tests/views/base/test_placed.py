"""Where the token grid lies on a picture, and the tile in place of one that is gone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.analyses import make_analysis
from helpers.views import Sent

import semrsm_widgets as srsm


def test_a_picture_that_is_gone_is_said_to_be_without_its_name_and_its_matches_are_shown(monkeypatch, opened, tmp_path):
    analysis = make_analysis()
    for k in range(len(analysis.images)):
        analysis.images.image(k).save(tmp_path / f"{k}.png")
    analysis.images = srsm.load_images(tmp_path)
    (tmp_path / "1.png").unlink()
    sent = Sent.by_any(srsm.PairView, monkeypatch)
    view = opened(srsm.PairView(analysis, pair=(0, 1), expected=1))
    assert sent.newest("pictures")[0]["problems"] == ["", "FileNotFoundError"]
    assert sent.newest("expected picture")[0]["problem"] == "FileNotFoundError"
    assert sent.newest("matches")[0]["semantic"] > 0
    assert view.picture() is not None


def test_patches_lie_on_the_original_through_resize_and_crop(monkeypatch, opened):
    """A 640 x 480 photograph through torchvision's Resize(100), CenterCrop(80): 80/100 of the shorter side."""
    from torchvision import transforms

    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (h, w, 3), dtype=np.uint8) for h, w in ((480, 640), (640, 320))]
    module = torch.nn.Conv2d(3, 8, 20, stride=20)
    steps = [transforms.Resize(100), transforms.CenterCrop(80), transforms.ToTensor()]
    model = srsm.VisionModel(module=module, transform=transforms.Compose(steps), name="patches")
    images = srsm.load_images(pictures)
    analysis = srsm.Analysis(images, srsm.extract(model, images, ["output"]), model=model, matcher=srsm.Exact())
    sent = Sent.by_any(srsm.PairView, monkeypatch)
    opened(srsm.PairView(analysis))
    content, _ = sent.newest("pictures")
    (left, top, right, bottom), second = content["boxes"]
    assert (left, top, right, bottom) == pytest.approx((128 / 640, 48 / 480, 512 / 640, 432 / 480), abs=0.006)
    assert second == pytest.approx((32 / 320, 192 / 640, 288 / 320, 448 / 640), abs=0.006)
    matches, _ = sent.newest("matches")
    assert matches["grid"] == [4, 4]
