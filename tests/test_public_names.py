"""The public names: every one is there, lives where the package says, and is listed once."""

from __future__ import annotations

import semrsm_widgets as srsm


def test_every_public_name_resolves_and_is_listed():
    assert sorted(srsm._HOME) == sorted([*srsm.__all__, "__version__"])
    assert isinstance(srsm.options.progress, bool)
    for name in set(srsm.__all__) - {"options"}:  # the one value among functions and classes
        value = getattr(srsm, name)
        assert value.__name__ == name
        assert value.__module__.startswith("semrsm_widgets.")
        assert name in dir(srsm)


def test_an_unknown_name_is_an_attribute_error():
    assert not hasattr(srsm, "no_such_name")
