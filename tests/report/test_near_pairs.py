"""Which pairs a report holds."""

from __future__ import annotations

import semrsm_widgets as srsm
from semrsm_widgets.report.near_pairs import near_pairs


def test_near_pairs_are_those_among_the_nearest_of_any_similarity(analysis):
    near = near_pairs(analysis, 2)
    wanted = set()
    for layer in analysis.layers:
        found = analysis.similarities(layer)
        for matrix in (found.aligned, found.semantic, found.pooled):
            for i, row in enumerate(srsm.nearest(matrix, k=2)):
                wanted |= {(min(i, int(j)), max(i, int(j))) for j in row}
    assert set(near.pairs) == wanted
    assert near.ranks == sorted(near.ranks)
    first = near.ranks.index(2)
    assert near.whole_rank(first) == 1
    assert near.whole_rank(first - 1) == 0
