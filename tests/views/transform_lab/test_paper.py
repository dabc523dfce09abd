"""TransformLab as a figure for a paper."""

from __future__ import annotations

from helpers.views import DEADLINE, texts_of


def test_a_figure_for_a_paper_says_what_it_shows(lab, tmp_path):
    lab.shift = (0.25, 0.0)
    assert lab.wait(DEADLINE)
    words = texts_of(lab.save_figure(tmp_path / "lab.svg"))
    matches = lab.analysis.matches(lab.layer, 0, 1)
    for name in ("aligned", "semantic", "pooled"):
        assert f"{getattr(matches, name):.2f}" in words
    assert "shifted by 0.25 right" in words
    assert "beyond the edge mirrored" in words
    assert "Unrelated tokens" in words
