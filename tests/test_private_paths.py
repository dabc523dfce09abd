"""Errors tell no folder: a saved notebook keeps them, and a path may name a person."""

from __future__ import annotations

import traceback
import warnings

import numpy as np
import pytest
import torch
from helpers.analyses import make_analysis
from helpers.stores import model
from PIL import Image

import semrsm_widgets as srsm

PERSON = "ada.lovelace"
LONG = 300 * "x"
"""No disk takes a name like this."""


@pytest.fixture
def home(tmp_path):
    """A folder that names a person, and what an error may come from."""
    home = tmp_path / PERSON
    (home / "folder").mkdir(parents=True)
    (home / "folder.html").mkdir()
    (home / "folder.npz").mkdir()
    (home / "folder.svg").mkdir()
    (home / "empty").mkdir()
    (home / "empty.npz").touch()
    (home / "file").write_bytes(b"junk")
    (home / "junk.npz").write_bytes(b"PK junk")
    (home / "junk.pt").write_bytes(b"junk")
    (home / "junk.safetensors").write_bytes(b"junk")
    (home / "pictures").mkdir()
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(home / "pictures" / "good.png")
    (home / "pictures" / "bad.png").write_bytes(b"junk")
    (home / "missing.csv").write_text("path\ngone.png\n")
    (home / "ragged.csv").write_text('path,label\n"a\n')
    (home / "words.csv").write_text("a,b\n1,2\n")
    (home / "cut.csv").write_bytes("path\nä.png\n".encode("utf-16")[:-1])
    return home


def pictures():
    return [np.zeros((16, 16, 3), np.uint8)] * 3


def extract(home, **options):
    given = {"images": pictures(), "layers": "first", "workers": 0} | options
    return srsm.extract(model(), given.pop("images"), given.pop("layers"), **given)


CALLS = {
    "save into no folder": lambda home: make_analysis(3).save(home / "gone" / "a.npz"),
    "save over a folder": lambda home: make_analysis(3).save(home / "folder.npz"),
    "save under a long name": lambda home: make_analysis(3).save(home / f"{LONG}.npz"),
    "load nothing": lambda home: srsm.Analysis.load(home / "gone.npz"),
    "load a folder": lambda home: srsm.Analysis.load(home / "folder.npz"),
    "load an empty file": lambda home: srsm.Analysis.load(home / "empty.npz"),
    "load junk": lambda home: srsm.Analysis.load(home / "junk.npz"),
    "a report in no folder": lambda home: srsm.to_html(make_analysis(3), home / "gone" / "a.html"),
    "a report over a folder": lambda home: srsm.to_html(make_analysis(3), home / "folder.html"),
    "a report under a long name": lambda home: srsm.to_html(make_analysis(3), home / f"{LONG}.html"),
    "a page in no folder": lambda home: srsm.StaticReport("page").save(home / "gone" / "a.html"),
    "a page over a folder": lambda home: srsm.StaticReport("page").save(home / "folder.html"),
    "a stepper in no folder": lambda home: srsm.AuctionStepper(np.eye(3)).to_html(home / "gone" / "a.html"),
    "a figure in no folder": lambda home: srsm.RSMView(make_analysis(3)).save_figure(home / "gone" / "a.svg"),
    "a figure over a folder": lambda home: srsm.RSMView(make_analysis(3)).save_figure(home / "folder.svg"),
    "a figure of no kind": lambda home: srsm.RSMView(make_analysis(3)).save_figure(home / "a.jpg"),
    "no pictures": lambda home: srsm.load_images(home / "gone"),
    "an empty folder": lambda home: srsm.load_images(home / "empty"),
    "a file of no kind": lambda home: srsm.load_images(home / "file"),
    "a damaged picture": lambda home: srsm.load_images(home / "pictures"),
    "a damaged picture in a list": lambda home: srsm.load_images([home / "pictures" / "bad.png"]),
    "a folder in a list": lambda home: srsm.load_images([home / "folder"]),
    "a missing picture in a list": lambda home: srsm.load_images([home / "gone.png"]),
    "a missing picture in a table": lambda home: srsm.load_images(home / "missing.csv"),
    "a ragged table": lambda home: srsm.load_images(home / "ragged.csv"),
    "a table of something else": lambda home: srsm.load_images(home / "words.csv"),
    "a table that is cut": lambda home: srsm.load_images(home / "cut.csv"),
    "a long name of a table": lambda home: srsm.load_images(home / f"{LONG}.csv"),
    "a long name of pictures": lambda home: srsm.load_images(home / LONG),
    "a long name in a list": lambda home: srsm.load_images([home / f"{LONG}.png"]),
    "a figure under a long name": lambda home: srsm.RSMView(make_analysis(3)).save_figure(home / LONG / "a.svg"),
    "weights under a long name": lambda home: srsm.load_model("test_resnet", weights=home / f"{LONG}.pt"),
    "load a long name": lambda home: srsm.Analysis.load(home / f"{LONG}.npz"),
    "no weights": lambda home: srsm.load_model("test_resnet", weights=home / "gone.pt"),
    "weights that are a folder": lambda home: srsm.load_model("test_resnet", weights=home / "folder"),
    "junk weights": lambda home: srsm.load_model("test_resnet", weights=home / "junk.pt"),
    "junk safetensors": lambda home: srsm.load_model("test_resnet", weights=home / "junk.safetensors"),
    "a cache that is a file": lambda home: extract(home, cache=home / "file"),
    "a cache under a file": lambda home: extract(home, cache=home / "file" / "cache"),
    "a cache under a long name": lambda home: extract(home, cache=home / LONG),
    "a store that is a file": lambda home: extract(home, store=home / "file"),
    "a store under a file": lambda home: extract(home, store=home / "file" / "store"),
    "a store in a folder of something else": lambda home: extract(home, store=home / "pictures"),
    "a store under a long name": lambda home: extract(home, store=home / LONG),
    "a Gram under a file": lambda home: srsm.matched_gram(torch.ones(3, 4, 5), store=home / "file" / "gram"),
    "a Gram in a folder of something else": lambda home: srsm.matched_gram(
        torch.ones(3, 4, 5), store=home / "pictures"
    ),
    "no store": lambda home: srsm.open_tokens(home / "gone"),
    "no store of a Gram": lambda home: srsm.open_gram(home / "gone"),
    "a store of something else": lambda home: srsm.open_tokens(home / "pictures"),
    "a store that is junk": lambda home: srsm.open_tokens(home / "file"),
    "an explorer of no folder": lambda home: srsm.explore("test_resnet", home / "gone"),
}


def told(error):
    """Return all that a traceback says besides its lines of code: each error's text and notes."""
    lines = traceback.TracebackException.from_exception(error)
    texts = []
    while lines is not None:
        texts += lines.format_exception_only()
        lines = lines.__cause__ or (None if lines.__suppress_context__ else lines.__context__)
    return "".join(texts)


NOBODYS = "~nobody-of-this-name"
OF_NOBODY = {
    "`path`": (
        lambda: make_analysis(3).save(f"{NOBODYS}/a.npz"),
        lambda: srsm.Analysis.load(f"{NOBODYS}/a.npz"),
        lambda: srsm.to_html(make_analysis(3), f"{NOBODYS}/a.html"),
        lambda: srsm.RSMView(make_analysis(3)).save_figure(f"{NOBODYS}/a.svg"),
    ),
    "`source`": (lambda: srsm.load_images(NOBODYS),),
    "`images`": (lambda: srsm.extract(model(), NOBODYS, "first"),),
    "`weights`": (lambda: srsm.load_model("test_resnet", weights=f"{NOBODYS}/a.pt"),),
    "`cache`": (lambda: extract(None, cache=NOBODYS),),
    "`store`": (
        lambda: extract(None, store=NOBODYS),
        lambda: srsm.open_tokens(NOBODYS),
        lambda: srsm.matched_gram(torch.ones(3, 4, 5), store=NOBODYS),
    ),
}


@pytest.mark.parametrize("name", OF_NOBODY)
def test_the_home_of_nobody_is_named_by_its_argument(name):
    for call in OF_NOBODY[name]:
        with pytest.raises(ValueError, match=f"{name} must be a path whose ~ is somebody's home; got '{NOBODYS}'"):
            call()


@pytest.mark.parametrize("name", CALLS)
def test_an_error_tells_no_folder_that_is_above_what_is_meant(name, home):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with pytest.raises(Exception) as found:  # noqa: PT011 (what it says is looked at below)
            CALLS[name](home)
    text = told(found.value)
    assert PERSON not in text, text
    assert not [each for each in said if PERSON in str(each.message)]
