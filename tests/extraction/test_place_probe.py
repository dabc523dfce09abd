"""What the place probe sends and what it reads, on maps whose places are known by construction."""

import numpy as np
import pytest
import torch
from torch import nn

from semrsm_widgets.extraction.hooks import noise
from semrsm_widgets.extraction.layout import Layout
from semrsm_widgets.extraction.place_probe import (
    ACROSS,
    ACROSS_SQUARE,
    DOWN,
    FULL,
    IMAGES,
    WAVE,
    centres,
    observe,
    probe_images,
    wave,
)

SIDE = 64


def patches(x: torch.Tensor) -> torch.Tensor:
    """Return (N, C, 8, 8) of single pixels: each token looks at one place and nowhere else."""
    return x.repeat(1, 8, 1, 1)[:, :, 4::8, 4::8]


def pictures(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return probe_images((3, SIDE, SIDE), torch.device("cpu"), dtype)


def test_the_changes_are_ramps_and_waves_of_one_noise():
    images = pictures().double()
    assert len(images) == IMAGES
    full, across, down, waves = images[1:] - images[:1]
    x = centres(SIDE).double()
    torch.testing.assert_close(across, full * x, atol=1e-6, rtol=0)
    torch.testing.assert_close(down, full * x[:, None], atol=1e-6, rtol=0)
    torch.testing.assert_close(waves, full * (wave(x) + wave(x)[:, None]) / 2, atol=1e-6, rtol=0)
    assert float(full.std()) == pytest.approx(0.01, rel=0.05)
    assert float((pictures(torch.bfloat16)[1] - pictures(torch.bfloat16)[0]).std()) == pytest.approx(0.25, rel=0.05)


def test_the_random_state_of_the_user_is_left_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    pictures()
    noise((2, 3), torch.device("cpu"))
    assert torch.equal(before, torch.get_rng_state())


def test_of_tokens_that_look_at_one_place_the_place_and_its_square_are_exact():
    plain = observe(patches(pictures()), ("NCHW",)).of(Layout("NCHW", grid=(8, 8))).plain.reshape(-1, 8, 8)
    looked = (2 * np.arange(4, SIDE, 8) + 1) / SIDE - 1
    np.testing.assert_allclose(plain[ACROSS] / plain[FULL], np.broadcast_to(looked, (8, 8)), atol=1e-4)
    np.testing.assert_allclose(plain[DOWN] / plain[FULL], np.broadcast_to(looked[:, None], (8, 8)), atol=1e-4)
    np.testing.assert_allclose(plain[ACROSS_SQUARE] / plain[FULL], np.broadcast_to(looked**2, (8, 8)), atol=1e-4)
    waves = wave(torch.from_numpy(looked)).numpy()
    np.testing.assert_allclose(plain[WAVE] / plain[FULL], (waves + waves[:, None]) / 2, atol=1e-4)


def test_centred_reactions_are_those_of_the_changes_without_their_mean_over_tokens():
    torch.manual_seed(0)
    output = nn.Conv2d(3, 12, 8, 8)(pictures()).detach()
    evidence = observe(output, ("NCHW", "NHWC"))
    changes = (output[1:] - output[:1]).flatten(2).double()
    changes -= changes.mean(2, keepdim=True)
    expected = (changes[1] * changes[0]).sum(0)
    np.testing.assert_allclose(evidence.first.centred[ACROSS], expected, rtol=1e-4, atol=1e-9)
    assert evidence.first.channels == 12
    assert evidence.last.channels == 8


@pytest.mark.parametrize(
    ("form", "layout"),
    [
        (lambda x: x.flatten(2).transpose(1, 2), Layout("NLC", grid=(8, 8))),
        (lambda x: x.flatten(2).permute(2, 0, 1), Layout("LNC", grid=(8, 8))),
        (lambda x: x.permute(0, 2, 3, 1), Layout("NHWC", grid=(8, 8))),
        (lambda x: x.flatten(2), Layout("NCL", grid=(8, 8))),
        (
            lambda x: torch.cat([x.flatten(2)[:, :, :2], x.flatten(2).flip(2)], 2).transpose(1, 2),
            Layout("NLC", prefix=2, grid=(8, 8), order=tuple(range(63, -1, -1))),
        ),
    ],
    ids=["NLC", "LNC", "NHWC", "NCL", "prefix and order"],
)
def test_every_order_of_axes_shows_the_same(form, layout):
    maps = patches(pictures())
    expected = observe(maps, ("NCHW",)).of(Layout("NCHW", grid=(8, 8))).plain
    found = observe(form(maps), (layout.axes,)).of(layout)
    np.testing.assert_allclose(found.plain, expected, rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize("shape", [(IMAGES, 8), (IMAGES + 1, 8, 4, 4), (IMAGES, 0, 4, 4), (2 * IMAGES, 16, 8)])
def test_what_has_no_axis_of_images_or_of_tokens_shows_nothing(shape):
    assert observe(torch.zeros(shape), ("NCHW",)) is None


def test_large_maps_are_sampled_and_dead_channels_do_not_hide_the_others():
    maps = torch.zeros(IMAGES, 48, 96, 96)
    maps[:, 7] = noise((IMAGES, 96, 96), torch.device("cpu"))  # of 48 channels every third is looked at first
    evidence = observe(maps, ("NCHW",))
    assert evidence.first.channels == 48
    assert (evidence.first.plain[FULL] > 0).all()
