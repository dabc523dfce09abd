"""What the top of a report says."""

from __future__ import annotations

import semrsm_widgets as srsm


def test_the_top_says_what_is_in_the_file(page):
    text = " ".join(page.text)
    assert "Tokens · 8 images · 2 layers" in text
    assert "Heatmaps: all 28 pairs of images at 2 layers under 3 kernels" in text
    assert "Patches: all 28 pairs." in text
    assert "This file holds pictures, names and labels of the 8 images." in text
    assert f"semrsm_widgets {srsm.__version__}" in text
    assert "Tokens, layers a to b; semrsm_widgets" in text
