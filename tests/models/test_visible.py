"""Geometry: boxes checked by coordinate ramps sent through the real transforms."""

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import create_transform
from torchvision import transforms as T  # noqa: N812 (its usual name)
from torchvision.models import ResNet18_Weights
from torchvision.transforms import v2

from semrsm_widgets.models.visible import visible_box
from semrsm_widgets.tokens.grid import token_boxes

SIZES = [(640, 480), (333, 500), (224, 224), (301, 299), (100, 90), (1000, 401), (57, 230)]

TIMM = [
    {"input_size": (3, 224, 224), "crop_pct": 0.875},
    {"input_size": (3, 224, 224), "crop_pct": 0.95, "interpolation": "bicubic"},
    {"input_size": (3, 224, 224), "crop_pct": 1.0},
    {"input_size": (3, 192, 256), "crop_pct": 0.9},
    {"input_size": (3, 160, 160), "crop_pct": 0.9, "crop_mode": "squash"},
    {"input_size": (3, 128, 224), "crop_pct": 1.0, "crop_mode": "squash"},
    {"input_size": (3, 160, 160), "crop_pct": 1.0, "crop_mode": "border"},
    {"input_size": (3, 160, 224), "crop_pct": 0.9, "crop_mode": "border"},
    {"input_size": (3, 160, 160), "crop_pct": 0.9, "crop_border_pixels": 7},
]


def ramp_coordinates(transform, size):
    """Return for each pixel centre of the model's input the original x and y that it shows; NaN in padding."""
    geometric = []
    for step in transform.transforms:
        if type(step).__name__ in ("MaybeToTensor", "ToTensor", "PILToTensor", "Normalize", "ConvertImageDtype"):
            break
        if type(step).__name__ == "CenterCropOrPad":
            step = type(step)(step.size, fill=-1e6)
        geometric.append(step)
    width, height = size
    ramps = [
        np.broadcast_to(np.arange(width) + 0.5, (height, width)),
        np.broadcast_to(np.arange(height)[:, None] + 0.5, (height, width)),
    ]
    seen = []
    for ramp in ramps:
        image = Image.fromarray(np.ascontiguousarray(ramp, dtype=np.float32), mode=None)
        for step in geometric:
            image = step(image)
        seen.append(np.asarray(image, dtype=np.float64))
    return seen


def check_against_ramps(transform, size, tolerance):
    x, y = ramp_coordinates(transform, size)
    height, width = x.shape
    left, top, right, bottom = visible_box(transform, size)
    expected_x = left + (right - left) * (np.arange(width) + 0.5) / width
    expected_y = top + (bottom - top) * (np.arange(height) + 0.5) / height
    # Resampling flattens ramps near the image's border: compare the interior.
    margin_x, margin_y = 2 * (right - left) / width + 1, 2 * (bottom - top) / height + 1
    inner_x = (expected_x > margin_x) & (expected_x < size[0] - margin_x)
    inner_y = (expected_y > margin_y) & (expected_y < size[1] - margin_y)
    assert inner_x.sum() > 20
    assert inner_y.sum() > 20
    assert np.abs(x[inner_y][:, inner_x] - expected_x[inner_x]).max() < tolerance
    assert np.abs(y[inner_y][:, inner_x] - expected_y[inner_y][:, None]).max() < tolerance


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("settings", TIMM, ids=lambda s: "-".join(map(str, s.values())))
def test_timm_transforms_agree_with_coordinate_ramps(settings, size):
    check_against_ramps(create_transform(**settings), size, tolerance=0.15)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    "steps",
    [
        [T.Resize(256), T.CenterCrop(224)],
        [T.Resize(96, max_size=120)],
        [T.Resize((100, 130)), T.Compose([T.CenterCrop((80, 90))])],
        [T.CenterCrop(90)],
        [],
        [v2.Resize(96), v2.CenterCrop((80, 88))],
    ],
    ids=["usual", "max_size", "squash", "crop", "nothing", "version 2"],
)
def test_torchvision_transforms_agree_with_coordinate_ramps(steps, size):
    check_against_ramps(T.Compose([*steps, T.ToTensor()]), size, tolerance=0.15)


def test_the_preset_of_torchvisions_weights_is_resize_256_and_crop_224():
    usual = T.Compose([T.Resize(256), T.CenterCrop(224), T.ToTensor()])
    for size in SIZES:
        assert visible_box(ResNet18_Weights.DEFAULT.transforms(), size) == visible_box(usual, size)


def test_the_other_presets_of_torchvision_are_understood():
    from torchvision.transforms._presets import ObjectDetection, SemanticSegmentation

    assert visible_box(SemanticSegmentation(resize_size=128), (301, 299)) == (0.0, 0.0, 301.0, 299.0)
    assert visible_box(ObjectDetection(), (301, 299)) == (0.0, 0.0, 301.0, 299.0)
    assert visible_box(v2.Compose([v2.Resize(64), v2.ToImage(), v2.ToDtype(torch.float32)]), (128, 64)) is not None


@pytest.mark.parametrize("padding", [3, (4, 6), (1, 2, 3, 4)])
def test_padding_reaches_outside_by_its_own_width(padding):
    left, top, right, bottom = visible_box(T.Compose([T.Pad(padding), T.ToTensor()]), (40, 30))
    sides = [padding] * 4 if isinstance(padding, int) else list(padding) * (4 // len(padding))
    assert (-left, -top, right - 40, bottom - 30) == tuple(sides)
    assert visible_box(T.Compose([T.Pad(padding, padding_mode="reflect"), T.ToTensor()]), (40, 30)) is None


def test_the_frame_of_a_usual_photograph():
    box = visible_box(create_transform(input_size=(3, 224, 224), crop_pct=0.9), (640, 480))
    np.testing.assert_allclose(box, (103, 23, 537, 457), atol=1.0)


def test_padding_reaches_outside_the_image():
    left, top, right, bottom = visible_box(create_transform(**TIMM[6]), (640, 480))
    assert left == pytest.approx(0)
    assert right == pytest.approx(640)
    assert top == pytest.approx(-80)
    assert bottom == pytest.approx(560)


def test_a_painted_cell_lights_its_own_token():
    size, grid = (501, 377), (7, 7)
    transform = create_transform(input_size=(3, 224, 224), crop_pct=0.875)
    boxes = token_boxes(grid, visible_box(transform, size))
    for token in (0, 10, 24, 48):
        left, top, right, bottom = np.round(boxes[token]).astype(int)
        pixels = np.zeros((size[1], size[0], 3), np.uint8)
        pixels[top:bottom, left:right] = 255
        seen = transform(Image.fromarray(pixels)).sum(0)
        energy = torch.nn.functional.adaptive_avg_pool2d((seen - seen.min())[None, None], grid).flatten()
        assert energy.argmax() == token
        assert energy[token] / energy.sum() > 0.88


@pytest.mark.parametrize(
    "step",
    [
        T.RandomResizedCrop(224),
        T.RandomHorizontalFlip(),
        T.Lambda(lambda x: x.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
        T.Lambda(lambda x: x.transpose(Image.Transpose.ROTATE_90)),
        T.Lambda(lambda x: x.rotate(15)),
        T.Lambda(lambda x: x.convert("L")),
        T.Lambda(lambda x: x.point(lambda v: (v // 64) * 64)),
    ],
    ids=["random crop", "random flip", "mirror", "turn", "tilt", "grey", "posterised"],
)
def test_what_is_no_resize_and_crop_gives_no_box(step):
    assert visible_box(T.Compose([T.Resize(256), step, T.ToTensor()]), (640, 480)) is None


def test_what_gives_no_tensor_gives_no_box():
    assert visible_box(lambda image: image, (640, 480)) is None
    assert visible_box(lambda image: None, (640, 480)) is None
    assert visible_box(lambda image: {"input_ids": [1]}, (640, 480)) is None


@pytest.mark.parametrize("size", SIZES[::2], ids=str)
@pytest.mark.parametrize("settings", TIMM, ids=lambda s: "-".join(map(str, s.values())))
def test_ramps_find_what_an_unknown_transform_shows(settings, size):
    transform = create_transform(**settings)
    found = visible_box(lambda image: transform(image), size)
    # 224 grey levels over the side: a step of the ramp is up to 4.5 pixels here.
    np.testing.assert_allclose(found, visible_box(transform, size), atol=max(0.6, 0.002 * max(size)))


def test_an_unknown_transform_is_asked_once_for_a_size():
    calls = []

    def transform(image: Image.Image) -> torch.Tensor:
        calls.append(image.size)
        return T.ToTensor()(image.resize((64, 64)))

    first = visible_box(transform, (301, 299))
    asked = len(calls)
    assert visible_box(transform, (301, 299)) == first
    assert len(calls) == asked > 0
    visible_box(transform, (299, 301))
    assert len(calls) == 2 * asked


def test_image_processors_of_hugging_face_are_understood():
    transformers = pytest.importorskip("transformers")
    processor = transformers.CLIPImageProcessor()
    usual = T.Compose([T.Resize(224), T.CenterCrop(224), T.ToTensor()])
    found = visible_box(lambda image: processor(image, return_tensors="pt"), (640, 480))
    np.testing.assert_allclose(found, visible_box(usual, (640, 480)), atol=1.0)


def test_token_boxes_tile_the_box_in_raster_order():
    boxes = token_boxes((3, 4), (10.0, -6.0, 50.0, 24.0))
    assert boxes.shape == (12, 4)
    np.testing.assert_allclose(boxes[0], (10, -6, 20, 4))
    np.testing.assert_allclose(boxes[1], (20, -6, 30, 4))
    np.testing.assert_allclose(boxes[4], (10, 4, 20, 14))
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    assert areas.sum() == pytest.approx(40 * 30)


@pytest.mark.parametrize("size", [(0, 10), (10,), (-1, 4)])
def test_bad_sizes(size):
    with pytest.raises(ValueError, match="`size`"):
        visible_box(T.Compose([]), size)
    with pytest.raises(ValueError, match="`grid`"):
        token_boxes((0, 3), (0, 0, 1, 1))
