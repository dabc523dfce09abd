"""How far long calls are: on a terminal, in a notebook, in a pipe; nested, in threads, interrupted."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.analyses import make_analysis, make_images
from helpers.tiny_models import scaled, tiny_model
from jupyter_client.manager import start_new_kernel
from torch import nn

import semrsm_widgets as srsm
from semrsm_widgets.common import progress as module
from semrsm_widgets.common.progress import Meter, quietly
from semrsm_widgets.common.settings import Options, options
from semrsm_widgets.statistics import js_divergence

if sys.platform != "win32":
    from helpers.terminal import frames, on_terminal

terminal = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")

SLOW = """
import time
import numpy as np
import semrsm_widgets as srsm

def slow(K, L):
    time.sleep({each})
    return srsm.cka(K, L)

K = np.cov(np.random.default_rng(0).normal(size=(10, 30)))
srsm.permutation_test(slow, K, K, n=40)
print("done")
"""
EXPECTED = """
from semrsm_widgets.common import Meter
with Meter("Writing", unit="pages") as meter:
    meter.expect(60.0, "5 images <each>: about 60 s")
    meter(1, 2)
    time.sleep(0.8)
"""
LONG, BRIEF = SLOW.format(each=0.09), SLOW.format(each=0.01)


@terminal
def test_on_a_terminal_a_line_says_how_far_a_long_call_is_and_goes():
    shown = [frame for frame in frames(on_terminal(LONG).text) if frame]
    lines = [frame for frame in shown if frame.startswith("Permuting the images:")]
    assert len(lines) > 3
    assert "of 40 permutations" in lines[-1]
    assert lines[-1].endswith(" s left")
    assert shown[-1] == "done"
    done = [int(line.split("|")[-1].split(" of ")[0]) for line in lines]
    assert done == sorted(done)
    assert done[0] >= 15  # it appeared after about two seconds


@terminal
@pytest.mark.parametrize(
    ("script", "env"),
    [
        (BRIEF, {}),
        (LONG, {"SEMRSM_PROGRESS": "0"}),
        (LONG.replace("n=40", "n=40, progress=False"), {}),
        (
            LONG.replace(
                "import semrsm_widgets as srsm", "import semrsm_widgets as srsm; srsm.options.progress = False"
            ),
            {},
        ),
    ],
)
def test_brief_calls_and_those_that_are_told_to_show_nothing(script, env):
    assert on_terminal(script, env=env).text == "done\n"


def test_in_a_pipe_nothing_is_shown():
    ended = subprocess.run([sys.executable, "-c", LONG], capture_output=True, text=True, check=True)
    assert (ended.stdout, ended.stderr) == ("done\n", "")


def test_in_a_notebook_a_bar_comes_and_leaves_no_widget_to_be_saved():
    manager, client = start_new_kernel(kernel_name="python3")
    heard, told = [], []
    try:
        client.execute_interactive(LONG, output_hook=heard.append, timeout=120)
        client.execute_interactive(EXPECTED, output_hook=told.append, timeout=120)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    kinds = [message["msg_type"] for message in heard]
    (shown,) = (message["content"] for message in heard if message["msg_type"] == "display_data")
    assert "application/vnd.jupyter.widget-view+json" in shown["data"]
    bars = [message["content"]["data"].get("state", {}) for message in heard if message["msg_type"] == "comm_msg"]
    assert any(
        "of\u200740\u2007permutations" in state.get("value", "")
        for state in bars
        if isinstance(state.get("value"), str)
    )
    (last,) = (message["content"] for message in heard if message["msg_type"] == "update_display_data")
    assert last["data"] == {"text/plain": ""}
    assert last["transient"] == shown["transient"]
    assert kinds.index("display_data") < kinds.index("update_display_data")

    # the estimate of a long call stands above the bar, where it can break, and goes with it
    above, bar = (message["content"] for message in told if message["msg_type"] == "display_data")
    assert above["data"]["text/html"] == "5 images &lt;each&gt;: about 60 s"
    assert "application/vnd.jupyter.widget-view+json" in bar["data"]
    updates = [message["content"] for message in told if message["msg_type"] == "update_display_data"]
    assert [update["transient"] for update in updates] == [above["transient"], bar["transient"]]
    assert all(update["data"] == {"text/plain": ""} for update in updates)
    assert "about\u200760" not in str([message["content"] for message in told if message["msg_type"] == "comm_msg"])


NESTED = """
import threading, time
from semrsm_widgets.common import Meter

opened = threading.Event()

def work(name, layers):
    with Meter(name, unit="layers") as outer:
        opened.set()
        for layer in range(layers):
            outer(layer, layers)
            with Meter("Matching", unit="pairs") as inner:
                for pair in range(10):
                    inner(pair, 10)
                    time.sleep(0.3 if layer == 2 else 0.1)  # time to be drawn, on a busy machine, too
                inner(10, 10)
        outer(layers, layers)

threads = [threading.Thread(target=work, args=given) for given in (("One", 3), ("Two", 2))]
for thread in threads:
    thread.start()
    opened.wait()  # the first is the first whatever the machine does
for thread in threads:
    thread.join()
"""


@terminal
def test_nested_calls_and_threads_share_one_line():
    text = on_terminal(NESTED).text
    assert "\n" not in text
    told = [frame for frame in frames(text) if frame]
    lines = [line for line in told if line.startswith("One:")]
    # The second thread is mostly done before its turn comes; on a busy machine it follows, never between.
    assert told[: len(lines)] == lines
    assert any("2 of 3 layers" in line and "matching: " in line for line in lines)
    shares = [int(line.split("%")[0].split(":")[1]) for line in lines]
    assert shares == sorted(shares)
    assert len(set(shares)) > 3  # the inner calls moved it
    assert shares[0] > 60


STOPPED = """
import sys
sys.path.insert(0, {tests!r})
from helpers.tiny_models import scaled, tiny_model
import numpy as np, time
import semrsm_widgets as srsm

model = tiny_model()
model.module.register_forward_pre_hook(lambda *_: time.sleep(0.2))
pictures = np.random.default_rng(0).integers(0, 255, (100, 32, 32, 3), dtype=np.uint8)
srsm.extract(model, srsm.load_images(list(pictures)), batch_size=1, {where})
"""


@terminal
@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("", "Nothing of it is kept: with store='FOLDER' the same call would go on from there."),
        (
            "cache={path!r}",
            "Nothing of it is kept (`cache` takes whole layers): with store='FOLDER' the same call would go on from "
            "there.",
        ),
        ("store={path!r}", "What is done is kept in 'kept': the same call goes on from there."),
    ],
    ids=["memory", "cache", "store"],
)
def test_a_stopped_extraction_says_what_is_kept_or_how_to_keep_it(tmp_path, where, kept):
    path = str(tmp_path / "kept")
    script = STOPPED.format(tests=str(Path(__file__).parents[1]), where=where.format(path=path))
    ended = on_terminal(script, interrupt_at=" of 100 images", columns=200)
    assert ended.status != 0
    after = ended.text[ended.text.index("Traceback") :].strip()
    assert after.splitlines()[-2] == "KeyboardInterrupt"
    assert re.fullmatch(
        rf"Looking at the images stopped at \d+ of 100 images\. {re.escape(kept)}", after.splitlines()[-1]
    )
    assert len(after.splitlines()) < 10  # where in the model it was pushed none of this off the screen
    if "store" not in where:
        assert list(tmp_path.iterdir()) == []


SAVING = """
import sys
sys.path.insert(0, {tests!r})
from helpers.analyses import make_analysis
import semrsm_widgets as srsm
make_analysis(n=90, grid=(20, 20), matcher=srsm.Auction(gap=1e-7)).save({path!r})
"""


@terminal
def test_ctrl_c_says_what_is_kept_and_leaves_nothing_half_written(tmp_path):
    script = SAVING.format(tests=str(Path(__file__).parents[1]), path=str(tmp_path / "a.npz"))
    ended = on_terminal(script, interrupt_at="Saving:")
    assert ended.status != 0
    assert "Saving stopped at 0 of 2 layers. The layers that are done are kept in the Analysis" in ended.text
    assert list(tmp_path.iterdir()) == []
    assert ended.answered < 5  # seconds, on a machine that is busy; the interrupt itself is heard at once


RANKING = """
import hashlib
import numpy as np
import semrsm_widgets as srsm
from semrsm_widgets.common import background
from semrsm_widgets.statistics import comparison

def sorts(K, L):  # for minutes, and hears no signal
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**28)
    print("went on to the end")

background.LARGE, comparison._kendall = 0, sorts
K = np.cov(np.random.default_rng(0).normal(size=(10, 30)))
srsm.rsa(K, K, method="kendall")
"""


@terminal
def test_a_comparison_says_that_it_is_at_work_and_hears_ctrl_c_within_a_long_sort():
    ended = on_terminal(RANKING, interrupt_at="Comparing the pairs: 2 s so far")
    assert ended.text.rstrip().endswith("KeyboardInterrupt\nComparing the pairs stopped. Nothing of it is kept.")
    assert "went on" not in ended.text  # nor did the end of the process wait for it
    assert ended.status == -signal.SIGINT


DEAF = """
import hashlib
from semrsm_widgets.common import Meter
with Meter("Writing", unit="pages", kept="Two pages are kept.") as meter:
    meter(2, 3)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**{size})  # hears no signal
"""


@terminal
def test_ctrl_c_is_answered_at_once_where_a_librarys_call_goes_on():
    ended = on_terminal(DEAF.format(size=24), interrupt_at="Writing:")
    said = "Writing stops when the step at hand ends. Two pages are kept."
    assert ended.text.index(said) < ended.text.index("KeyboardInterrupt")
    assert ended.text.count(said) == 1
    assert ended.text.rstrip().endswith("KeyboardInterrupt\nWriting stopped at 2 of 3 pages. Two pages are kept.")


def test_a_callback_is_heard_of_inner_calls_and_ends_the_call_with_its_own_error():
    told = []

    def callback(done, total):
        told.append((done, total))
        if len(told) == 4:
            raise ZeroDivisionError("mine")

    def work():
        with Meter("Outer", callback) as outer:
            outer(0, 2)
            for step in range(2):
                with Meter("Inner") as inner:
                    inner(1, 2)
                outer(step + 1, 2)

    with pytest.raises(ZeroDivisionError, match="mine"):
        work()
    assert told == [(0, 2), (0, 2), (1, 2), (1, 2)]
    assert module._current.get() is None


def classifier():
    """Return a model that gives three classes' scores."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 8, stride=8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    return srsm.VisionModel(module, scaled)


def calls(folder):
    """Return every long call on small data, by name: a function of `progress`."""
    analysis = make_analysis(labels=4)
    images, model, x = analysis.images, tiny_model(), analysis.tokens["a"]
    K, L = analysis.rsm("a"), analysis.rsm("b")
    kendall = partial(srsm.rsa, method="kendall")
    probabilities = np.random.default_rng(0).dirichlet(np.ones(5), len(analysis))
    predicted = srsm.Analysis(images, analysis.tokens, matcher=srsm.Exact(), probabilities=probabilities)
    return {
        "extract": partial(srsm.extract, model, images, batch_size=2),
        "predict": partial(srsm.predict, classifier(), images, batch_size=2),
        "extract_and_predict": partial(srsm.extract_and_predict, classifier(), images, batch_size=2),
        "layers": partial(srsm.layers, tiny_model()),
        "matched_gram": partial(srsm.matched_gram, x),
        "semantic_rsm": partial(srsm.semantic_rsm, x, x),
        "aligned_rsm": partial(srsm.aligned_rsm, x),
        "pooled_rsm": partial(srsm.pooled_rsm, x),
        "search": partial(srsm.search, x.values[:2], x, 3),
        "search of candidates": partial(srsm.search, x.values[:2], x, 2, candidates=[[0, 1, 2], [3, 4, 5]]),
        "gram": partial(make_analysis().gram, "a"),
        "null": partial(analysis.null_grams, "a", n=200),
        "save": partial(make_analysis().save, folder / "a.npz"),
        "to_html": partial(srsm.to_html, make_analysis(n=4), folder / "a.html"),
        "jackknife": partial(srsm.jackknife, kendall, K, L),
        "permutation_test": partial(srsm.permutation_test, srsm.cka, K, L, n=19),
        "rsm_difference": partial(srsm.rsm_difference, K, L),
        "js_divergence": partial(js_divergence, probabilities),
        "output_agreement": partial(srsm.output_agreement, predicted),
        "compare": partial(srsm.compare, make_analysis()),
        "matcher_report": partial(srsm.matcher_report, x, [srsm.Greedy(), srsm.Auction()]),
        "retrieval_scores": partial(srsm.retrieval_scores, make_analysis(), k=2),
        "translation_test": partial(srsm.translation_test, model, make_images(4, size=(60, 60)), [0.5]),
    }


@pytest.fixture(scope="module")
def long_calls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    return folder, calls(folder)


LONG_CALLS = (
    *(
        "extract",
        "predict",
        "extract_and_predict",
        "layers",
        "matched_gram",
        "semantic_rsm",
        "aligned_rsm",
        "pooled_rsm",
        "gram",
        "null",
        "save",
        "to_html",
    ),
    *(
        "search",
        "search of candidates",
        "jackknife",
        "permutation_test",
        "rsm_difference",
        "js_divergence",
        "output_agreement",
        "compare",
        "matcher_report",
    ),
    *("retrieval_scores", "translation_test"),
)


class MineError(Exception):
    """What a callback of the user's raises."""


@pytest.mark.parametrize("name", LONG_CALLS)
def test_every_long_call_tells_how_far_it_is_and_ends_with_what_its_callback_raises(long_calls, name):
    folder, every = long_calls
    assert set(every) == set(LONG_CALLS)
    told = []

    def raises(done, total):
        raise MineError

    with pytest.raises(MineError):
        every[name](progress=raises)
    assert list(folder.glob("*a.*")) == []  # nothing half-written
    every[name](progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert (told[0][0], told[-1][0]) == (0, told[-1][1])
    assert len({total for _, total in told}) == 1
    for path in folder.iterdir():
        path.unlink()


def test_what_is_done_within_a_call_that_another_tells_of_is_said():
    with Meter("Matching a", False, unit="pairs") as outer, Meter("Matching", outer, unit="pairs") as teller:
        teller(1, 4)
        with Meter("Compiling"):
            assert outer.words(outer.began, inner=True) == "1 of 4 pairs, 0 s so far, compiling"
        assert outer.words(outer.began, inner=True) == "1 of 4 pairs, 0 s so far"  # not a second time by the teller
    assert outer.inner is None


def test_parts_and_costs_say_how_far_a_call_is():
    with Meter("Outer", False, unit="layers") as outer:
        outer.costs = [3, 1]
        outer(0, 2)
        with outer.part(0.5), Meter("Inner") as inner:
            inner(1, 2)
        assert outer.fraction == pytest.approx(0.375)
        with Meter("Inner") as inner:
            inner(1, 2)
        assert outer.fraction == pytest.approx(0.5625)
        outer(1, 2)
        assert outer.fraction == pytest.approx(0.75)
        outer(2, 2)
        assert outer.fraction == 1
    with Meter("Outer", False, unit="images") as outer:
        outer(0, 600, 300)  # three hundred at once
        with outer.part(0.5), Meter("Inner") as inner:
            inner(1, 2)
        assert outer.fraction == pytest.approx(0.25)


@pytest.mark.parametrize(("wish", "setting", "quiet", "drawn"), [
    (None, True, False, True),
    (None, False, False, False),
    (True, False, False, True),
    (False, True, False, False),
    (None, True, True, False),
])  # fmt: skip
def test_who_asks_for_a_bar(monkeypatch, wish, setting, quiet, drawn):
    added = []
    monkeypatch.setattr(module.screen, "is_there", lambda: True)
    monkeypatch.setattr(module.screen, "add", added.append)
    monkeypatch.setattr(module.screen, "remove", lambda meter: None)
    monkeypatch.setattr(options, "progress", setting)
    with quietly() if quiet else nullcontext(), Meter("Call", wish):
        pass
    assert bool(added) == drawn


def test_what_is_no_progress_and_no_setting_is_refused(monkeypatch):
    with pytest.raises(TypeError, match=r"`progress` must be a function of \(pairs done, pairs in all\), True, False"):
        Meter("Matching", 3, unit="pairs")
    with pytest.raises(TypeError, match=r"`options.progress` must be True or False; got 0"):
        srsm.options.progress = 0
    with pytest.raises(AttributeError):
        srsm.options.proggress = False
    monkeypatch.setenv("SEMRSM_PROGRESS", "maybe")
    with pytest.warns(RuntimeWarning, match="`SEMRSM_PROGRESS` must be 0 or 1; got 'maybe'"):
        assert Options().progress
