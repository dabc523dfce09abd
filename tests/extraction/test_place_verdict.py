"""Models that change the picture's geometry inside: tokens get their place or none, and squares painted say which."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional
from torchvision import transforms as T  # noqa: N812 (its usual name)

from semrsm_widgets.extraction.forward import extract
from semrsm_widgets.extraction.model_layers import layers
from semrsm_widgets.images.load import load_images
from semrsm_widgets.models.vision_model import VisionModel

SIDE = 128
TRANSFORM = T.Compose([T.Resize((SIDE, SIDE)), T.ToTensor()])


class Moves(nn.Module):
    """Does something to the picture, and then what any network does."""

    def __init__(self, move, *, deep: bool = False, channels: int = 3) -> None:
        super().__init__()
        self.move = move
        self.stem = nn.Conv2d(channels, 20, 8, 8)
        self.body = nn.Sequential(*[part for _ in range(3) for part in (nn.Conv2d(20, 20, 3, 1, 1), nn.ReLU())])
        self.deep = deep

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(self.move(x))
        return self.body(x) if self.deep else x


def warped(grid) -> torch.Tensor:
    def move(x: torch.Tensor) -> torch.Tensor:
        return functional.grid_sample(x, grid(*x.shape[2:])[None].repeat(len(x), 1, 1, 1), align_corners=False)

    return move


def turned(angle: float):
    c, s = math.cos(angle), math.sin(angle)

    def move(x: torch.Tensor) -> torch.Tensor:
        matrix = torch.tensor([[c, -s, 0], [s, c, 0]]).repeat(len(x), 1, 1)
        return functional.grid_sample(x, functional.affine_grid(matrix, x.shape, align_corners=False))

    return move


def polar(h: int, w: int) -> torch.Tensor:
    radius, angle = torch.linspace(0, 1, h)[:, None], torch.linspace(-math.pi, math.pi, w)[None]
    return torch.stack([radius * torch.cos(angle), radius * torch.sin(angle)], -1)


def fisheye(h: int, w: int) -> torch.Tensor:
    y, x = torch.meshgrid(torch.linspace(-1, 1, h), torch.linspace(-1, 1, w), indexing="ij")
    return torch.stack([x * x.abs(), y * y.abs()], -1)


def jigsaw(x: torch.Tensor) -> torch.Tensor:
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    tiles = x.unfold(2, 32, 32).unfold(3, 32, 32).flatten(2, 3)[:, :, order]
    return tiles.unflatten(2, (4, 4)).permute(0, 1, 2, 4, 3, 5).reshape(x.shape)


LEFT = {
    "a centre crop": T.CenterCrop(64),
    "a corner": lambda x: x[..., :96, :96],
    "mirrored left to right": lambda x: x.flip(3),
    "upside down": lambda x: x.flip(2),
    "turned by 90 degrees": lambda x: x.rot90(1, (2, 3)),
    "turned by 15 degrees": turned(math.radians(15)),
    "rows for columns": lambda x: x.transpose(2, 3),
    "rolled by a quarter": lambda x: x.roll(32, 3),
    "shifted, zeros follow": lambda x: functional.pad(x, (24, 0, 0, 0))[..., :SIDE],
    "padded all round": lambda x: functional.pad(x, (32,) * 4),
    "mirrored borders": lambda x: functional.pad(x, (32,) * 4, mode="reflect"),
    "polar coordinates": warped(polar),
    "a fisheye": warped(fisheye),
    "a jigsaw": jigsaw,
    "four small copies": lambda x: functional.interpolate(x, scale_factor=0.5).repeat(1, 1, 2, 2),
    "both mirror images added": lambda x: x + x.flip(3),
    "quadrants laid over each other": lambda x: x[..., :64, :64] + x[..., 64:, 64:],
    "halves swapped": lambda x: torch.cat([x[..., 64:], x[..., :64]], 3),
    "one half and its mirror image": lambda x: torch.cat([x[..., :64], x[..., :64].flip(3)], 3),
    "a spectrum": lambda x: torch.fft.fft2(x).abs() / SIDE,
    "rows shuffled": lambda x: x[:, :, torch.randperm(SIDE, generator=torch.Generator().manual_seed(0))],
    "odd columns after even ones": lambda x: torch.cat([x[..., ::2], x[..., 1::2]], 3),
    "running sums": lambda x: x.cumsum(3) / 20,
}
KEPT = {
    "nothing": lambda x: x,
    "a smaller picture": lambda x: functional.interpolate(x, size=64, mode="bilinear"),
    "a blur": lambda x: functional.avg_pool2d(x, 15, 1, 7),
    "whitening": lambda x: (x - x.mean((2, 3), keepdim=True)) / (x.std((2, 3), keepdim=True) + 1e-2),
    "channels mixed": lambda x: x[:, [2, 0, 1]],
    "a border of a few pixels lost": lambda x: x[..., 4:-4, 4:-4],
}


def model_of(move, **options) -> VisionModel:
    torch.manual_seed(0)
    return VisionModel(Moves(move, **options).eval(), TRANSFORM)


def away(model: VisionModel, layer: str) -> float:
    """Return how many cells, at worst, the token that reacts most to a painted square is from the square's own."""
    rng = np.random.default_rng(0)
    grey = np.full((SIDE, SIDE, 3), 128, np.uint8)
    spots = [(x, y) for x in (20, 60, 104) for y in (24, 68, 108)]
    pictures = [grey]
    for x, y in spots:
        pictures.append(grey.copy())
        pictures[-1][y - 5 : y + 5, x - 5 : x + 5] = rng.integers(0, 256, (10, 10, 3))
    tokens = extract(model, load_images([Image.fromarray(p) for p in pictures]), layer)[layer]
    h, w = tokens.grid
    strongest = (tokens.values[1:] - tokens.values[:1]).norm(dim=-1).argmax(1)
    return max(
        max(abs(int(k) % w + 0.5 - x * w / SIDE), abs(int(k) // w + 0.5 - y * h / SIDE))
        for k, (x, y) in zip(strongest, spots, strict=True)
    )


@pytest.mark.parametrize("name", LEFT)
def test_no_grid_where_the_model_moves_the_picture(name):
    row = layers(model_of(LEFT[name]))["stem"]
    assert row.grid is None
    assert "picture" in row.note  # a reason that speaks of where tokens look
    assert row.readable  # the tokens can be compared all the same


@pytest.mark.parametrize(
    "name", ["a centre crop", "upside down", "polar coordinates", "a jigsaw", "both mirror images added"]
)
def test_no_grid_behind_more_layers_either(name):
    table = layers(model_of(LEFT[name], deep=True))
    assert [row.name for row in table if row.grid not in (None, (1, 1))] == []


@pytest.mark.parametrize("name", KEPT)
def test_what_moves_nothing_keeps_its_grid_and_squares_are_found_in_it(name):
    for deep in (False, True):
        model = model_of(KEPT[name], deep=deep)
        layer = "body" if deep else "stem"
        assert layers(model)[layer].grid is not None
        assert away(model, layer) <= (2 if deep else 1.5)


def test_the_painted_square_would_have_found_a_crop():
    model = model_of(lambda x: x)
    assert layers(model)["stem"].grid == (16, 16)
    assert away(model, "stem") <= 1
    # Behind the table's back, which is remembered for the module: the grid is no longer true.
    model.module.move = lambda x: functional.interpolate(x[..., 32:96, 32:96], size=SIDE)
    assert away(model, "stem") > 3


def test_the_note_says_what_is_seen():
    note = layers(model_of(LEFT["a centre crop"]))["stem"].note
    assert "25 % of the" in note or "24 to" in note or "25 to" in note
    assert "mirrored" in layers(model_of(LEFT["mirrored left to right"]))["stem"].note
    assert "width" in layers(model_of(LEFT["mirrored left to right"]))["stem"].note
    assert "height" in layers(model_of(LEFT["upside down"]))["stem"].note


def test_a_branch_that_sees_the_picture_as_it_is_keeps_its_grid_beside_one_that_does_not():
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.near, self.whole = nn.Conv2d(3, 24, 8, 8), nn.Conv2d(3, 24, 8, 8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.near(x[..., 32:96, 32:96]).mean((2, 3)) + self.whole(x).mean((2, 3))

    torch.manual_seed(0)
    table = layers(VisionModel(Two().eval(), TRANSFORM))
    assert table["near"].grid is None
    assert table["whole"].grid == (16, 16)


def test_layers_that_mix_all_places_keep_the_shape_of_a_network_that_was_right_before():
    class Mixes(Moves):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.stem(self.move(x))
            return self.body(x.mean((2, 3), keepdim=True) + 1e-7 * x)

    def table_of(move):
        torch.manual_seed(0)
        return layers(VisionModel(Mixes(move).eval(), TRANSFORM))

    assert table_of(lambda x: x)["body"].grid == (16, 16)
    assert table_of(lambda x: x.flip(3))["body"].grid is None


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_places_are_seen_in_every_floating_type(dtype):
    for move, grid in ((KEPT["nothing"], (16, 16)), (LEFT["mirrored left to right"], None)):
        model = model_of(move)
        model.module.to(dtype)
        assert layers(model)["stem"].grid == grid
