"""What the lessons share: every answer that can be handed in is met with one sentence."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest
from helpers.tutorials import FOLDER

import semrsm_widgets as srsm


@pytest.fixture(scope="module")
def lessons() -> Any:
    spec = importlib.util.spec_from_file_location("lessons", FOLDER / "lessons.py")
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    assert spec.loader is not None
    spec.loader.exec_module(module)
    return module


def raising(error: BaseException) -> Any:
    def answer() -> None:
        raise error

    return answer


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda: None, "nothing comes back"),
        (lambda: ..., "nothing comes back"),
        (lambda: [..., ...], "nothing comes back"),
        (lambda: (1, (None, 2)), "nothing comes back"),
        (lambda: "seven", "a str came, a number is expected"),
        (lambda: [1, [2, 3]], "a list came"),
        (lambda: np.zeros((3, 5)), "3 × 5 numbers came, a number is expected"),
        (lambda: [7.5], "a list of one number came, a number is expected"),
        (lambda: float("nan"), "a number, as asked, but not the right one"),
        (lambda: 7.5, "a number, as asked, but not the right one"),
        (raising(ZeroDivisionError("division by zero")), "your code raises ZeroDivisionError: division by zero"),
        (raising(ValueError("one line\nand another")), "your code raises ValueError: one line and another"),
        (lambda: absent, "name 'absent' is not defined; run the exercise's cell first"),  # type: ignore[name-defined]  # noqa: F821
        (raising(KeyboardInterrupt()), "a loop that never ends"),
    ],
)
def test_a_wrong_answer_is_told_in_one_sentence_with_the_hint_and_without_the_value(
    lessons: Any, answer: Any, said: str
) -> None:
    with pytest.raises(lessons.NotYetError, match=said) as raised:
        lessons.check(answer, 0.4375, hint="look at the diagonal")
    lines = raised.value._render_traceback_()
    assert " ".join(lines).endswith("Hint: look at the diagonal")
    assert all(len(line) <= 100 and "\n" not in line for line in lines)
    assert not any("0.4375" in line for line in lines)


def test_a_right_answer_passes_by_value_and_by_property(lessons: Any, capsys: pytest.CaptureFixture[str]) -> None:
    lessons.check(lambda: 0.4375, 0.4375, hint="")
    lessons.check(lambda: [1, 2], np.array([1.0, 2.0]), hint="")
    lessons.check(lambda: 3, passes=lambda answer: answer > 2, hint="")
    assert capsys.readouterr().out == "Right.\n" * 3
    for answer, said in (
        (1, "does not have what is asked for"),
        ("x", r"your answer could not be tried out \(TypeError: '>' not supported"),
    ):
        with pytest.raises(lessons.NotYetError, match=said):
            lessons.check(lambda answer=answer: answer, passes=lambda value: value > 2, hint="")


def test_properties_in_words_are_told_with_what_came_and_which_is_not_met(
    lessons: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def asked(answer: float) -> dict[str, bool]:
        return {f"the number is {answer}, over 2 is asked": answer > 2, f"below 9 is asked of {answer}": answer < 9}

    lessons.check(lambda: 3, passes=asked, hint="")
    assert capsys.readouterr().out == "Right.\n"
    said = r"Not yet: the number is 1, over 2 is asked \(not met\); below 9 is asked of 1 \(met\)\. Hint: larger"
    with pytest.raises(lessons.NotYetError, match=said):
        lessons.check(lambda: 1, passes=asked, hint="larger")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ([4, 3, 2, 1], "4 numbers, as asked, but not the right ones"),
        ((1, 2), "2 numbers came, 4 numbers are expected"),
        (("blocks.4", 2), "a tuple with the text 'blocks.4' in it came, 4 numbers are expected"),
    ],
)
def test_several_numbers_are_told_as_such(lessons: Any, answer: Any, said: str) -> None:
    with pytest.raises(lessons.NotYetError, match=said):
        lessons.check(lambda: answer, [1, 2, 3, 4], hint="")


def test_another_version_is_told(lessons: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert srsm.__version__ == lessons.VERSION
    lessons.written_for(srsm.__version__)
    assert "both of version" in capsys.readouterr().out
    for other in ("0.0.9", "9.0"):
        lessons.written_for(other)
        assert f"This notebook is of version {other}" in capsys.readouterr().out


def test_near_is_what_the_text_promises(lessons: Any) -> None:
    assert lessons.near([0.119, 1], [0.1, 1])
    assert not lessons.near(0.121, 0.1)


def test_tables_and_pictures_show_what_they_are_given(lessons: Any) -> None:
    assert (
        lessons.Table({"": [-0.001, -0.25]}, ["x", "y"])
        ._repr_html_()
        .endswith("<td></td><td>0.00</td><td>−0.25</td></tr></tbody></table>")
    )
    table = lessons.Table({"a < b": [0.125, 3]}, ["x", "y"], "name")
    assert repr(table).splitlines() == [" name     x  y", "a < b  0.12  3"]
    html = table._repr_html_()
    assert "<th>name</th><th>x</th><th>y</th>" in html
    assert "<td>a &lt; b</td><td>0.12</td><td>3</td>" in html

    grey = np.full((20, 20, 3), 128, dtype=np.uint8)
    assert lessons.strip({"one": grey, "two": grey}).size == (330, 184)
    drawn = np.asarray(lessons.curves([0, 1, 2], {"up": [0, 0.5, 1], "down": [1, 0.5, 0]}, across="x").convert("RGB"))
    for colour in ((213, 94, 0), (0, 114, 178)):  # quantized
        assert np.abs(drawn.astype(int) - colour).max(-1).min() < 20
