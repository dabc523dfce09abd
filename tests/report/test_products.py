"""What of a pair's numbers is left out, as it is a product of others."""

from __future__ import annotations

from helpers.pages import unpacked_pack

import semrsm_widgets as srsm
from semrsm_widgets.report.packing import Blobs, pack
from semrsm_widgets.report.products import PRODUCTS, token_shares
from semrsm_widgets.report.recording import Recording, recorded_view


def test_contributions_follow_from_cosines_and_shares(analysis):
    recording = Recording(("layer", "pair"))
    recorded_view(srsm.PairView, recording, analysis, layer="a", pair=(1, 4))
    (message,) = (each for each in recording.messages if each.content["kind"] == "matches")
    shares = {image: token_shares(analysis.tokens["a"], image) for image in (1, 4)}
    names = [name for name, *_ in message.parts()]
    (row,) = unpacked_pack(pack([message], {}, Blobs(), shares))[0]["messages"]
    left_out = {name for name, place in zip(names, row["buffers"], strict=True) if "product" in place}
    assert left_out == set(PRODUCTS) & set(names)
    assert len(left_out) == 5

    # another image's shares give other products: then the array is kept
    wrong = {1: shares[1], 4: token_shares(analysis.tokens["b"], 4)}
    (row,) = unpacked_pack(pack([message], {}, Blobs(), wrong))[0]["messages"]
    kept = {name for name, place in zip(names, row["buffers"], strict=True) if "column" in place}
    assert {"contribution", "aligned_contribution", "other_pooled_contribution"} <= kept
