"""Names with markup are text, and unusual sets of images are shown, in JupyterLab and without an error in the page."""

from __future__ import annotations

import re

import numpy as np
from helpers.boxes import box_of, in_columns
from PIL import Image
from playwright.sync_api import expect

from semrsm_widgets.common import printable

expect.set_options(timeout=90_000)

NAMES = ('<img src=x onerror="window.hacked=1">', "<b>bold</b>".replace("/", "&sol;"), "$x^2$ & <i>", "plain")
LABELS = ("<script>window.hacked=2</script>", "<b>label</b>")
SETUP = "import numpy as np, torch, semrsm_widgets as srsm\nfrom pathlib import Path\n"
ANALYSIS = (
    "def tokens(n, names='ab', value=None):\n"
    "    rng = np.random.default_rng(0)\n"
    "    values = lambda: torch.from_numpy(rng.normal(size=(n, 9, 6)).astype(np.float32))\n"
    "    filled = values if value is None else lambda: torch.full((n, 9, 6), value)\n"
    "    return {name: srsm.Tokens(values=filled(), grid=(3, 3), native_grid=(3, 3), layer=name) for name in names}\n"
)


def write_pictures(folder):
    rng = np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    for name in NAMES:
        Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(folder / f"{name}.png")


def assert_nothing_ran(page):
    assert page.evaluate("window.hacked") is None
    assert page.locator("img[src='x']").count() == 0
    assert page.locator(".srsm :is(b, i, script)").count() == 0


def test_names_and_labels_with_markup_are_text_everywhere(lab_page):
    write_pictures(lab_page.lab.folder / "markup")
    cells = [
        SETUP + ANALYSIS,
        "paths = sorted(map(str, Path('markup').glob('*.png')))\n"
        f"images = srsm.load_images(paths, labels=[{LABELS[0]!r}, {LABELS[1]!r}] * 2)\n"
        "explorer = srsm.explore(srsm.Analysis(images, tokens(4), matcher=srsm.Exact()), pair=(0, 1))\nexplorer",
        "assert explorer.wait(120), explorer.last_error\nsrsm.RetrievalView(explorer.analysis)",
        "Path('broken').mkdir(exist_ok=True)\n"
        f"(Path('broken') / {NAMES[0] + '.png'!r}).write_bytes(b'nothing')\n"
        "Path('broken/other.png').write_bytes(b'nothing')\n"
        "srsm.explore(images='broken')",
    ]
    lab_page.open_and_run(lab_page.lab.write_notebook("markup.ipynb", cells))
    page = lab_page.page
    rsm = page.locator(".srsm-rsm")
    expect(rsm).to_have_attribute("data-complete", "true")

    in_columns(page)
    # every name and label is there, letter by letter
    surface = page.locator(".srsm-surface").first
    box = box_of(surface)
    shown = []
    for row, column in ((0, 1), (2, 3)):
        surface.hover(position={"x": box["width"] * (column + 0.5) / 4, "y": box["height"] * (row + 0.5) / 4})
        expect(rsm).to_have_attribute("data-cell", f"{row},{column}")
        shown.append(page.locator(".srsm-card").inner_text())
        shown += [caption.get_attribute("title") for caption in page.locator(".srsm-card-pair figcaption").all()]
    for name in NAMES:
        assert name in " ".join(shown), name
    for label in LABELS:
        assert label in " ".join(shown), label
    options = page.locator(".srsm-pair select").first.locator("option").all_text_contents()
    assert all(any(name in option for option in options) for name in NAMES)
    for name in (*NAMES, *LABELS):  # each is in a choice of the query
        expect(page.locator(".srsm-retrieval").last.get_by_role("option", name=name).first).to_be_attached()

    # in an error, too
    expect(page.get_by_role("alert")).to_contain_text(NAMES[0])
    assert_nothing_ran(page)


def test_unusual_sets_are_shown(lab_page):
    write_pictures(lab_page.lab.folder / "few")
    cells = [
        SETUP + ANALYSIS,
        "paths = sorted(map(str, Path('few').glob('*.png')))\nimages = srsm.load_images(paths)\n"
        "# one layer\n"
        "srsm.explore(srsm.Analysis(images, tokens(4, 'a'), matcher=srsm.Exact()))",
        "# one image\nalone = images.select([0])\nsrsm.PairView(srsm.Analysis(alone, tokens(1), matcher=srsm.Exact()))",
        "# all alike\nsrsm.RSMView(srsm.Analysis(images, tokens(4, value=1.0), matcher=srsm.Exact()))",
        "# a picture that has gone\n"
        "gone = srsm.load_images(paths)\nPath(paths[1]).unlink()\n"
        "srsm.explore(srsm.Analysis(gone, tokens(4), matcher=srsm.Exact()), pair=(1, 2))",
    ]
    lab_page.open_and_run(lab_page.lab.write_notebook("unusual.ipynb", cells))
    page = lab_page.page
    for k in range(3):
        expect(page.locator(".srsm-rsm").nth(k)).to_have_attribute("data-complete", "true")
    for k in range(3):
        expect(page.locator(".srsm-pair").nth(k)).to_have_attribute("data-ready", "true")
    slider = page.locator(".srsm-slider").first
    slider.focus()
    page.keyboard.press("ArrowRight")  # there is nowhere to go
    expect(page.locator(".srsm-rsm").first).to_have_attribute("data-layer", "a")
    assert page.locator("[data-state='error']").count() == 0
    lab_page.screenshot("unusual")


# A name of a file has no slash: that of "</script>" is a folder's end and a file's beginning.
HOSTILE_FILES = (
    "<img src=x onerror='window.hacked=3'>", "\x1b[31mred\x1b[0m\x1b]0;title\x07", "two\nlines\r\u2028of a name",
    "x<\u200b", "';window.hacked=4;'", "${window.hacked=5}", "\u202egnp.exe", "&lt;b&gt;", "\\u003cimg src=x\\u003e",
)  # fmt: skip
HOSTILE_LABELS = (
    "</script><script>window.hacked=6</script>", "\x1b[31m<b>label</b>\n</style>", '" onmouseover="window.hacked=7',
)  # fmt: skip
HOSTILE_LAYERS = ("<img src=x onerror=window\u2024hacked=8>", "</script><b>\n\x1b[31mlayer", '"><svg onload=alert`1`>')

LARGE = f"""
from torch import nn
from torchvision import transforms as T
from PIL import Image
from semrsm_widgets.views.rsm import large
large.LARGEST_FRAME = 100
FILES, LABELS, LAYERS = {HOSTILE_FILES!r}, {HOSTILE_LABELS!r}, {HOSTILE_LAYERS!r}
root = Path('hostile')
rng = np.random.default_rng(0)
files = []
for k in range(30 * len(FILES)):
    name = FILES[k % len(FILES)]
    files.append(root / (name + '<' if name[0] == 'x' else name) / f'script>{{name}}{{k:03}}.png')
    files[-1].parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(files[-1])
images = srsm.load_images(files, labels=[LABELS[k % 3] for k in range(len(files))])
class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        for name in LAYERS:
            self.add_module(name, nn.Conv2d(3, 3, 4, 4) if name == LAYERS[0] else nn.Conv2d(3, 3, 1))
    def forward(self, x):
        for name in LAYERS:
            x = self._modules[name](x)
        return x
model = srsm.VisionModel(Layers(), T.ToTensor(), name='</script><img src=x onerror=window.hacked=9>')
srsm.extract(model, images, LAYERS, store='hostile-tokens.zarr', batch_size=64, workers=0)
tokens = srsm.open_tokens('hostile-tokens.zarr')
analysis = srsm.Analysis(images, tokens, store='hostile-grams.zarr', model=model)
view = srsm.RSMView(analysis)
view"""


def test_a_large_set_in_stores_shows_names_as_text(lab_page):
    cells = [SETUP, LARGE, "repr(analysis), repr(view), repr(tokens), repr(images), repr(analysis.gram(LAYERS[1]))"]
    lab_page.open_and_run(lab_page.lab.write_notebook("hostile.ipynb", cells))
    page, rsm = lab_page.page, lab_page.page.locator(".srsm-rsm")
    expect(rsm).to_have_attribute("data-ready", "true")
    surface = page.locator(".srsm-map:visible .srsm-surface").first
    shown = []

    def look(*parts):
        box = box_of(surface)
        for part in parts:
            surface.hover(position={"x": box["width"] * part, "y": box["height"] * (1 - part) + 1})
            expect(page.locator(".srsm-card")).to_have_attribute("data-semantic", re.compile(r"\d"))
            shown.append(page.locator(".srsm-card").inner_text())
            shown.extend(each.get_attribute("title") for each in page.locator(".srsm-card-pair figcaption").all())
            assert_nothing_ran(page)

    look(0.2, 0.45, 0.93)  # from afar
    surface.focus()
    for _ in range(4):
        page.keyboard.press("+")
    expect(page.locator(".srsm-cells-are")).to_have_text("Each cell is one pair.")
    look(*np.linspace(0.04, 0.97, 20))  # from near
    for layer in HOSTILE_LAYERS[1:]:
        lab_page.run_code(f"view.layer = {layer!r}")
        expect(rsm).to_have_attribute("data-layer", layer)
        expect(rsm).to_have_attribute("data-ready", "true")
        look(0.3, 0.7)
    seen = " ".join(shown)
    assert all(printable(name) in seen for name in HOSTILE_FILES), seen[:2000]
    assert all(printable(label) in seen for label in HOSTILE_LABELS), seen[:2000]
    assert "\x1b" not in seen
    assert lab_page.run_code("print(view.last_error)").strip() == ""
    lab_page.screenshot("hostile-large")
