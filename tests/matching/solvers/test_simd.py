"""Vectorised scans against sorting, and the whole auction on machines with smaller vectors, or none."""

import json
import os
import platform
import subprocess
import sys

import numpy as np
import pytest
from helpers.matchers import dtypes, many, norms, optima, tokens
from hypothesis import given
from hypothesis import strategies as st
from llvmlite import binding
from numba import njit

from semrsm_widgets.matching.solvers.simd import top2


@njit
def scan(row, start, price, simd):
    return top2(row, start, price, simd)


@many
@given(
    seed=st.integers(0, 2**32 - 1),
    columns=st.integers(2, 100),
    start=st.integers(0, 7),
    dtype=dtypes,
    ties=st.booleans(),
)
def test_vector_and_plain_scan_agree_with_sorting(seed, columns, start, dtype, ties):
    rng = np.random.default_rng(seed)
    width = -(-columns // 16) * 16
    row = (rng.integers(-3, 3, start + width) if ties else rng.normal(size=start + width)).astype(dtype)
    price = np.full(width, 1e37, dtype)
    price[:columns] = rng.integers(0, 2, columns) if ties else rng.random(columns)
    profit = (row[start : start + width] - price)[:columns]
    for simd in (True, None):
        best, second, column = scan(row, start, price, simd)
        assert best == profit.max()
        assert second == np.sort(profit)[-2]
        assert profit[column] == best


MACHINES = {"plain": {}}
"""What numba is told to compile for: the variables of its environment. "plain": the kernel without vectors, here."""
if platform.machine() in ("x86_64", "AMD64"):
    MACHINES |= {
        "sse2": {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": "+sse,+sse2"},
        "avx2": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+sse,+sse2,+sse4.2,+avx,+avx2,+fma,+f16c"},
    }
    if not binding.get_host_cpu_features().get("avx2"):
        del MACHINES["avx2"]
LARGEST = {"sse2": "%xmm", "avx2": "%ymm"}
"""The largest registers that compiled code names."""

MATCHED = """
import json, sys
import numpy as np
from semrsm_widgets.matching.auction import Auction
from semrsm_widgets.matching.solvers import engine, multiplier
from semrsm_widgets.rsm import matched_gram

if sys.argv[1] == "plain":
    rehearse = engine._loader._rehearse

    def broken(kind):
        if engine._loader.simd == "vector":
            raise NotImplementedError("no such instruction")
        rehearse(kind)

    engine._loader._rehearse = broken
given = np.load(sys.argv[2])
answers = [Auction()(given[f"x{k}"], given[f"y{k}"]) for k in range(3)]
gram = matched_gram(given["x0"], matcher=Auction(threads=2))
maker = multiplier.multiplier()
compiled = [engine._loader.kernel, *([] if maker is None else [maker.multiply, maker.squares])]
text = "".join(code for each in compiled for code in each.inspect_asm().values())
print(json.dumps({
    "simd": engine.engine().simd,
    "products": maker is not None,
    "registers": [name for name in ("%xmm", "%ymm", "%zmm") if name in text],
    "answers": [[each.value.tolist(), each.upper_bound.tolist(), str(each.fallbacks)] for each in answers],
    "gram": [gram.products.tolist(), gram.upper_bound.tolist()],
}))
"""


@pytest.mark.parametrize("machine", MACHINES)
def test_the_auction_is_certified_on_machines_with_smaller_vectors(machine, tmp_path):
    sides = [(tokens(1, 4, 49, 20), tokens(2, 4, 49, 20)), (tokens(3, 2, 20, 7), tokens(4, 2, 33, 7))]
    sides.append((tokens(5, 1, 705, 6), tokens(6, 1, 705, 6)))  # rows keep candidate lists
    sides = [[side.astype(np.float32) for side in pair] for pair in sides]
    given = {f"{name}{k}": side for k, pair in enumerate(sides) for name, side in zip("xy", pair, strict=True)}
    np.savez(tmp_path / "tokens.npz", **given)
    done = subprocess.run(
        [sys.executable, "-c", MATCHED, machine, str(tmp_path / "tokens.npz")],
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"), **MACHINES[machine]},
        capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["simd"] == ("plain" if machine == "plain" else "vector")
    assert found["products"] == (machine != "plain")
    assert machine == "plain" or found["registers"][-1] == LARGEST[machine]
    for (x, y), (value, bound, fallbacks) in zip(sides, found["answers"], strict=True):
        best, norm = optima(x, y), norms(x, y)
        assert np.all(best <= np.array(bound) + 1e-12 * norm)
        assert np.all(np.abs(np.array(value) - best) <= 1e-4 * norm)
        assert np.all(np.array(bound) - value <= 1e-4 * norm)
        assert fallbacks == "Fallbacks(float64=0, exact=0)"
    x = sides[0][0]
    i, j = np.triu_indices(len(x), 1)
    best, norm = optima(x[i], x[j]), norms(x[i], x[j])
    products, bound = (np.array(each)[i, j] for each in found["gram"])
    assert np.all(best <= bound + 1e-12 * norm)
    assert np.all(np.abs(products - best) <= 1e-4 * norm)
