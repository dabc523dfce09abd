"""What stands beneath a figure, in sentences."""

from __future__ import annotations

import numpy as np
import pytest

from semrsm_widgets.figures.sentences import certificate_sentence


@pytest.mark.parametrize(
    ("gap", "words"),
    [
        (3.4e-5, "within 4e\N{MINUS SIGN}5"),
        (9.7e-5, "within 1e\N{MINUS SIGN}4"),
        (1e-9, "within 1e\N{MINUS SIGN}6"),
        (0.0, "that of the best"),
        (np.inf, "uncertified"),
    ],
)
def test_certificates_are_rounded_up(gap, words):
    assert words in certificate_sentence("It", gap)
