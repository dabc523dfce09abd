"""Token sets as matchers read them."""

from dataclasses import replace

import pytest
import torch
from helpers.matchers import tokens

from semrsm_widgets.matching.token_set import TokenSet, check_pair
from semrsm_widgets.rsm.rsm import matched_gram


def test_tokens_of_two_devices_and_of_none_are_refused():
    x = TokenSet.read("x", tokens(0))
    with pytest.raises(ValueError, match=r"`y` must be on the device of x, cpu; got meta. Move one of them"):
        check_pair(x, replace(x, values=x.values.to("meta")))
    with pytest.raises(ValueError, match=r"`x` must be tokens that hold numbers"):
        matched_gram(torch.empty(2, 3, 4, device="meta"))
