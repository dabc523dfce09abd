"""Extraction: streaming, early exit, the cache, and what goes wrong in a way that can be acted upon."""

import threading
import warnings
from collections import OrderedDict

import numpy as np
import pytest
import timm
import torch
from PIL import Image, ImageOps
from torch import nn
from torchvision import transforms as T  # noqa: N812 (its usual name)

from semrsm_widgets.extraction.forward import extract
from semrsm_widgets.extraction.layout import Layout
from semrsm_widgets.extraction.model_layers import layers
from semrsm_widgets.images.demo import demo_images
from semrsm_widgets.images.load import load_images
from semrsm_widgets.models.vision_model import REPEATS, VisionModel

SIDE = 32
SQUARE = T.Compose([T.Resize((SIDE, SIDE)), T.ToTensor()])
IMAGES = demo_images().select(range(7))


class Chain(nn.Module):
    """Three convolutions; counts how often each was computed."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.third = nn.Conv2d(3, 12, 4, 4), nn.Conv2d(12, 12, 3, 1, 1), nn.Conv2d(12, 9, 1)
        self.ran: list[str] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for name in ("first", "second", "third"):
            self.ran.append(name)
            x = getattr(self, name)(x)
        return x


@pytest.fixture
def chain() -> VisionModel:
    return VisionModel(Chain(), SQUARE)


def hook_count(module: nn.Module) -> int:
    return sum(len(part._forward_hooks) for part in module.modules())


# ---- streaming


def test_threads_change_nothing(chain):
    alone = extract(chain, IMAGES, "second", workers=0, batch_size=3)["second"].values
    assert torch.equal(extract(chain, IMAGES, "second", workers=4, batch_size=3)["second"].values, alone)
    assert torch.equal(extract(chain, IMAGES, "second", batch_size=3)["second"].values, alone)


def test_images_are_transformed_by_other_threads_while_the_model_runs():
    """The model waits, in its first batch, for the transform of an image of the next one."""
    begun = threading.Event()
    threads = set()
    images = load_images([Image.new("RGB", (SIDE + i, SIDE)) for i in range(6)])

    def transform(image: Image.Image) -> torch.Tensor:
        threads.add(threading.current_thread())
        if image.width == SIDE + 4:
            begun.set()
        return SQUARE(image)

    class Waits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert len(x) != 3 or begun.wait(10)
            return self.conv(x)

    model = VisionModel(Waits(), transform)
    assert extract(model, images, "conv", batch_size=3, workers=2)["conv"].values.shape[0] == 6
    assert threads - {threading.main_thread()}
    assert not any(thread.is_alive() for thread in threads - {threading.main_thread()})


def test_only_two_batches_are_decoded_ahead():
    made = []
    images = load_images([Image.new("RGB", (SIDE + i, SIDE)) for i in range(20)])

    def transform(image: Image.Image) -> torch.Tensor:
        made.append(image.width)
        return SQUARE(image)

    def progress(done: int, total: int) -> None:
        assert len(made) <= done + 2 * 2 + 2 + REPEATS

    extract(VisionModel(Chain(), transform), images, "first", batch_size=2, workers=4, progress=progress)
    assert len(made) == 20 + REPEATS - 1  # the first image more often, to see whether the transform is random


def test_a_dataset_is_asked_by_one_thread_at_a_time():
    class Dataset:
        busy = threading.Lock()

        def __len__(self) -> int:
            return 12

        def __getitem__(self, i: int) -> Image.Image:
            if i >= 12:
                raise IndexError(i)
            assert self.busy.acquire(blocking=False)
            try:
                return Image.fromarray(np.random.default_rng(i).integers(0, 255, (400, 400, 3), dtype=np.uint8))
            finally:
                self.busy.release()

    assert len(extract(VisionModel(Chain(), SQUARE), Dataset(), "first", workers=4)["first"]) == 12


def test_a_dataset_over_other_images_does_not_wait_for_itself(chain):
    class Inverted:
        inner = load_images([Image.new("RGB", (40, 40), (40 * i, 0, 0)) for i in range(5)])

        def __len__(self) -> int:
            return len(self.inner)

        def __getitem__(self, i: int) -> Image.Image:
            return ImageOps.invert(self.inner.image(range(5)[i]))

    assert len(extract(chain, Inverted(), "first")["first"]) == 5


def test_a_damaged_image_is_named_wherever_it_is_decoded(chain, tmp_path):
    for i in range(6):
        Image.new("RGB", (40, 40), (40 * i, 0, 0)).save(tmp_path / f"{i}.png")
    images = load_images(tmp_path)
    (tmp_path / "4.png").write_bytes((tmp_path / "4.png").read_bytes()[:60])
    with pytest.raises(OSError, match=r"image '4\.png' cannot be read"):
        extract(chain, images, "first", batch_size=2)
    assert hook_count(chain.module) == 0


# ---- early exit


def test_the_forward_ends_after_the_last_wanted_layer(chain):
    layers(chain)
    chain.module.ran.clear()
    got = extract(chain, IMAGES, "second", batch_size=4)["second"].values
    assert chain.module.ran == ["first", "second"] * 2
    with torch.no_grad():
        x = torch.stack([SQUARE(image) for image in IMAGES])
        expected = chain.module.second(chain.module.first(x))
    torch.testing.assert_close(got, expected.flatten(2).transpose(1, 2))
    chain.module.ran.clear()
    assert chain.module(x).shape == (7, 9, 8, 8)  # the next forward is whole
    assert chain.module.ran == ["first", "second", "third"]


def test_a_model_that_catches_its_own_errors_does_not_stop_the_exit():
    class Careful(Chain):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            try:
                return super().forward(x)
            except Exception:
                return x

    model = VisionModel(Careful(), SQUARE)
    assert extract(model, IMAGES, "first")["first"].values.shape == (7, 64, 12)
    assert model.module.ran[-1] == "first"
    assert model.module.ran.count("third") == 2  # the table's two forwards alone went on


def test_a_model_that_counts_runs_to_its_end():
    class Counting(Chain):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("count", torch.zeros(()))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = super().forward(x)
            self.count += 1
            return x

    model = VisionModel(Counting(), SQUARE)
    extract(model, IMAGES, "first", batch_size=4)
    assert model.module.ran == ["first", "second", "third"] * 4  # the table's two, and two batches


def test_what_is_compiled_is_read_as_it_was_written_and_left_compiled():
    module, compiled = Chain(), []

    def backend(graph, _inputs):
        compiled.append(graph)
        return graph.forward

    module.third = torch.compile(module.third, backend=backend)
    module.second.compile(backend=backend)
    images = torch.rand(2, 3, SIDE, SIDE)
    with torch.no_grad():
        before = module.eval()(images)
    count, forward, call = len(compiled), vars(module.third)["forward"], module.second._compiled_call_impl
    assert count >= 2
    expected = extract(VisionModel(Chain(), SQUARE), IMAGES, ["second", "third"])
    got = extract(VisionModel(module, SQUARE), IMAGES, ["second", "third._orig_mod"])
    for one, other in zip(expected.values(), got.values(), strict=True):
        assert torch.equal(one.values, other.values)
    assert len(compiled) == count
    assert vars(module.third)["forward"] is forward
    assert module.second._compiled_call_impl is call
    with torch.no_grad():
        assert torch.equal(module(images), before)


def test_a_model_that_was_compiled_in_place():
    torch.manual_seed(0)
    module = Chain()
    expected = extract(VisionModel(module, SQUARE), IMAGES, "first")["first"]
    module.compile(backend="eager")
    assert torch.equal(extract(VisionModel(module, SQUARE), IMAGES, "first")["first"].values, expected.values)


# ---- the cache


def files(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_second_extraction_runs_no_model(chain, tmp_path):
    first = extract(chain, IMAGES, ["first", "second"], cache=tmp_path)
    assert len(files(tmp_path)) == 2
    chain.module.ran.clear()
    seen = []
    again = extract(chain, IMAGES, ["first", "second"], cache=tmp_path, progress=lambda *done: seen.append(done))
    assert chain.module.ran == ["first", "second", "third"] * 2  # on the probe, which the files are named by
    assert seen == [(7, 7)]
    for name, tokens in first.items():
        assert torch.equal(again[name].values, tokens.values)
        assert (again[name].grid, again[name].layer, again[name].note) == (tokens.grid, name, tokens.note)
    extract(chain, IMAGES, ["second", "third"], cache=tmp_path)  # only what is not there
    assert len(files(tmp_path)) == 3


def test_a_new_session_finds_the_same_files(tmp_path):
    extract(VisionModel(Chain(), SQUARE), IMAGES, "first", cache=tmp_path)
    before = files(tmp_path)
    again = VisionModel(Chain(), T.Compose([T.Resize((SIDE, SIDE)), T.ToTensor()]))
    extract(again, demo_images().select(range(7)), "first", cache=tmp_path)
    assert files(tmp_path) == before


def test_prefix_tokens_and_half_precision_are_kept(tmp_path):
    model = VisionModel(timm.create_model("test_vit", img_size=32).eval(), SQUARE)
    first, again = (extract(model, IMAGES, "blocks.0", cache=tmp_path, dtype=torch.bfloat16) for _ in range(2))
    assert again["blocks.0"].values.dtype == torch.bfloat16
    assert torch.equal(again["blocks.0"].prefix, first["blocks.0"].prefix)
    assert torch.equal(again["blocks.0"].cls().values, first["blocks.0"].cls().values)


def changed_weight(model):
    with torch.no_grad():
        model.module.first.bias[0] += 1e-3
    return {}


class Doubled(Chain):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(2 * x)


def changed_code(model):
    state = model.module.state_dict()
    other = VisionModel(Doubled(), SQUARE)
    other.module.load_state_dict(state)
    return {"model": other}


def darker(model):
    return {"model": VisionModel(model.module, lambda image: SQUARE(image) * 0.9)}


CHANGES = {
    "weight": changed_weight,
    "code": changed_code,
    "transform": darker,
    "batch size": lambda model: {"batch_size": 2},
    "type": lambda model: {"dtype": torch.float16},
    "pooling": lambda model: {"max_grid": 4},
    "layout": lambda model: {"layout": Layout("NHWC")},
    "images": lambda model: {"images": IMAGES.select(range(6))},
    "order": lambda model: {"images": IMAGES.select([1, 0, 2, 3, 4, 5, 6])},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_any_change_is_seen(change, chain, tmp_path):
    extract(chain, IMAGES, "first", cache=tmp_path)
    arguments = {"model": chain, "images": IMAGES, "layers": "first", **change(chain)}
    fresh = extract(**arguments)["first"].values
    assert torch.equal(extract(**arguments, cache=tmp_path)["first"].values, fresh)
    assert len(files(tmp_path)) == 2


def test_functions_that_differ_only_inside_are_told_apart(chain, tmp_path):
    for factor in (0.5, 0.6):
        extract(VisionModel(chain.module, lambda image, f=factor: SQUARE(image) * f), IMAGES, "first", cache=tmp_path)
    assert len(files(tmp_path)) == 2


def test_a_changed_image_is_seen(chain, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(3):
        Image.new("RGB", (40, 40), (80 * i, 0, 0)).save(folder / f"{i}.png")
    images = load_images(folder)
    before = extract(chain, images, "first", cache=tmp_path / "kept")["first"].values
    Image.new("RGB", (40, 40), (0, 200, 0)).save(folder / "1.png")
    after = extract(chain, images, "first", cache=tmp_path / "kept")["first"].values
    assert torch.equal(after[0], before[0])
    assert not torch.equal(after[1], before[1])


def test_nothing_half_written_is_left_or_read(chain, tmp_path):
    def stop(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(chain, IMAGES, "first", cache=tmp_path, progress=stop, batch_size=4)
    assert not tmp_path.exists() or files(tmp_path) == []
    good = extract(chain, IMAGES, "first", cache=tmp_path)["first"].values
    (name,) = files(tmp_path)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:200])  # as a full disk would leave it
    assert torch.equal(extract(chain, IMAGES, "first", cache=tmp_path)["first"].values, good)
    assert len((tmp_path / name).read_bytes()) > 200
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="`cache` must be a folder; got the file 'file'"):
        extract(chain, IMAGES, "first", cache=tmp_path / "file")


def test_a_write_that_fails_leaves_nothing(chain, tmp_path, monkeypatch):
    import os

    replace = os.replace

    def fail(source: str, target: str) -> None:
        if str(target).endswith(".safetensors"):
            raise OSError("no space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.warns(RuntimeWarning, match="could not be kept"):
        extract(chain, IMAGES, "first", cache=tmp_path)
    assert files(tmp_path) == []


# ---- bad input


def test_a_strict_model_says_its_size_and_how_to_have_another():
    settings = {"img_size": 64, "patch_size": 8, "depth": 2, "embed_dim": 48, "num_heads": 3}
    module = timm.create_model("vit_tiny_patch16_224", **settings)
    text = r"`model.transform` must be one to 64×64 pixels; got 32×32.*load_model\(name, image_size=\(32, 32\)\)"
    for call in (layers, lambda model: extract(model, IMAGES)):
        with pytest.raises(ValueError, match=text) as caught:
            call(VisionModel(module, SQUARE))
        assert isinstance(caught.value.__cause__, AssertionError)
    assert hook_count(module) == 0


def test_a_model_that_gives_nothing_to_hook():
    class Silent(nn.Module):
        def forward(self, x: torch.Tensor) -> int:
            return len(x)

    with pytest.raises(ValueError, match="`model` must be a model whose outputs can be taken; got Silent"):
        layers(VisionModel(Silent(), SQUARE))


def test_a_model_of_which_nothing_can_be_read():
    class Video(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, :, None, None]

    model = VisionModel(Video(), SQUARE)
    assert layers(model).defaults == ()
    with pytest.raises(
        ValueError, match=r"`layers` must be layers with tokens; got a model without any \('output': it"
    ):
        extract(model, IMAGES)


def test_parts_on_other_devices(chain):
    chain.module.second.to("meta")
    with pytest.raises(
        ValueError, match=r"`model` must be a model with its weights in memory; got one without 'second\.weight'"
    ):
        layers(chain)
    with pytest.raises(ValueError, match="`model` must be a model with its weights in memory"):
        extract(chain, IMAGES, "first", device="cpu")


class Greedy(Chain):
    """Asks for more memory than any machine has for batches of more than three images."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        if len(x) > 3:
            torch.empty(len(x), 2**50)
        return self.second(x)


def test_out_of_memory_names_the_layer_and_a_smaller_batch():
    model = VisionModel(Greedy(), SQUARE)
    text = "out of memory on the way to layer 'second' with 6 images in a batch\\. Try batch_size=3"
    with pytest.raises(MemoryError, match=text):
        extract(model, IMAGES, ["first", "second"], batch_size=6)
    assert hook_count(model.module) == 0
    assert extract(model, IMAGES, ["first", "second"], batch_size=3)["second"].values.shape == (7, 64, 12)


def test_a_scripted_part_does_not_hide_the_others():
    module = Chain()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is on its way out, and still met
        module.second = torch.jit.script(module.second)
    model = VisionModel(module, SQUARE)
    assert layers(model).names == ("first", "third", "output")
    got = extract(model, IMAGES, "third", batch_size=7)["third"].values
    with torch.no_grad():
        expected = module(torch.stack([SQUARE(image) for image in IMAGES]))
    torch.testing.assert_close(got, expected.flatten(2).transpose(1, 2))


def test_other_errors_of_the_model_are_its_own():
    class Broken(Chain):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.first(x)
            if len(x) == 7:
                raise RuntimeError("seven")
            return self.second(x)

    with pytest.raises(RuntimeError, match="seven"):
        extract(VisionModel(Broken(), SQUARE), IMAGES, "second")


@pytest.mark.parametrize("option", [{"workers": -1}, {"workers": 1.5}])
def test_bad_workers(chain, option):
    with pytest.raises((ValueError, TypeError), match="`workers`"):
        extract(chain, IMAGES, "first", **option)


# ---- a layout that a user gives comes first


class Squeezed(nn.Module):
    """A recogniser of text: its last map is one row high, which is no shape of the picture's."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 2, 1)
        self.rows = nn.Conv2d(16, 24, (16, 3), 1, (0, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.rows(self.stem(x))


WIDE = T.Compose([T.Resize((32, 128)), T.ToTensor()])


@pytest.mark.parametrize("as_mapping", [False, True])
def test_a_layout_is_applied_before_a_layer_is_refused(as_mapping):
    torch.manual_seed(0)
    net = Squeezed().eval()
    model = VisionModel(net, WIDE)
    with pytest.raises(ValueError, match="layers with tokens; got 'rows'"):
        extract(model, IMAGES, "rows")
    layout = Layout("NCHW", grid=(1, 64))
    got = extract(model, IMAGES, "rows", layout={"rows": layout} if as_mapping else layout)["rows"]
    expected = net(torch.stack([WIDE(image) for image in IMAGES])).flatten(2).transpose(1, 2)
    assert got.grid == (1, 64)
    torch.testing.assert_close(got.values, expected)
    both = extract(model, IMAGES, ["stem", "rows"], layout={"rows": layout})
    assert (both["stem"].grid, both["rows"].grid) == ((16, 64), (1, 64))
    with pytest.raises(ValueError, match=r"one of 64 tokens after the prefix"):
        extract(model, IMAGES, "rows", layout=Layout("NCHW", grid=(2, 64)))


def test_a_grid_that_does_not_fit_is_told_with_the_prefix_that_would():
    class Sequence(nn.Module):
        def forward(self, x):
            return x.flatten(2).transpose(1, 2)[:, :21]

    model = VisionModel(nn.Sequential(OrderedDict(tokens=Sequence())), WIDE)
    for prefix in (0, 1, 9):
        with pytest.raises(ValueError, match=rf"one of {21 - prefix} tokens .* grid has 16 places: prefix=5 would fit"):
            extract(model, IMAGES, "tokens", layout=Layout("NLC", prefix=prefix, grid=(4, 4)))
    with pytest.raises(ValueError, match=r"one of 20 tokens after the prefix; got .*\)\.$"):
        extract(model, IMAGES, "tokens", layout=Layout("NLC", prefix=1, grid=(5, 5)))


def test_outputs_of_another_shape_than_before_are_refused_rather_than_stretched():
    class Shrinks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Conv2d(3, 12, 4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.net(x)
            return y.mean((2, 3), keepdim=True) if float(x.max()) == 1.0 else y

    white = [Image.new("RGB", (SIDE, SIDE), "white")]
    with pytest.raises(ValueError, match=r"layer 'output' gave \(1, 12, 1, 1\) for 1 images; on noise it gave"):
        extract(VisionModel(Shrinks().eval(), SQUARE), white, "output")
