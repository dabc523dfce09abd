"""A model can be copied and sent to a worker, and its transform is asked whether it does the same each time."""

import copy
import pickle
import warnings

import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import transforms as T  # noqa: N812 (its usual name)

from semrsm_widgets.extraction.forward import extract
from semrsm_widgets.models.vision_model import VisionModel

PICTURE = Image.merge(
    "RGB", [Image.linear_gradient("L"), Image.linear_gradient("L").rotate(90), Image.radial_gradient("L")]
)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_gives_the_same_and_has_the_same_provenance(copied):
    torch.manual_seed(0)
    model = VisionModel(nn.Conv2d(3, 8, 4, 4), T.ToTensor(), name="mine", provenance={"weights": "of my own"})
    other = copied(model)
    assert other.name == "mine"
    assert dict(other.provenance) == dict(model.provenance)
    got, expected = (extract(each, [PICTURE], "output")["output"].values for each in (other, model))
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize(
    "step", [T.RandomResizedCrop(224), T.ColorJitter(0.5), T.RandomHorizontalFlip(), T.RandomErasing(p=1.0)]
)
def test_a_random_transform_is_told(step):
    torch.manual_seed(1)
    steps = [T.ToTensor(), step] if isinstance(step, T.RandomErasing) else [step, T.ToTensor()]
    model = VisionModel(nn.Conv2d(3, 8, 4, 4), T.Compose(steps))
    with pytest.warns(UserWarning, match="transform is random: it makes two inputs of one picture"):
        extract(model, [PICTURE], "output")


def test_a_transform_that_repeats_itself_is_not():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        extract(VisionModel(nn.Conv2d(3, 8, 4, 4), T.ToTensor()), [PICTURE], "output")
