"""The tutorials as a student meets them: run as they are, answered wrongly, and solved; and what is saved of them."""

from __future__ import annotations

import ast
import re

import pytest
from helpers import tutorials
from helpers.tutorials import FOLDER, LESSONS, NAMES, errors, exercises, read, tags

import semrsm_widgets as srsm

MOST_LINES = 15
MOST_LETTERS = 100
CELLS = range(15, 21)
EXERCISES = range(2, 5)
WORDS = range(350, 501)
MOST_BYTES = 4 * 2**20
VIEWS = (
    "RSMView(",
    "PairView(",
    "RetrievalView(",
    "CompareView(",
    "TransformLab(",
    "AuctionStepper(analysis",
    "srsm.explore(",
)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=LESSONS)
def lesson(request: pytest.FixtureRequest) -> str:
    return request.param


def is_one_sentence_of_ours(outputs):
    (error,) = errors(outputs)
    is_ours = error.ename == "NotYetError" and " ".join(error.traceback) == error.evalue
    return is_ours and "\n" not in error.evalue and all(len(line) <= MOST_LETTERS for line in error.traceback)


def prose(notebook):
    """Return what is read: without what is hidden, code and links."""
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    text = re.sub(r"```.*?```|<details>.*?</details>", "", text, flags=re.DOTALL)
    return re.sub(r"\]\([^)]*\)|<[^>]*>", " ", text)


def words(text):
    return re.findall(r"[\w’'-]*[A-Za-z][\w’'-]*", text)


# -- run -----------------------------------------------------------------------------------------------------------


def test_it_runs_to_its_end_as_it_is(name):
    done = tutorials.run(name)
    for cell in done.notebook.cells:
        if cell.cell_type == "code" and "check" not in tags(cell):
            assert not errors(cell.outputs), cell.source


def test_untouched_exercises_are_told_in_one_sentence_and_solved_ones_pass(lesson):
    done = tutorials.run(lesson)
    assert done.untouched
    for each, checks in done.untouched.items():
        assert all(map(is_one_sentence_of_ours, checks)), each
    for each, checks in done.solved.items():
        for outputs in checks:
            assert not errors(outputs), (each, errors(outputs))
            assert "Right." in "".join(output.get("text", "") for output in outputs), (each, outputs)


def test_wrong_answers_are_told_in_one_sentence(lesson):
    for (each, kind), checks in tutorials.run(lesson).wrong.items():
        told = [outputs for outputs in checks if errors(outputs)]  # a check of what is right still may pass
        assert told, (each, kind)
        for outputs in told:
            assert is_one_sentence_of_ours(outputs), (each, kind, outputs)


# -- read ----------------------------------------------------------------------------------------------------------


def test_it_has_the_form_of_a_lesson(lesson):
    notebook = read(lesson)
    checks = sum(len(each.checks) for each in exercises(notebook))
    assert len(exercises(notebook)) in EXERCISES
    # An exercise counts as one cell: what checks it needs no reading, and its solution is folded.
    assert len(notebook.cells) - checks - len(exercises(notebook)) in CELLS
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= MOST_LINES, cell.source
    text = prose(notebook)
    assert len(words(text)) in WORDS
    for part in (
        "**You will see**",
        "**Time:**",
        "**Needs:**",
        "**Guess first.**",
        "**To take home.**",
        "arXiv:2410.23107",
    ):
        assert part in text, part
    for each in exercises(notebook):
        assert "..." in each.cell
        for check in each.checks:
            assert check.count("check(") == check.count("hint=") == 1, "the first to fail would hide the others"


def test_each_number_in_its_prose_stands_in_an_assert(name):
    notebook = read(name)
    code = [ast.parse(cell.source) for cell in notebook.cells if cell.cell_type == "code"]
    asserted = {
        abs(float(node.value))
        for tree in code
        for statement in ast.walk(tree)
        if isinstance(statement, ast.Assert)
        for node in ast.walk(statement)
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float)
    }
    text = re.sub(r"arXiv:[\d.]+|(section|version) [\d.]+\d", "", prose(notebook))
    said = {float(number) for number in re.findall(r"(?<![\w.])\d+\.\d+(?![\w.]*\d)", text)}
    said |= {int(number) / 100 for number in re.findall(r"(?<![\w.])(\d+) %", text)}
    assert said - asserted == set()


def test_its_links_lead_to_what_is_there(name):
    text = "\n".join(cell.source for cell in read(name).cells)
    for target, place in re.findall(r"\]\(([\w.]+\.ipynb)(?:#([^)]*))?\)", text):
        assert (FOLDER / target).is_file(), target
        if place:  # JupyterLab finds no heading in a notebook that it opens for the link, but a cell
            assert place in [f"cell-id={cell.id}" for cell in read(target.removesuffix(".ipynb")).cells], place


@pytest.mark.parametrize(
    ("word", "cell"),
    [("tokens?", "token-patch"), ("aligned", "aligned"), ("semantic", "semantic"), ("pooled", "pooled")],
)
def test_the_words_everything_rests_on_lead_to_the_glossary(name, word, cell):
    if re.search(rf"\b{word}\b", prose(read(name)), re.IGNORECASE):
        assert any(f"](glossary.ipynb#cell-id={cell})" in each.source for each in read(name).cells)


# -- saved ---------------------------------------------------------------------------------------------------------


def test_it_is_saved_with_what_it_shows_and_nothing_else(name):
    notebook = read(name)
    assert notebook == tutorials.clean(notebook)
    shown = [cell for cell in notebook.cells if cell.cell_type == "code" and any(view in cell.source for view in VIEWS)]
    assert shown
    for cell in shown:
        assert any("image/png" in output.get("data", {}) for output in cell.outputs), cell.source
    assert not any(errors(cell.get("outputs", [])) for cell in notebook.cells)


def test_together_they_are_small():
    assert sum((FOLDER / f"{name}.ipynb").stat().st_size for name in NAMES) < MOST_BYTES


def test_its_first_cell_knows_the_version(name):
    first = next(cell for cell in read(name).cells if cell.cell_type == "code")
    assert f'"{srsm.__version__}"' in first.source
