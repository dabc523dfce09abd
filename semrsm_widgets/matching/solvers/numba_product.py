"""Products of tokens on the thread that matches them: no library's threads, no barrier, and each block still in cache.

A tile of the product is kept in registers while the channels go by: `TALL` rows of x by `wide` vectors of 16 columns of
y, which was packed before so that the 16 columns of a vector stand side by side (`_transposed`). Written as LLVM
vectors like `simd.py`, of whatever size the machine's registers are; how many of them a tile takes is chosen by what
the machine has. On one core
of an AMD EPYC (AVX-512) it reached 82 to 103 GFLOP/s, where MKL reached 57 to 85.

Channels are summed one after another within a chunk, each chunk's sum is added to the last: `products.py` says what
rounding that leaves.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import config, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from .simd import compiled_within

LANES = 16
TALL = 6
"""Rows of a tile. With 4 vectors a row it takes 24 of the 32 registers of AVX-512, with one 12 of the 16 of AVX2."""


def _vectors() -> int:
    """Return how many vectors of 16 columns a tile is wide on this machine, or on what numba was told it is."""
    told = getattr(config, "CPU_FEATURES", None)  # of the environment: NUMBA_CPU_FEATURES
    if told is not None:
        return 4 if "+avx512f" in told else 1
    try:
        return 4 if binding.get_host_cpu_features().get("avx512f") else 1
    except RuntimeError:  # LLVM cannot tell
        return 1


VECTORS = _vectors()
PANEL = LANES * VECTORS
"""Columns that are packed together."""

_LARGE = 2**21
"""Bytes of products from which a panel at a time takes longer (docs/matching.md)."""
_NEAR = 2**18
"""Bytes of panels that stay in a core's cache while rows of x go by."""

_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, LANES)
_INT32 = ir.IntType(32)
_INT64 = ir.IntType(64)


def _tile(tall: int, wide: int) -> Any:
    """Return the intrinsic that makes a tile of `tall` rows and 16 * `wide` columns."""

    @intrinsic
    def tile(context, x, x_at, x_step, y, y_at, y_step, depth, out, out_at, out_step, add):
        """Set out[out_at + i * out_step + j], or add to it, Σ_k x[x_at + i * x_step + k] y[y_at + k * y_step + j]."""
        signature = types.void(x, x_at, x_step, y, y_at, y_step, depth, out, out_at, out_step, add)

        def emit(context, builder, signature, arguments):
            left, right, result = (
                context.make_array(signature.args[k])(context, builder, arguments[k]).data for k in (0, 3, 7)
            )
            _, x_at, x_step, _, y_at, y_step, depth, _, out_at, out_step, add = arguments
            zero = ir.Constant(_VECTOR, [ir.Constant(_FLOAT, 0.0)] * LANES)
            sums = [[cgutils.alloca_once_value(builder, zero) for _ in range(wide)] for _ in range(tall)]
            for slot in (slot for row in sums for slot in row):
                builder.store(zero, slot)
            rows = [builder.gep(left, [builder.add(x_at, builder.mul(_int64(i), x_step))]) for i in range(tall)]
            with cgutils.for_range_slice(builder, _int64(0), depth, _int64(1), _INT64) as (k, _):
                packed = builder.gep(right, [builder.add(y_at, builder.mul(k, y_step))])
                columns = [_load(builder, packed, v * LANES) for v in range(wide)]
                for row, slots in zip(rows, sums, strict=True):
                    entry = _splat(builder, builder.load(builder.gep(row, [k])))
                    for column, slot in zip(columns, slots, strict=True):
                        product = builder.fmul(entry, column, flags=("contract",))  # fused with the sum if it can be
                        builder.store(builder.fadd(product, builder.load(slot), flags=("contract",)), slot)
            places = [builder.gep(result, [builder.add(out_at, builder.mul(_int64(i), out_step))]) for i in range(tall)]
            with builder.if_then(add):  # else `out` is not read
                for place, slots in zip(places, sums, strict=True):
                    for v, slot in enumerate(slots):
                        builder.store(builder.fadd(builder.load(slot), _load(builder, place, v * LANES)), slot)
            for place, slots in zip(places, sums, strict=True):
                for v, slot in enumerate(slots):
                    _store(builder, builder.load(slot), place, v * LANES)
            return context.get_dummy_value()

        return signature, emit

    return tile


@intrinsic
def _transposed(context, y, y_at, y_step, out, out_at, out_step):
    """Set out[out_at + k * out_step + j] to y[y_at + j * y_step + k] for 16 columns j and 16 channels k."""
    signature = types.void(y, y_at, y_step, out, out_at, out_step)

    def emit(context, builder, signature, arguments):
        given, result = (context.make_array(signature.args[k])(context, builder, arguments[k]).data for k in (0, 3))
        _, y_at, y_step, _, out_at, out_step = arguments
        rows = [
            _load(builder, builder.gep(given, [builder.add(y_at, builder.mul(_int64(j), y_step))]), 0)
            for j in range(LANES)
        ]
        half = LANES // 2
        while half:  # swap the blocks off the diagonal, of half the size each time
            low = [lane if not lane & half else lane - half + LANES for lane in range(LANES)]
            high = [lane + half if not lane & half else lane + LANES for lane in range(LANES)]
            for j in (j for j in range(LANES) if not j & half):
                one, other = rows[j], rows[j + half]
                rows[j], rows[j + half] = (_shuffled(builder, one, other, order) for order in (low, high))
            half //= 2
        for k, row in enumerate(rows):
            _store(builder, row, builder.gep(result, [builder.add(out_at, builder.mul(_int64(k), out_step))]), 0)
        return context.get_dummy_value()

    return signature, emit


@intrinsic
def _square_sum(context, x, begin, end):
    """Return the sum of the squares of x[begin:end] in float64; end - begin is a multiple of 16."""
    signature = types.float64(x, begin, end)

    def emit(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        double = ir.DoubleType()
        kind = ir.VectorType(double, LANES)
        zero = ir.Constant(kind, [ir.Constant(double, 0.0)] * LANES)
        slot = cgutils.alloca_once_value(builder, zero)
        builder.store(zero, slot)
        with cgutils.for_range_slice(builder, arguments[1], arguments[2], _int64(LANES), _INT64) as (k, _):
            wide = builder.fpext(_load(builder, builder.gep(data, [k]), 0), kind)
            square = builder.fmul(wide, wide, flags=("contract",))
            builder.store(builder.fadd(square, builder.load(slot), flags=("contract",)), slot)
        lanes = builder.load(slot)
        total = ir.Constant(double, 0.0)
        for lane in range(LANES):
            total = builder.fadd(total, builder.extract_element(lanes, ir.Constant(_INT32, lane)))
        return total

    return signature, emit


def _load(builder, pointer, at):
    return builder.load(builder.bitcast(builder.gep(pointer, [_int64(at)]), _VECTOR.as_pointer()), align=4)


def _store(builder, vector, pointer, at):
    builder.store(vector, builder.bitcast(builder.gep(pointer, [_int64(at)]), _VECTOR.as_pointer()), align=4)


def _splat(builder, number):
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, number, ir.Constant(_INT32, 0))
    return _shuffled(builder, first, undefined, [0] * LANES)


def _shuffled(builder, one, other, order):
    mask = ir.Constant(ir.VectorType(_INT32, LANES), [ir.Constant(_INT32, lane) for lane in order])
    return builder.shuffle_vector(one, other, mask)


def _int64(number: int) -> ir.Constant:
    return ir.Constant(_INT64, number)


_many_wide, _one_wide, _many_narrow, _one_narrow = (_tile(i, v) for v in (VECTORS, 1) for i in (TALL, 1))


@compiled_within
def pack(y, begin, columns, depth, out):
    """Pack `columns` tokens of y, from `begin` on, into panels: channel k of token j of a panel at k * PANEL + j."""
    for first in range(0, columns, LANES):
        to = first // PANEL * PANEL * depth + first % PANEL
        count = min(LANES, columns - first)
        k = 0
        if count == LANES:
            while k + LANES <= depth:
                _transposed(y, begin + first * depth + k, depth, out, to + k * PANEL, PANEL)
                k += LANES
        for kk in range(k, depth):
            at = to + kk * PANEL
            if count < LANES:
                out[at : at + LANES] = 0
            for j in range(count):
                out[at + j] = y[begin + (first + j) * depth + kk]


@compiled_within
def multiply_panels(x, x_at, rows, packed, panel, columns, depth, chunk, out, out_at, stride):
    """Write the products of `rows` tokens of x with `columns` packed tokens, from a panel on, in whole vectors.

    A panel meets all rows before the next does: it stays in the nearest cache. Products that outgrow the cache are
    written along their rows instead, as far as the panels for it stay near: else each tile would begin other pages.
    """
    width = PANEL
    if 4 * rows * stride > _LARGE:
        width *= max(1, _NEAR // (4 * PANEL * depth))
    for left in range(0, columns, width):
        for k in range(0, depth, chunk):
            deep = min(chunk, depth - k)
            i = 0
            while i < rows:
                many = i + TALL <= rows
                x_from = x_at + i * depth + k
                for first in range(left, min(left + width, columns), PANEL):
                    y_at, to = (panel * PANEL + first) * depth + k * PANEL, out_at + i * stride + first
                    if first + PANEL - LANES < columns:
                        if many:
                            _many_wide(x, x_from, depth, packed, y_at, PANEL, deep, out, to, stride, k > 0)
                        else:
                            _one_wide(x, x_from, depth, packed, y_at, PANEL, deep, out, to, stride, k > 0)
                    else:
                        for v in range(0, columns - first, LANES):
                            y_from, there = y_at + v, to + v
                            if many:
                                _many_narrow(x, x_from, depth, packed, y_from, PANEL, deep, out, there, stride, k > 0)
                            else:
                                _one_narrow(x, x_from, depth, packed, y_from, PANEL, deep, out, there, stride, k > 0)
                i += TALL if many else 1


@compiled_within
def sum_of_squares(x, begin, count):
    """Return the sum of the squares of `count` numbers of x in float64."""
    whole = begin + count - count % LANES
    total = _square_sum(x, begin, whole)
    for k in range(whole, begin + count):
        total += np.float64(x[k]) * np.float64(x[k])
    return total


@compiled_within
def place_pairs(
    top, bottom, first, end, symmetric, rows, columns, stride, offset, tail, x_norms, y_norms, images, starts, norms,
    out,
):  # fmt: skip
    """Write the pairs of a block of images top to bottom of x and first to end of y; see `places`."""
    count = 0
    for i in range(top, bottom):
        for j in range(max(first, i + 1) if symmetric else first, end):
            images[0, count], images[1, count] = i, j
            starts[count] = (i - top) * rows * stride + (j - first) * columns + offset
            norms[count] = x_norms[i] * y_norms[j]
            count += 1
    size = (bottom - top) * rows * stride
    out[size : size + tail] = 0
    return count, size + tail


def _entries(cache: bool, source: str) -> tuple[Any, Any, Any, Any]:
    """Return (multiply, squares, sums, places), to be compiled; a captured variable is part of the cache's key."""

    def multiply(x, x_at, rows, y, y_at, columns, depth, chunk, out, out_at, stride, room):
        """Write the products of pairs: `rows` tokens from x[x_at[p]] with `columns` tokens of y, at out[out_at[p]].

        With `room` for the panels of one token set, y_at[p] is where y begins. Where it has no length y is packed, and
        y_at[p] is the panel. With no rows, packing is all that is done. Rows of the product stand `stride` apart and
        are written in whole vectors.
        """
        _ = source
        for p in range(x_at.size):
            packed, panel = y, y_at[p]
            if room.size:
                pack(y, y_at[p], columns, depth, room)
                packed, panel = room, 0
            multiply_panels(x, x_at[p], rows, packed, panel, columns, depth, chunk, out, out_at[p], stride)

    def squares(x, each, least, most, out):
        """Write the sum of the squares of every `each` numbers of x in float64; return if all are `least` to `most`.

        NaN and infinity stay what they are, so none of them is.
        """
        _ = source
        within = True
        for p in range(out.size):
            out[p] = sum_of_squares(x, p * each, each)
            within &= least <= out[p] <= most
        return within

    def sums(x, size, out):
        """Add up the `size` tokens of each image of x in float64, into out (N, D)."""
        _ = source
        count, depth = out.shape
        for p in range(count):
            total = out[p]
            for k in range(depth):
                total[k] = 0
            for s in range(p * size, (p + 1) * size):
                token = x[s * depth : (s + 1) * depth]
                for k in range(depth):
                    total[k] += np.float64(token[k])

    def places(
        block, symmetric, rows, columns, stride, offset, tail, x_norms, y_norms, images, starts, norms, out
    ):  # fmt: skip
        """Write what pairs (i, j) a block of products holds, where each begins in `out`, and ‖X‖‖Y‖.

        A block is (first image of x, end, first of y, end); of a symmetric one the pairs i < j count. After the
        products come `tail` zeros. Return the pairs, and the length of products and zeros.
        """
        _ = source
        top, bottom, first, end = block
        return place_pairs(
            top, bottom, first, end, symmetric, rows, columns, stride, offset, tail, x_norms, y_norms, images, starts,
            norms, out,
        )  # fmt: skip

    plain = njit(nogil=True, error_model="numpy", cache=cache)
    return plain(multiply), plain(squares), plain(sums), plain(places)


def build(cache: bool) -> tuple[Any, Any, Any, Any]:
    """Return the compiled functions (multiply, squares, sums, places), kept between sessions where a folder allows."""
    source = hashlib.blake2b(Path(__file__).read_bytes(), digest_size=8).hexdigest()
    return _entries(cache, source)
