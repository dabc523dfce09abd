"""What is said of a model that does not take a batch of pictures, before its own error is seen."""

import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import transforms as T  # noqa: N812 (its usual name)

from semrsm_widgets.extraction.forward import extract
from semrsm_widgets.extraction.model_layers import layers
from semrsm_widgets.models.vision_model import VisionModel

SIDE = 32
TRANSFORM = T.Compose([T.Resize((SIDE, SIDE)), T.ToTensor()])
PICTURES = [Image.linear_gradient("L").convert("RGB"), Image.radial_gradient("L").convert("RGB")]


class Net(nn.Module):
    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.net = nn.Conv2d(channels, 16, 4, 4)


class Two(Net):
    def forward(self, first, second):
        return self.net(first) - self.net(second)


class Denoiser(Net):
    def forward(self, x, timestep, *, guidance):
        return self.net(x) * timestep * guidance


class Seeing(Net):
    """Takes text and pictures, as CLIP does; the pictures alone are not enough."""

    def __init__(self) -> None:
        super().__init__()
        self.vision_model = self.net

    def forward(self, input_ids=None, pixel_values=None):
        if input_ids is None:
            raise ValueError("You have to specify input_ids")
        return self.net(pixel_values)


class Plain(Net):
    def forward(self, x):
        return self.net(x)


class Volume(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Conv3d(3, 8, 3)

    def forward(self, x):
        if x.ndim != 5:
            raise RuntimeError("Expected 5D input")
        return self.net(x)


def by_keyword(image):
    return {"pixel_values": TRANSFORM(image)}


@pytest.mark.parametrize(
    ("module", "transform", "text"),
    [
        (Two(), TRANSFORM, r"one input, a batch of pictures; got Two, which needs 'second' as well\. Wrap it"),
        (Denoiser(), TRANSFORM, r"needs 'timestep', 'guidance' as well\. Wrap it"),
        (Seeing(), by_keyword, r"takes text as well\. Take the part that sees: VisionModel\(model\.vision_model"),
        (Plain(), by_keyword, r"`transform` must be a function that returns a tensor, for forward\(x\); got a mapping"),
        (Plain(13), TRANSFORM, r"one that gives 13 channels, as Conv2d takes; got inputs of shape \(3, 32, 32\)"),
        (Volume(), TRANSFORM, r"Volume, which takes volumes or films\. Wrap it"),
        (Plain(), T.Compose([T.Resize((SIDE, SIDE)), T.PILToTensor()]), r"floating numbers; got integers.*ToTensor"),
    ],
    ids=["siamese", "time step", "text and image", "no keyword", "bands", "volume", "integers"],
)
def test_what_a_model_gets_is_said_before_its_own_error(module, transform, text):
    for run in (layers, lambda model: extract(model, PICTURES)):
        with pytest.raises(ValueError, match=text) as caught:
            run(VisionModel(module.eval(), transform))
        assert caught.value.__cause__ is not None  # the model's own error is still there to see


def test_an_error_that_nobody_can_explain_stays_as_it_is_and_says_what_was_given():
    class Broken(Net):
        def forward(self, x):
            raise KeyError("something of its own")

    with pytest.raises(KeyError, match="something of its own") as caught:
        layers(VisionModel(Broken().eval(), TRANSFORM))
    assert "A model gets one input, a batch of pictures; here of shape (5, 3, 32, 32)" in "".join(
        caught.value.__notes__
    )


def test_a_transform_for_several_inputs_says_to_wrap_the_model():
    model = VisionModel(Two().eval(), lambda image: {"first": TRANSFORM(image), "second": TRANSFORM(image)})
    with pytest.raises(TypeError, match=r"a mapping with 'first', 'second'\. For a model of several inputs, wrap it"):
        layers(model)


def test_lazy_weights_are_not_given_shapes_by_looking():
    net = nn.Sequential(nn.LazyConv2d(8, 3), nn.ReLU()).eval()
    with pytest.raises(
        ValueError, match=r"a model whose weights have shapes; got one without '0\.weight'\. Run it once"
    ):
        layers(VisionModel(net, TRANSFORM))
    net(torch.zeros(1, 3, SIDE, SIDE))
    assert layers(VisionModel(net, TRANSFORM))["0"].D == 8
