"""CompareView as a figure for a paper."""

from __future__ import annotations

from helpers.views import DEADLINE, texts_of


def test_a_figure_for_a_paper_says_what_it_shows(view, tmp_path):
    words = texts_of(view.save_figure(tmp_path / "map.svg", width_mm=120))
    for value in view.comparison.table().ravel():
        assert f"{value:.2f}".replace("-", "\N{MINUS SIGN}") in words
    assert "95 % intervals leave out one at a time" in words.replace("\n", " ")
    view.cell = ("a1", "b2")
    assert view.wait(DEADLINE)
    words = texts_of(view.save_figure(tmp_path / "cell.svg"))
    assert "A a1" in words
    assert "half the mean squared difference" in words
    assert view.save_figure(tmp_path / "cell.png").read_bytes().startswith(b"\x89PNG")
    view.save_figure(tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_bytes() == (tmp_path / "cell.svg").read_bytes()
