"""PairView without a browser: what it sends, what it refuses, its colours and its picture."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
import traitlets

import semrsm_widgets as srsm
from semrsm_widgets.figures.place_palette import AGAINST, CORNERS, FOR, place_colours
from semrsm_widgets.views.base import Message
from semrsm_widgets.views.pair.still import pair_still
from semrsm_widgets.views.pair.view import CAPTIONS

DEADLINE = 30.0
N, GRID, D = 5, (3, 4), 8


def make_analysis(n=N, grid=GRID, prefix=0, size=(40, 30), layers=("a", "b"), class_token=True):
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8) for _ in range(n)]
    count = 12 if grid is None else grid[0] * grid[1]

    def draw(tokens):
        return torch.from_numpy(rng.normal(size=(n, tokens, D)).astype(np.float32))

    tokens = {
        name: srsm.Tokens(
            values=draw(count),
            grid=grid,
            native_grid=grid,
            layer=name,
            prefix=draw(prefix) if prefix else None,
            has_class_token=bool(prefix) and class_token,
        )
        for name in layers
    }
    return srsm.Analysis(srsm.load_images(pictures), tokens, matcher=srsm.Exact())


@pytest.fixture
def sent(monkeypatch):
    """What any PairView sends, from its first job on, as (content, buffers)."""
    messages = []
    monkeypatch.setattr(
        srsm.PairView, "send", lambda self, content, buffers=None: messages.append((content, buffers or []))
    )
    return messages


@pytest.fixture
def opened():
    """Open PairViews that are closed after the test."""
    views = []

    def open_view(analysis, **options):
        views.append(srsm.PairView(analysis, **options))
        assert views[-1].wait(DEADLINE)
        assert views[-1].last_error == ""
        return views[-1]

    yield open_view
    for view in views:
        view.close()


def kinds(sent):
    return [content["kind"] for content, _ in sent]


def newest(sent, kind):
    """Return the newest message of a kind with its arrays by name, decoded as the browser would."""
    content, buffers = next(message for message in reversed(sent) if message[0]["kind"] == kind)
    return content, Message(content=content, buffers=buffers).arrays()


# -- messages ------------------------------------------------------------------------------------------------------


def test_a_pair_sends_pictures_then_matches_then_the_null(sent, opened):
    analysis = make_analysis()
    view = opened(analysis, layer="b", pair=(0, 3))
    assert kinds(sent) == ["pictures", "matches", "matches"]
    assert sent[1][0]["null"] is None
    content, _ = sent[2]
    assert content["null"]["mean"] == pytest.approx(analysis.null("b").mean)
    assert content["semantic"] == pytest.approx(analysis.matches("b", 0, 3).semantic)
    assert content["grid"] == [*GRID]
    view.pair = (1, 2)  # the null is there: it is never taken off the screen again
    assert view.wait(DEADLINE)
    assert kinds(sent)[3:] == ["pictures", "matches"]
    assert sent[-1][0]["null"] == content["null"]


def test_one_message_has_every_similarity_so_that_a_choice_asks_nothing(sent, opened):
    analysis = make_analysis(prefix=3)
    view = opened(analysis, layer="a", pair=(0, 3))
    content, arrays = newest(sent, "matches")
    matches = analysis.matches("a", 0, 3)
    np.testing.assert_array_equal(arrays["permutation"], matches.permutation)
    np.testing.assert_array_equal(arrays["inverse"], matches.inverse)
    np.testing.assert_array_equal(arrays["ambiguous"], matches.ambiguous())
    np.testing.assert_array_equal(arrays["nearest"], matches.nearest.partner)
    mean = matches.split("mean token")
    for name, expected, value in (
        ("contribution", matches.contribution, content["semantic"]),
        ("nearest_contribution", matches.nearest.contribution, content["nearest_value"]),
        ("aligned_contribution", matches.aligned_contribution, content["aligned"]),
        ("pooled_contribution", matches.pooled_contribution, content["pooled"]),
        ("other_pooled_contribution", mean.other_contribution, content["pooled"]),
    ):
        np.testing.assert_allclose(arrays[name], expected, atol=1e-7)
        assert arrays[name].sum() == pytest.approx(value, abs=1e-5)
    for name, expected in (
        ("cosine", matches.token_cosine),
        ("nearest_cosine", matches.nearest.token_cosine),
        ("aligned_cosine", matches.split("same position").token_cosine),
        ("pooled_cosine", mean.token_cosine),
        ("other_pooled_cosine", mean.other_token_cosine),
    ):
        np.testing.assert_allclose(arrays[name], expected, atol=1e-6)
    assert content["class_token"] == pytest.approx(matches.class_token)
    before = len(sent)
    for similarity in CAPTIONS:
        view.similarity = similarity
    view.one_to_one = False
    assert view.wait(DEADLINE)
    assert len(sent) == before


def test_layers_say_which_tokens_were_kept_aside(opened):
    rows = opened(make_analysis(prefix=5))._layers
    assert (rows[0]["prefix"], rows[0]["class_token"]) == (5, True)
    rows = opened(make_analysis(prefix=4, class_token=False))._layers
    assert (rows[0]["prefix"], rows[0]["class_token"]) == (4, False)
    rows = opened(make_analysis())._layers
    assert (rows[0]["prefix"], rows[0]["class_token"]) == (0, False)


# -- why this and not that -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["given", "set"])
def test_an_expected_image_sends_its_picture_and_matches_before_the_pair_is_sent(sent, opened, how):
    analysis = make_analysis()
    view = opened(analysis, layer="a", pair=(0, 1), expected=3 if how == "given" else -1)
    if how == "set":
        sent.clear()
        view.expected = 3
        assert view.wait(DEADLINE)
    assert [kind for kind in kinds(sent) if kind != "pictures"][:3] == ["expected picture", "expected", "matches"]
    picture, _ = newest(sent, "expected picture")
    assert picture["image"] == 3
    hit, hit_arrays = newest(sent, "matches")
    expected, expected_arrays = newest(sent, "expected")
    assert (hit["pair"], expected["pair"]) == ([0, 1], [0, 3])
    for name, value in (("contribution", "semantic"), ("aligned_contribution", "aligned")):
        difference = hit_arrays[name] - expected_arrays[name]
        assert difference.sum() == pytest.approx(hit[value] - expected[value], abs=1e-5)
    difference = hit_arrays["contribution"] - expected_arrays["contribution"]
    wanted = srsm.contribution_difference(analysis.matches("a", 0, 1), analysis.matches("a", 0, 3))
    np.testing.assert_allclose(difference, wanted, atol=1e-7)


def test_the_expected_image_follows_layer_and_query(sent, opened):
    view = opened(make_analysis(), layer="a", pair=(0, 1), expected=3)
    view.layer = "b"
    assert view.wait(DEADLINE)
    view.pair = (2, 1)
    assert view.wait(DEADLINE)
    content, _ = newest(sent, "expected")
    assert (content["layer"], content["pair"]) == ("b", [2, 3])
    assert kinds(sent).count("expected picture") == 1
    view._handle_custom_msg({"kind": "ready"}, [])  # a new page has none yet
    assert view.wait(DEADLINE)
    assert kinds(sent).count("expected picture") == 2
    view.expected = -1
    assert view.wait(DEADLINE)
    sent.clear()
    view.pair = (0, 1)
    assert view.wait(DEADLINE)
    assert "expected" not in kinds(sent)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("expected", N, "0 to 4, or -1"),
        ("expected", -2, "0 to 4, or -1"),
        ("similarity", "best", "best match"),
        ("similarity", "cls", "class token"),
    ],
)
def test_a_wrong_choice_is_refused_and_nothing_changes(opened, name, value, text):
    view = opened(make_analysis())
    before = getattr(view, name)
    with pytest.raises(traitlets.TraitError, match=text):
        setattr(view, name, value)
    assert getattr(view, name) == before
    with pytest.raises(traitlets.TraitError, match=text):
        srsm.PairView(make_analysis(), **{name: value})


def test_its_name_says_what_is_compared(opened):
    view = opened(make_analysis(), layer="a", pair=(0, 1), expected=3)
    ids = view.analysis.images.ids
    assert repr(view) == f"PairView('a', {ids[0]!r}, {ids[1]!r}, expected={ids[3]!r})"
    view.expected = -1
    assert repr(view) == f"PairView('a', {ids[0]!r}, {ids[1]!r})"


# -- inputs that are out of the ordinary ---------------------------------------------------------------------------


def test_one_image_with_itself_has_matches_and_no_null(sent, opened):
    view = opened(make_analysis(n=1), pair=(0, 0))
    content, arrays = newest(sent, "matches")
    assert content["null"] is None
    assert content["semantic"] == pytest.approx(1.0)
    assert content["same_position"] == 1.0
    np.testing.assert_array_equal(arrays["permutation"], np.arange(12))
    assert view.picture() is not None


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_constant_tokens_are_shown(sent, opened, value):
    analysis = make_analysis()
    for tokens in analysis.tokens.values():
        tokens.values[:] = value
    view = opened(analysis, expected=2)
    content, arrays = newest(sent, "matches")
    assert content["semantic"] == pytest.approx(value)
    assert arrays["contribution"].sum() == pytest.approx(value, abs=1e-6)
    if value:
        assert arrays["ambiguous"].all()
    for similarity in CAPTIONS:
        view.similarity = similarity
        assert view.picture() is not None


def test_a_picture_that_is_gone_is_said_to_be_without_its_name_and_its_matches_are_shown(sent, opened, tmp_path):
    analysis = make_analysis()
    for k in range(N):
        analysis.images.image(k).save(tmp_path / f"{k}.png")
    analysis.images = srsm.load_images(tmp_path)
    (tmp_path / "1.png").unlink()
    view = opened(analysis, pair=(0, 1), expected=1)
    assert newest(sent, "pictures")[0]["problems"] == ["", "FileNotFoundError"]
    assert newest(sent, "expected picture")[0]["problem"] == "FileNotFoundError"
    assert newest(sent, "matches")[0]["semantic"] > 0
    assert view.picture() is not None


def test_pictures_with_nan_are_refused_where_they_come_in():
    with pytest.raises(ValueError, match="floats from 0 to 1; got float64 from nan"):
        srsm.load_images([np.full((8, 8, 3), np.nan)])


def test_patches_lie_on_the_original_through_resize_and_crop(sent, opened):
    """A 640 x 480 photograph through torchvision's Resize(100), CenterCrop(80): 80/100 of the shorter side."""
    from torchvision import transforms

    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (h, w, 3), dtype=np.uint8) for h, w in ((480, 640), (640, 320))]
    module = torch.nn.Conv2d(3, D, 20, stride=20)
    steps = [transforms.Resize(100), transforms.CenterCrop(80), transforms.ToTensor()]
    model = srsm.VisionModel(module=module, transform=transforms.Compose(steps), name="patches")
    images = srsm.load_images(pictures)
    analysis = srsm.Analysis(images, srsm.extract(model, images, ["output"]), model=model, matcher=srsm.Exact())
    opened(analysis)
    content, _ = newest(sent, "pictures")
    (left, top, right, bottom), second = content["boxes"]
    assert (left, top, right, bottom) == pytest.approx((128 / 640, 48 / 480, 512 / 640, 432 / 480), abs=0.006)
    assert second == pytest.approx((32 / 320, 192 / 640, 288 / 320, 448 / 640), abs=0.006)
    matches, _ = newest(sent, "matches")
    assert matches["grid"] == [4, 4]


# -- colours -------------------------------------------------------------------------------------------------------

# Machado, Oliveira & Fernandes 2009, severity 1.0, in linear RGB.
MACHADO = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}
# Viénot, Brettel & Mollon 1999, in linear RGB.
VIENOT = {
    "protanopia": [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]],
    "deuteranopia": [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]],
}
VISIONS = {
    "all colours": np.eye(3),
    **{f"Machado {name}": np.array(matrix) for name, matrix in MACHADO.items()},
    **{f"Vienot {name}": np.array(matrix) for name, matrix in VIENOT.items()},
}


def lab(colours, vision):
    """Return CIE L*a*b* of sRGB colours (K, 3), 0...255, as a kind of vision sees them."""
    srgb = np.asarray(colours, dtype=float) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ VISIONS[vision].T, 0, 1)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    x, y, z = (seen @ np.array(to_xyz).T / [0.95047, 1.0, 1.08883]).T
    f = [np.where(v > 216 / 24389, np.cbrt(v), (24389 / 27 * v + 16) / 116) for v in (x, y, z)]
    return np.stack([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])], -1)


def least_distance(colours, vision):
    return min(np.linalg.norm(a - b) for a, b in itertools.combinations(lab(colours, vision), 2))


def from_hex(colour):
    return tuple(int(colour[k : k + 2], 16) for k in (1, 3, 5))


def test_the_simulations_confuse_what_is_known_to_be_confused():
    """Ishihara's red and green are far apart to most, and near to protanopes and deuteranopes."""
    red, green = (200, 80, 60), (110, 125, 50)
    assert least_distance([red, green], "all colours") > 55
    for vision in ("Machado deuteranopia", "Vienot deuteranopia"):
        assert least_distance([red, green], vision) < 22


@pytest.mark.parametrize("vision", VISIONS)
def test_nine_places_have_nine_colours_for_every_kind_of_vision(vision):
    colours = place_colours(range(9), (3, 3))
    assert [colours[k] for k in (0, 2, 6, 8)] == [from_hex(corner) for corner in CORNERS]
    assert least_distance(colours, vision) > 20  # 2.3 is just noticeable
    assert lab(colours, vision)[:, 0].min() > (51 if vision == "all colours" else 44)  # drawn with a dark rim
    cyan = (0, 229, 255)  # what is pointed at
    assert min(least_distance([colour, cyan], "all colours") for colour in colours) > 40


@pytest.mark.parametrize("vision", VISIONS)
def test_the_two_signs_are_told_apart_by_every_kind_of_vision(vision):
    assert least_distance([from_hex(FOR), from_hex(AGAINST)], vision) > 40


def test_colours_are_told_apart_among_the_shown():
    grid = (14, 14)
    everywhere = place_colours(range(14 * 14), grid)
    face = [5 * 14 + 6, 5 * 14 + 8, 8 * 14 + 6, 8 * 14 + 8]  # in the middle
    assert place_colours(face, grid) == [from_hex(corner) for corner in CORNERS]
    assert least_distance([everywhere[token] for token in face], "all colours") < 30
    far = place_colours([*face, 13 * 14 + 13], grid)  # one outlier does not make the others alike
    assert least_distance(far[:4], "all colours") > 30
    assert place_colours([7], grid) == [place_colours(range(9), (3, 3))[4]]  # the middle
    assert place_colours([], grid) == []


@pytest.mark.parametrize("vision", VISIONS)
def test_places_in_one_row_are_told_apart_too(vision):
    assert least_distance(place_colours(range(4), (14, 14)), vision) > 9


# -- the picture where no widget runs ------------------------------------------------------------------------------


def count(picture, colour):
    return int((np.asarray(picture) == np.array(from_hex(colour))).all(-1).sum())


def test_the_picture_explains_what_is_chosen(opened):
    view = opened(make_analysis(prefix=1), layer="a", pair=(0, 1), top_k=12)
    pictures = {}
    for similarity in CAPTIONS:
        view.similarity = similarity
        pictures[similarity] = view.picture()
    assert count(pictures["mean token"], FOR) > 100
    assert count(pictures["mean token"].crop((340, 0, 672, 400)), FOR) > 100  # on B too
    assert count(pictures["best match"], CORNERS[0]) > 100
    assert count(pictures["best match"], FOR) == count(pictures["class token"], FOR) == 0
    assert pictures["best match"].width > pictures["same position"].width  # B's patches are moved in the first alone
    view.expected = 3
    view.similarity = "best match"
    assert view.wait(DEADLINE)
    why = view.picture()
    difference = srsm.contribution_difference(view.analysis.matches("a", 0, 1), view.analysis.matches("a", 0, 3))
    assert (count(why, FOR) > 100) == (difference > 0).any()
    assert (count(why, AGAINST) > 100) == (difference < 0).any()


def test_an_ambiguous_match_is_dashed_in_the_picture():
    analysis = make_analysis(layers=("a",), n=2)
    x = torch.eye(12)[:, :12]
    tokens = analysis.tokens["a"]
    values = torch.stack([x, x.clone()])
    clear = srsm.Tokens(values=values, grid=GRID, native_grid=GRID, layer="a")
    values = values.clone()
    values[1] += 0.97 * torch.roll(torch.eye(12), 1, 0)
    unclear = srsm.Tokens(values=values, grid=GRID, native_grid=GRID, layer="a")
    assert tokens.grid == GRID
    drawn = []
    for each in (clear, unclear):
        matches = srsm.Analysis(analysis.images, {"a": each}, matcher=srsm.Exact()).matches("a", 0, 1)
        picture = analysis.images.thumbnail(0, 360)
        sides = [(picture, (0.0, 0.0, 1.0, 1.0))] * 2
        drawn.append((matches.ambiguous().all(), np.asarray(pair_still(matches, sides, 1))))
    assert [ambiguous for ambiguous, _ in drawn] == [False, True]
    middle = np.array(place_colours(range(9), (3, 3))[4])
    solid, dashed = ((pixels == middle).all(-1).sum() for _, pixels in drawn)
    assert 0 < dashed < 0.5 * solid
