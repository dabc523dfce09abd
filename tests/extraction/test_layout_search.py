"""Layouts: every token in its place, whatever the order of axes; no grid rather than a wrong one.

The perturbation test knows nothing of layouts: it paints a square into a photograph and looks which token reacts.
"""

from dataclasses import dataclass

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torch import nn
from torchvision import transforms as T  # noqa: N812 (its usual name)

from semrsm_widgets.extraction.forward import extract
from semrsm_widgets.extraction.layout import Layout
from semrsm_widgets.extraction.model_layers import layers
from semrsm_widgets.extraction.shape_reading import Declared, read_shape
from semrsm_widgets.images.demo import demo_images
from semrsm_widgets.images.load import load_images
from semrsm_widgets.models.visible import visible_box
from semrsm_widgets.models.vision_model import VisionModel
from semrsm_widgets.tokens.grid import token_boxes
from semrsm_widgets.tokens.tokens import Tokens

ODD = (331, 277)  # width, height of the photograph


def of_size(*size: int) -> T.Compose:
    return T.Compose([T.Resize(size), T.ToTensor()])


def timm_model(name: str, side: int | tuple[int, int] = 64, **settings) -> VisionModel:
    torch.manual_seed(0)
    size = (side, side) if isinstance(side, int) else side
    return VisionModel(timm.create_model(name, **settings).eval(), of_size(*size))


def away(model: VisionModel, layer: str, places=((0.3, 0.3), (0.3, 0.7), (0.7, 0.3), (0.7, 0.7))) -> int:
    """Return how far, in cells, the token that reacts most to a painted square is from the one whose box holds it."""
    photograph = demo_images(crops=1).image(3).resize(ODD)
    h, w = layers(model)[layer].grid
    boxes = token_boxes((h, w), visible_box(model.transform, ODD))
    targets = [int(y * h) * w + int(x * w) for y, x in places]
    pictures = [photograph]
    for token in targets:
        pixels = np.array(photograph)
        left, top, right, bottom = np.round(boxes[token]).astype(int)
        pixels[top:bottom, left:right] = np.random.default_rng(0).integers(0, 256, (bottom - top, right - left, 3))
        pictures.append(Image.fromarray(pixels))
    values = extract(model, load_images(pictures), layer)[layer].values
    reaction = (values[1:] - values[:1]).norm(dim=-1)
    # Measured against its own mean, as a border may react to everything; not where it hardly reacts at all.
    strongest = (reaction / (reaction.mean(0) + 0.1 * reaction.mean())).argmax(1)
    return max(max(abs(int(s) // w - t // w), abs(int(s) % w - t % w)) for s, t in zip(strongest, targets, strict=True))


SMALL_VIT = {"depth": 4, "embed_dim": 48, "num_heads": 3}


@pytest.mark.parametrize(
    ("model", "layer", "grid", "prefix"),
    [
        (lambda: timm_model("resnet18", 128), "layer2.1", (16, 16), 0),
        (lambda: timm_model("vit_tiny_patch16_224", img_size=64, patch_size=8, **SMALL_VIT), "blocks.1", (8, 8), 1),
        (
            lambda: timm_model("swin_tiny_patch4_window7_224", 112, img_size=112, depths=(1, 2, 1)),
            "layers.1",
            (14, 14),
            0,
        ),
        (
            lambda: timm_model("vit_little_patch16_reg4_gap_256", img_size=64, patch_size=8, depth=3),
            "blocks.1",
            (8, 8),
            4,
        ),
        (
            lambda: timm_model("vit_tiny_patch16_224", (48, 80), img_size=(48, 80), patch_size=8, **SMALL_VIT),
            "blocks.2",
            (6, 10),
            1,
        ),
        (lambda: timm_model("test_convnext", (96, 160)), "stages.1", (12, 20), 0),
        (lambda: timm_model("hiera_tiny_224", 128, img_size=128, embed_dim=16), "blocks.2", (16, 16), 0),
    ],
    ids=["ResNet", "ViT", "Swin", "registers", "non-square ViT", "non-square ConvNeXt", "Hiera"],
)
def test_the_token_whose_box_holds_a_painted_square_reacts_most(model, layer, grid, prefix):
    model = model()
    row = layers(model)[layer]
    assert (row.grid, row.prefix) == (grid, prefix)
    assert away(model, layer) <= 1  # strided convolutions look up to half a cell up and left


def test_the_painted_square_refutes_a_wrong_grid():
    model = timm_model("vit_tiny_patch16_224", img_size=64, patch_size=8, **SMALL_VIT)
    values = extract(model, demo_images(), "blocks.1")["blocks.1"]
    wrong = Layout("NLC", prefix=1, grid=(8, 8), order=tuple(range(63, -1, -1)))
    turned = extract(model, demo_images(), "blocks.1", layout=wrong)["blocks.1"]
    torch.testing.assert_close(turned.values, values.values.flip(1))
    assert away(model, "blocks.1") == 0
    model.module.blocks[1].register_forward_hook(lambda m, i, out: torch.cat([out[:, :1], out[:, 1:].flip(1)], 1))
    other = VisionModel(nn.Sequential(model.module).eval(), model.transform)
    assert layers(other)["0.blocks.1"].grid is None  # the probe says so too
    assert "mirrored" in layers(other)["0.blocks.1"].note


def test_hieras_order_is_undone_value_by_value():
    model = timm_model("hiera_tiny_224", 128, img_size=128, embed_dim=16)
    images = demo_images().select([0, 1])
    rows = [f"blocks.{i}" for i in (0, 2, 9, 11)]
    found = extract(model, images, rows)
    with torch.no_grad():
        batch = torch.stack([model.transform(image) for image in images])
        maps = model.module.forward_intermediates(batch, intermediates_only=True)
    for name, expected in zip(rows, maps, strict=True):
        torch.testing.assert_close(found[name].values, expected.flatten(2).transpose(1, 2), rtol=1e-4, atol=1e-4)
        assert found[name].grid == tuple(expected.shape[2:])


# ---- models of a user's own


class Blocks(nn.Module):
    """Patches (8 x 8 of 8 pixels, 16 channels) handed on in an order of axes, or of tokens, of its own."""

    def __init__(self, form) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Conv2d(3, 16, 8, 8)
        self.form = form
        self.block = nn.Identity()

    def forward(self, x: torch.Tensor):
        return self.block(self.form(self.embed(x)))


@dataclass
class Result:
    tokens: torch.Tensor
    count: int


def with_prefix(x: torch.Tensor, count: int) -> torch.Tensor:
    return torch.cat([x.new_zeros(len(x), count, 16), x.flatten(2).transpose(1, 2)], 1)


SHUFFLE = torch.randperm(64, generator=torch.Generator().manual_seed(0))
FORMS = {
    "NCHW": (lambda x: x, "block", Layout("NCHW", grid=(8, 8))),
    "NHWC": (lambda x: x.permute(0, 2, 3, 1), "block", Layout("NHWC", grid=(8, 8))),
    "NLC": (lambda x: x.flatten(2).transpose(1, 2), "block", Layout("NLC", grid=(8, 8))),
    "LNC": (lambda x: x.flatten(2).permute(2, 0, 1), "block", Layout("LNC", grid=(8, 8))),
    "NCL": (lambda x: x.flatten(2), "block", Layout("NCL", grid=(8, 8))),
    "class token": (lambda x: with_prefix(x, 1), "block", Layout("NLC", prefix=1, grid=(8, 8))),
    "registers": (lambda x: with_prefix(x, 5), "block", Layout("NLC", prefix=5, grid=(8, 8))),
    "tuple of one": (lambda x: (x,), "block", Layout("NCHW", grid=(8, 8))),
    "hint": (lambda x: (x.flatten(2).transpose(1, 2), (8, 8)), "block", Layout("NLC", grid=(8, 8))),
    "dict": (lambda x: {"out": x, "aux": x[:, :4]}, "block.out", Layout("NCHW", grid=(8, 8))),
    "data class": (lambda x: Result(with_prefix(x, 1), 3), "block", Layout("NLC", prefix=1, grid=(8, 8))),
    "pooled": (lambda x: x.mean((2, 3)), "block", Layout("NC", grid=(1, 1))),
    "kept as a map": (lambda x: x.mean((2, 3), keepdim=True), "block", Layout("NCHW", grid=(1, 1))),
    "class token alone": (lambda x: x.mean((2, 3))[:, None], "block", Layout("NC", grid=(1, 1))),
}


@pytest.mark.parametrize(("form", "layer", "layout"), FORMS.values(), ids=FORMS)
def test_every_order_of_axes_gives_the_same_tokens(form, layer, layout):
    model = VisionModel(Blocks(form), of_size(64, 64))
    row = layers(model)[layer]
    assert row.layout == layout
    images = demo_images().select([0, 1])
    got = extract(model, images, ["embed", layer])
    expected = got["embed"].values
    if layout.grid == (1, 1):
        expected = expected.mean(1, keepdim=True)
    torch.testing.assert_close(got[layer].values, expected)
    assert (0 if got[layer].prefix is None else got[layer].prefix.shape[1]) == layout.prefix
    assert got[layer].grid == layout.grid


def windows(x: torch.Tensor) -> torch.Tensor:
    """Cut the 8 x 8 map into 4 x 4 windows of 2 x 2 tokens."""
    return x.reshape(len(x), 16, 4, 2, 4, 2).permute(0, 2, 4, 3, 5, 1).reshape(len(x), 16, 4, 16)


def test_windows_are_put_side_by_side():
    model = VisionModel(Blocks(windows), of_size(64, 64))
    got = extract(model, demo_images(), ["embed", "block"])
    assert layers(model)["block"].layout.axes == "NTLC"
    torch.testing.assert_close(got["block"].values, got["embed"].values)


def mixed(x: torch.Tensor) -> torch.Tensor:
    """Every token is the mean of all places: nothing tells where it stands."""
    return x.flatten(2).mean(2, keepdim=True).expand(-1, -1, 64).transpose(1, 2).contiguous()


@pytest.mark.parametrize(
    ("form", "note"),
    [
        (lambda x: x.flatten(2).transpose(1, 2)[:, SHUFFLE], "look at other parts"),
        (mixed, "react alike to all parts"),
        (lambda x: x.flatten(2).transpose(1, 2)[:, :63, :15], "their number fits no grid"),
        (lambda x: x.flatten(2).repeat_interleave(2, 0), "first axis"),
        (
            lambda x: torch.softmax(x.flatten(2).transpose(1, 2) @ x.flatten(2), -1)[:, None].repeat(1, 2, 1, 1),
            "attention",
        ),
    ],
    ids=["shuffled", "mixed", "odd number", "windows first", "attention"],
)
def test_no_grid_rather_than_a_wrong_one(form, note):
    model = VisionModel(Blocks(form), of_size(64, 64))
    row = layers(model)["block"]
    assert row.grid is None
    assert note in row.note


def test_a_layer_whose_channels_are_as_many_as_its_rows_is_read_by_the_probe():
    def as_wide(x: torch.Tensor) -> torch.Tensor:
        return x[:, :8].permute(0, 2, 3, 1)  # (N, 8, 8, 8): the shape alone says nothing

    model = VisionModel(Blocks(as_wide), of_size(64, 64))
    got = extract(model, demo_images(), ["embed", "block"])
    assert layers(model)["block"].layout.axes == "NHWC"
    torch.testing.assert_close(got["block"].values, got["embed"].values[..., :8])


def test_the_layout_is_that_of_the_instance_and_of_the_input():
    square = timm_model("vit_tiny_patch16_224", img_size=64, patch_size=8, dynamic_img_size=True, **SMALL_VIT)
    assert layers(square)["patch_embed"].layout.axes == "NHWC"
    wide = VisionModel(square.module, of_size(48, 80))
    assert layers(wide)["blocks.1"].grid == (6, 10)
    assert layers(square)["blocks.1"].grid == (8, 8)
    plain = timm_model("vit_tiny_patch16_224", img_size=64, patch_size=8, **SMALL_VIT)
    assert layers(plain)["patch_embed"].layout.axes == "NLC"


# ---- what the shape says


@pytest.mark.parametrize(
    ("shape", "axes", "grid"),
    [
        ((3, 64, 7, 7), "NCHW", (7, 7)),
        ((3, 7, 7, 64), "NHWC", (7, 7)),
        ((3, 1000), "NC", (1, 1)),
        ((3, 1, 192), "NC", (1, 1)),
        ((3, 64, 7, 8), "", None),
        ((12, 49, 96), "", None),
        ((3, 8, 4, 7, 7), "", None),
    ],
)
def test_what_the_shape_settles(shape, axes, grid):
    sure = read_shape(shape, 3, Declared(input_size=(224, 224))).sure
    assert (sure.axes, sure.grid) == (axes, grid)


@pytest.mark.parametrize(
    ("shape", "declared", "first"),
    [
        ((3, 197, 192), Declared((224, 224)), Layout("NLC", prefix=1, grid=(14, 14))),
        ((3, 201, 192), Declared((224, 224), prefix=5), Layout("NLC", prefix=5, grid=(14, 14))),
        ((3, 61, 48), Declared((48, 80)), Layout("NLC", prefix=1, grid=(6, 10))),
        ((197, 3, 192), Declared((224, 224)), Layout("LNC", prefix=1, grid=(14, 14))),
        ((3, 192, 196), Declared((224, 224)), Layout("NCL", grid=(14, 14))),
    ],
)
def test_what_a_sequence_may_be(shape, declared, first):
    reading = read_shape(shape, 3, declared)
    assert reading.sure is None
    assert reading.candidates[0].layout == first


def test_too_few_channels_or_more_prefix_than_places_are_no_patches():
    declared = Declared((224, 224))
    assert read_shape((3, 196, 6), 3, declared).candidates == ()
    assert read_shape((3, 2, 256), 3, declared).candidates == ()


# ---- a layout of the user's own


def test_a_layout_overrules_what_was_found():
    model = VisionModel(Blocks(mixed), of_size(64, 64))
    images = demo_images().select([0, 1, 2])
    assert extract(model, images, "block")["block"].grid is None
    given = extract(model, images, ["embed", "block"], layout={"block": Layout("NLC", grid=(8, 8))})
    assert given["block"].grid == given["embed"].grid == (8, 8)
    small = extract(model, images, "block", layout=Layout("NLC", grid=(8, 8)), max_grid=4)["block"]
    assert (small.grid, small.native_grid) == ((4, 4), (8, 8))
    aside = extract(model, images, "block", layout=Layout("NLC", prefix=4))["block"]
    assert (aside.values.shape, aside.prefix.shape, aside.grid) == ((3, 60, 16), (3, 4, 16), None)
    assert "layout given" in aside.note
    maps = extract(model, images, "embed", layout=Layout("NCHW"))["embed"]
    assert maps.grid == (8, 8)


@pytest.mark.parametrize(
    ("layout", "kind", "text"),
    [
        (Layout("NLC", prefix=1, grid=(8, 8)), ValueError, r"`layout` must be one of 63 tokens.*'block'.*\(64, 16\)"),
        (Layout("NCHW"), ValueError, "one with 2 axes besides N"),
        (Layout(""), ValueError, "one with axes"),
        ({"blok": Layout("NLC")}, ValueError, "Did you mean 'block'"),
        ("NLC", TypeError, "`layout` must be a Layout"),
        ({"block": (8, 8)}, TypeError, "`layout` must be a Layout"),
    ],
)
def test_layouts_that_do_not_fit(layout, kind, text):
    model = VisionModel(Blocks(mixed), of_size(64, 64))
    with pytest.raises(kind, match=text):
        extract(model, demo_images().select([0, 1]), "block", layout=layout)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"axes": "CHW"}, "`axes`"),
        ({"axes": "NCHW", "prefix": 1}, "`prefix`"),
        ({"axes": "NLC", "prefix": -1}, "`prefix`"),
        ({"axes": "NLC", "grid": 14}, "`grid`"),
        ({"axes": "NLC", "grid": (0, 14)}, "`grid`"),
        ({"axes": "NLC", "grid": (1, 2), "order": (0, 0)}, "`order`"),
        ({"axes": "NLC", "order": (0,)}, "`order`"),
    ],
)
def test_layouts_that_cannot_be(arguments, text):
    with pytest.raises(ValueError, match=text):
        Layout(**arguments)


# ---- the class token


def test_the_class_token_is_one_token():
    model = timm_model("vit_tiny_patch16_224", img_size=64, patch_size=8, reg_tokens=4, **SMALL_VIT)
    images = demo_images().select([0, 1])
    tokens = extract(model, images, "blocks.3")["blocks.3"]
    assert tokens.prefix.shape == (2, 5, 48)
    alone = tokens.cls()
    assert (alone.values.shape, alone.grid, alone.prefix) == ((2, 1, 48), (1, 1), None)
    with torch.no_grad():
        features = model.module.forward_features(torch.stack([model.transform(image) for image in images]))
        normed = model.module.norm(alone.values)
    torch.testing.assert_close(normed[:, 0], features[:, 0], rtol=1e-4, atol=1e-5)


def test_registers_are_no_class_token():
    model = timm_model("vit_little_patch16_reg4_gap_256", img_size=64, patch_size=8, depth=2)
    tokens = extract(model, demo_images().select([0, 1]), "blocks.0")["blocks.0"]
    with pytest.raises(ValueError, match=r"'blocks.0', which has 4 prefix tokens, none of them a class token"):
        tokens.cls()
    with pytest.raises(ValueError, match="0 prefix tokens"):
        Tokens(values=torch.zeros(2, 4, 3), layer="x").cls()
