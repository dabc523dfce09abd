"""Names with markup are text, and unusual sets of images are shown, in JupyterLab and without an error in the page."""

from __future__ import annotations

import numpy as np
from helpers.boxes import box_of, in_columns
from PIL import Image
from playwright.sync_api import expect

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
