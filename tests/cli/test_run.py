"""`semrsm run`: what a file asks for, in stores, and what is wrong with the file."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import stores
from helpers.command_line import ROOT

import semrsm_widgets as srsm
from semrsm_widgets.cli import main

CONFIG = """
[model]
image_size = 32

[images]
source = "photos"

[layers]
names = ["blocks.4", "blocks.6"]
batch_size = 4

[store]
folder = "results"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A file beside a folder of 13 pictures."""
    stores.pictures(tmp_path / "photos", 13)
    path = tmp_path / "config.toml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def expected(folder: Path) -> dict[str, srsm.Tokens]:
    """Return the tokens that the run gives, extracted in memory."""
    model = srsm.load_model(image_size=32)
    return srsm.extract(model, folder / "photos", ["blocks.4", "blocks.6"], batch_size=4, dtype=torch.float16)


def check(folder: Path) -> None:
    """Hold the stores against what extraction and matching in memory give."""
    there = srsm.open_tokens(folder / "results" / "features.zarr")
    analysis = srsm.Analysis(
        srsm.load_images(folder / "photos"), there, store=folder / "results" / "grams.zarr", memory=2**20
    )
    for name, tokens in expected(folder).items():
        assert analysis.has(name)
        assert torch.equal(there[name].values[:], tokens.values)
        found = analysis.gram(name)
        gram = srsm.matched_gram(tokens)
        assert np.allclose(found.products, gram.products, rtol=0, atol=1e-4 * gram.norms.max())
        assert np.all(found.upper_bound >= gram.products - 1e-6 * gram.norms)


def written(folder: Path) -> dict[str, int]:
    """Return when each file of tokens and tiles was written."""
    files = [path for path in (folder / "results").rglob("c/*") if path.is_file()]
    files += [path for path in (folder / "results").rglob("c/**/*") if path.is_file()]
    return {str(path): path.stat().st_mtime_ns for path in files}


def start(config: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "semrsm_widgets.cli", "run", str(config)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )  # fmt: skip


def until(process: subprocess.Popen[str], words: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return
    raise AssertionError(f"ended without {words!r}")


def test_a_run_fills_the_stores_and_another_does_nothing_again(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(config), "--dry-run"]) == 0
    said = capsys.readouterr()
    assert "13 images, EfficientNet-Lite0, 2 layers" in said.out
    assert "78 pairs" in said.out
    assert said.out.count("(to do)") == 4
    assert not (config.parent / "results").exists()

    assert main(["run", str(config)]) == 0
    said = capsys.readouterr()
    assert said.out.endswith("Done: results holds blocks.4, blocks.6.\n")
    assert "Tokens: 13 of 13 images\n" in said.err
    assert said.err.count("Gram of blocks.6: 78 of 78 pairs\n") == 1
    check(config.parent)

    before = written(config.parent)
    assert len(before) > 4
    assert main(["run", str(config)]) == 0
    assert capsys.readouterr().out.count("(there)") == 4
    assert written(config.parent) == before

    gone = config.parent / "results" / "grams.zarr" / "blocks.4"
    shutil.rmtree(gone)
    assert main(["run", str(config)]) == 0
    after = written(config.parent)
    assert set(after) == set(before)
    assert {path for path in before if before[path] != after[path]} == {p for p in before if p.startswith(str(gone))}


def test_the_estimate_says_what_is_left_of_a_set_that_grows(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said() -> str:
        before = written(config.parent)
        assert main(["run", str(config), "--dry-run"]) == 0
        assert written(config.parent) == before
        return capsys.readouterr().out

    assert main(["run", str(config)]) == 0
    capsys.readouterr()
    assert said().count("; 78 pairs (there)") == 2
    stores.pictures(config.parent / "photos", 16)  # the 13 that are there, and three others
    text = said()
    assert text.count("(13 of 16 images there)") == 2
    assert text.count(f"; 120 pairs, {3 * 13 + 3} of them left: ") == 2
    assert main(["run", str(config)]) == 0
    capsys.readouterr()
    (config.parent / "photos" / "00.png").unlink()
    assert said().count("(there)") == 4
    config.write_text(CONFIG.replace("= 4\n", "= 4\n[matching]\ngap = 0.01\n", 1), encoding="utf-8")
    assert said().count("; 105 pairs in ") == 2  # another gap is another Gram, beside that one


def test_a_layer_can_be_added_and_grams_left_out(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(CONFIG.replace('["blocks.4", "blocks.6"]', '"blocks.6"') + "grams = false\n", encoding="utf-8")
    assert main(["run", str(config)]) == 0
    assert "no Grams" in capsys.readouterr().out
    assert not (config.parent / "results" / "grams.zarr").exists()
    config.write_text(CONFIG, encoding="utf-8")
    assert main(["run", str(config)]) == 0
    check(config.parent)


@pytest.mark.parametrize("moment", ["Tokens: 0", "Gram of blocks.4: 0"])
def test_a_run_that_is_killed_is_gone_on_with(config: Path, moment: str) -> None:
    process = start(config)
    until(process, moment)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert main(["run", str(config)]) == 0
    check(config.parent)


def test_ctrl_c_says_that_what_is_done_is_kept(config: Path) -> None:
    stores.pictures(config.parent / "photos", 400)
    process = start(config)
    until(process, "Tokens: 0")
    process.send_signal(signal.SIGINT)
    _, error = process.communicate()
    assert process.returncode == 130
    last = error.splitlines()[-1]
    assert last.startswith("semrsm: stopped.")
    assert last.endswith("The same command goes on from what is done.")
    assert "Traceback" not in error


WRONG = [
    ("[images]", "[image]", "config.toml: [image] is no table that `semrsm run` knows. Did you mean 'images'"),
    ("[model]", "name = 3\n[model]", "config.toml: [name] is no key outside of a table that `semrsm run` knows."),
    ("[model]", r'"\u001b[31m" = 3' + "\n[model]", r"config.toml: [\x1b[31m] is no key"),
    ("image_size", "image_sise", "config.toml: `model.image_sise` is no key of [model]. Did you mean 'image_size'?"),
    ('source = "photos"', "", "config.toml: `images.source` is missing: write [images] and below it source = ..."),
    ('"photos"', '"nowhere"', "config.toml: `images.source` must be"),
    ('"photos"', "7", "config.toml: `images.source` must be a text that is not empty; got 7 (int)."),
    ("= 32", '= "32"', "config.toml: `model.image_size` must be an integer >= 1; got '32' (str)."),
    ("= 32", "= [32]", "config.toml: `model.image_size` must be a number of pixels, or [height, width]"),
    ("= 32", '= 32\nname = "resnet5"', "config.toml: `model.name` must be a model that timm knows; got 'resnet5'."),
    ("= 32", '= 32\ndevice = "gpu"', "config.toml: `model.device` must be"),
    ("= 4\n", "= 0\n", "config.toml: `layers.batch_size` must be an integer >= 1; got 0 (int)."),
    ("= 4\n", '= 4\ndtype = "float8"\n', "config.toml: `layers.dtype` must be one of 'float16', 'bfloat16', 'float32'"),
    ('["blocks.4", "blocks.6"]', "[]", "config.toml: `layers.names` must be at least one name or pattern"),
    ('["blocks.4", "blocks.6"]', '"block.4"', "config.toml: `layers.names`"),
    (
        "= 4\n",
        "= 4\n[matching]\ngap = 0\n",
        "config.toml: `matching.gap` must be a finite number and > 0",
    ),
    ("= 4\n", "= 4\n[matching]\ngap = 1\n", "config.toml: `matching.gap` must be"),
    ("= 4\n", "= 4\n[cluster]\n", "config.toml: `cluster` must be a table of one key; got an empty one."),
    ("= 4\n", "= 4\n[cluster]\nworkers = true\n", "config.toml: `cluster.workers` must be an integer >= 1"),
    ("= 4\n", '= 4\n[cluster]\nscheduler = "here"\n', "config.toml: `cluster.scheduler` must be an address"),
    ("= 4\n", '= 4\n[cluster]\nworkers = 2\nscheduler = "tcp://a:1"\n', "config.toml: `cluster` must be one of"),
    ("[store]", "[store", "config.toml is no TOML: "),
    ('folder = "results"', "", "config.toml: `store.folder` is missing"),
]


@pytest.mark.parametrize(("words", "others", "said"), WRONG, ids=[said.partition(": ")[2][:50] for *_, said in WRONG])
def test_what_is_wrong_is_named_by_file_table_and_key(
    config: Path, capsys: pytest.CaptureFixture[str], words: str, others: str, said: str
) -> None:
    assert words in CONFIG
    config.write_text(CONFIG.replace(words, others, 1), encoding="utf-8")
    assert main(["run", str(config)]) in (1, 2)
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"semrsm: {said}")
    assert not (config.parent / "results").exists()


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(tmp_path / "config.toml")]) == 1
    assert "`CONFIG` must be a file that exists" in capsys.readouterr().err


def test_workers_of_a_cluster_match(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("distributed")
    config.write_text(f"{CONFIG}[cluster]\nworkers = 1\n", encoding="utf-8")
    process = start(config)  # workers are processes that import what started them
    said, error = process.communicate()
    assert process.returncode == 0, error
    assert "with a core for each worker" in said
    assert "Starting 1 workers" in error
    check(config.parent)


def test_a_scheduler_that_is_not_there_is_named(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("distributed")
    config.write_text(f'{CONFIG}[cluster]\nscheduler_file = "scheduler.json"\n', encoding="utf-8")
    assert main(["run", str(config)]) == 1
    assert "`cluster.scheduler_file`: there is no 'scheduler.json'" in capsys.readouterr().err
