"""The hot loops of the auction: the best and second best of a row of affinities less prices.

LLVM does not vectorise these loops by itself (they are chains of branches), so they are written here as LLVM vectors of
16 float32 or 8 float64: every lane keeps its own best value, the column it was seen at, and its second best. `top2`
merges the lanes in four halvings; `best_of_lanes` keeps them apart, which is how candidate lists are made, and
`top2_listed` reads such a list. The back end splits the vectors into whatever registers the machine has, so one text
serves AVX-512, AVX2, SSE and NEON. `top2` and `best_float64` have twins in plain numba, which tests hold equal to them
and which serve where the vectors do not compile; candidate lists are an economy of the vector form alone.

Which of the two is compiled is chosen by the *type* of the last argument: True for vectors, None for plain. (A type is
part of the key under which numba caches compiled code on disk; a global or a closure would not be.)

All are intrinsics, not functions: their code stands in the caller's loop. A call would count references to every array
at every bid, atomically, and took a third of the time.

Affinities may be float32 while prices are float64: numbers are widened as they are read.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic

LANES = {types.float32: 16, types.float64: 8}
ROW_MULTIPLE = 16
"""Rows are read in whole vectors: prices are padded to a multiple of this many columns."""

ACCUMULATORS = 2
"""States that a scan keeps, so that one comparison need not wait for the last."""

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
_WITHIN: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
compiled_within = njit(**_OPTIONS, **_WITHIN)
"""Compiles functions that only compiled code calls: without their doors to Python, which take a seventh of the time."""

_INT32 = ir.IntType(32)
_INT64 = ir.IntType(64)


@intrinsic
def top2(context, affinity, start, price, simd):
    """Return (best, second, column) of affinity[start + j] - price[j] over the columns j of `price`.

    Args:
        context: of the compiler; callers leave it out.
        affinity: flat (K,) array; the row begins at `start`.
        start: int64 offset of the row.
        price: (L,) array of the same dtype or a wider one, L a multiple of 16; padding columns carry a huge price.
        simd: True for the vector form, None for the plain one.
    """
    dtype = price.dtype
    signature = types.Tuple((dtype, dtype, types.int64))(affinity, start, price, simd)
    if isinstance(simd, types.NoneType):
        return signature, _emit_plain

    def emit(context, builder, signature, arguments):
        row, prices = (_data(context, builder, signature, arguments, k) for k in (0, 2))
        length = builder.extract_value(_array(context, builder, signature, arguments, 2).shape, 0)
        scan = _Scan(context, builder, affinity.dtype, dtype)
        best, column, second = scan.over_all(builder.gep(row, [arguments[1]]), prices, length)
        return context.make_tuple(builder, signature.return_type, [best, second, builder.zext(column, _INT64)])

    return signature, emit


def _emit_plain(context, builder, signature, arguments):
    plain = signature.return_type(*signature.args[:3])
    return context.compile_internal(builder, _plain_top2, plain, arguments[:3])


def _plain_top2(affinity, start, price):
    best, second, column = affinity[start] - price[0], price.dtype.type(-3e38), 0
    for j in range(1, price.size):
        profit = affinity[start + j] - price[j]
        if profit > best:
            best, second, column = profit, best, j
        elif profit > second:
            second = profit
    return best, second, column


@intrinsic
def best_float64(context, affinity, start, price, simd):
    """Return the largest affinity[start + j] - price[j] over the columns j of `price`, in float64; as `top2` else."""
    signature = types.float64(affinity, start, price, simd)
    if isinstance(simd, types.NoneType):

        def emit_plain(context, builder, signature, arguments):
            return context.compile_internal(builder, _plain_best, types.float64(*signature.args[:3]), arguments[:3])

        return signature, emit_plain

    def emit(context, builder, signature, arguments):
        row, prices = (_data(context, builder, signature, arguments, k) for k in (0, 2))
        length = builder.extract_value(_array(context, builder, signature, arguments, 2).shape, 0)
        scan = _Scan(context, builder, affinity.dtype, types.float64, price.dtype)
        return scan.largest(builder.gep(row, [arguments[1]]), prices, length)

    return signature, emit


def _plain_best(affinity, start, price):
    best = -np.inf
    for j in range(price.size):
        best = max(best, np.float64(affinity[start + j]) - np.float64(price[j]))
    return best


@intrinsic
def top2_listed(context, entries, columns, start, price):
    """Return (best, second, column) of entries[start + t] - price[columns[start + t]] over the candidates t of a list.

    Args:
        context: of the compiler; callers leave it out.
        entries: flat array, of the dtype of `price`.
        columns: flat int32 array.
        start: int64 offset of the list in both.
        price: one price for each column.
    """
    dtype = price.dtype
    signature = types.Tuple((dtype, dtype, types.int64))(entries, columns, start, price)

    def emit(context, builder, signature, arguments):
        entry, column, prices = (_data(context, builder, signature, arguments, k) for k in (0, 1, 3))
        scan = _Scan(context, builder, dtype, dtype)
        best, column, second = scan.over_listed(*(builder.gep(p, [arguments[2]]) for p in (entry, column)), prices)
        return context.make_tuple(builder, signature.return_type, [best, second, builder.zext(column, _INT64)])

    return signature, emit


@intrinsic
def best_listed_float64(context, entries, columns, start, price):
    """Return the largest profit of a list's candidates in float64; as `top2_listed` else."""
    signature = types.float64(entries, columns, start, price)

    def emit(context, builder, signature, arguments):
        entry, column, prices = (_data(context, builder, signature, arguments, k) for k in (0, 1, 3))
        scan = _Scan(context, builder, entries.dtype, types.float64, price.dtype)
        count = ACCUMULATORS * LANES[price.dtype]
        return scan.largest_listed(*(builder.gep(p, [arguments[2]]) for p in (entry, column)), prices, count)

    return signature, emit


@intrinsic
def best_of_lanes(context, affinity, start, price, columns, at):
    """Store the best column of each lane at columns[at:]; return what no other column's profit exceeds.

    The columns of `price` are dealt out to 32 lanes (16 in float64); the row begins at `start`.
    """
    signature = price.dtype(affinity, start, price, columns, at)

    def emit(context, builder, signature, arguments):
        row, prices, store = (_data(context, builder, signature, arguments, k) for k in (0, 2, 3))
        length = builder.extract_value(_array(context, builder, signature, arguments, 2).shape, 0)
        scan = _Scan(context, builder, affinity.dtype, price.dtype)
        states = scan.by_lane(builder.gep(row, [arguments[1]]), prices, length)
        for u, (_, column, _) in enumerate(states):
            address = builder.gep(store, [builder.add(arguments[4], _int64(u * scan.lanes))])
            builder.store(column, builder.bitcast(address, column.type.as_pointer()), align=4)
        return scan.maximum_across(reduce(scan.maximum, (second for _, _, second in states)))

    return signature, emit


def _array(context, builder, signature, arguments, k):
    return context.make_array(signature.args[k])(context, builder, arguments[k])


def _data(context, builder, signature, arguments, k):
    return _array(context, builder, signature, arguments, k).data


class _Scan:
    """Emits the scan; a *state* is three vectors [best, column, second], in stack slots that LLVM makes registers."""

    def __init__(self, context, builder, entry, profit, price=None):
        self.builder, self.lanes = builder, LANES[profit]
        self.values, self.entries, self.prices = (
            ir.VectorType(context.get_value_type(kind), self.lanes) for kind in (profit, entry, price or profit)
        )
        self.columns = ir.VectorType(_INT32, self.lanes)

    def over_all(self, row, prices, length):
        """Emit the scan of `length` columns and the merge of all lanes; return scalars (best, column, second)."""
        return self._across_lanes(self._merge(*self.by_lane(row, prices, length)))

    def over_listed(self, entries, columns, prices):
        """Emit the scan of a list's candidates; return scalars (best, column, second)."""
        states = []
        for first in range(0, ACCUMULATORS * self.lanes, self.lanes):
            column, profit = self._listed(entries, columns, prices, first)
            states.append([profit, column, self._splat(self.values, float("-inf"))])
        return self._across_lanes(reduce(self._merge, states))

    def largest_listed(self, entries, columns, prices, count):
        """Emit the maximum of the profits of a list's `count` candidates; return the scalar."""
        profits = [self._listed(entries, columns, prices, first)[1] for first in range(0, count, self.lanes)]
        return self.maximum_across(reduce(self.maximum, profits))

    def _listed(self, entries, columns, prices, first):
        """Return the vectors of the columns of candidates, from the `first` on, and of their profits."""
        builder = self.builder
        column, price = self._load(columns, _int64(first), self.columns), self._undefined(self.prices)
        for lane in range(self.lanes):
            at = builder.zext(builder.extract_element(column, ir.Constant(_INT32, lane)), _INT64)
            price = builder.insert_element(price, builder.load(builder.gep(prices, [at])), ir.Constant(_INT32, lane))
        entry = self._load(entries, _int64(first), self.entries)
        return column, builder.fsub(self._widened(entry), self._widened(price))

    def largest(self, row, prices, length):
        """Emit the maximum of the profits of `length` columns, a multiple of 16; return the scalar."""
        builder, lanes = self.builder, self.lanes
        slots = [cgutils.alloca_once_value(builder, self._splat(self.values, float("-inf"))) for _ in range(2)]
        with cgutils.for_range_slice(builder, _int64(0), length, _int64(2 * lanes), _INT64) as (k, _):
            for u, slot in enumerate(slots):
                profit = self._profit(row, prices, builder.add(k, _int64(u * lanes)))
                builder.store(self.maximum(profit, builder.load(slot)), slot)
        return self.maximum_across(self.maximum(*(builder.load(slot) for slot in slots)))

    def by_lane(self, row, prices, length):
        """Emit the scan of `length` columns, a multiple of 16; return the states."""
        builder, lanes = self.builder, self.lanes
        lowest = self._splat(self.values, float("-inf"))
        states = []
        for u in range(ACCUMULATORS):
            here = ir.Constant(self.columns, [ir.Constant(_INT32, u * lanes + lane) for lane in range(lanes)])
            start = [lowest, self._splat(self.columns, 0), lowest, here]
            states.append([cgutils.alloca_once_value(builder, value) for value in start])
        block = ACCUMULATORS * lanes
        whole = builder.and_(length, _int64(-block))
        for first, last, step in ((_int64(0), whole, block), (whole, length, lanes)):
            with cgutils.for_range_slice(builder, first, last, _int64(step), _INT64) as (k, _):
                for u in range(step // lanes):
                    self._update(states[u], row, prices, builder.add(k, _int64(u * lanes)), step)
        return [[builder.load(slot) for slot in state[:3]] for state in states]

    def _update(self, slots, row, prices, k, step):
        """Bring the vector of columns that begins at k into one state; the last slot holds their numbers."""
        builder = self.builder
        best, column, second, here = (builder.load(slot) for slot in slots)
        profit = self._profit(row, prices, k)
        better = builder.fcmp_ordered(">", profit, best)
        loser = builder.select(better, best, profit)
        builder.store(builder.select(better, profit, best), slots[0])
        builder.store(builder.select(better, here, column), slots[1])
        builder.store(self.maximum(loser, second), slots[2])
        builder.store(builder.add(here, self._splat(self.columns, step)), slots[3])

    def _profit(self, row, prices, k):
        """Return the vector of profits that begins at k, widened before the prices are taken off."""
        given = (self._load(row, k, self.entries), self._load(prices, k, self.prices))
        return self.builder.fsub(*map(self._widened, given))

    def _widened(self, vector):
        return vector if vector.type == self.values else self.builder.fpext(vector, self.values)

    def _merge(self, one, other):
        """Return the state of two sets of columns from the states of each."""
        builder = self.builder
        better = builder.fcmp_ordered(">", other[0], one[0])
        loser = builder.select(better, one[0], other[0])
        return [
            builder.select(better, other[0], one[0]),
            builder.select(better, other[1], one[1]),
            self.maximum(loser, self.maximum(one[2], other[2])),
        ]

    def _across_lanes(self, state):
        """Halve the vectors and merge until one lane is left; return its three scalars."""
        lanes = self.lanes
        while lanes > 1:
            lanes //= 2
            state = self._merge(*([self._half(vector, first, lanes) for vector in state] for first in (0, lanes)))
        return [self.builder.extract_element(vector, ir.Constant(_INT32, 0)) for vector in state]

    def maximum_across(self, vector):
        """Halve a vector until its largest lane is left; return the scalar."""
        lanes = self.lanes
        while lanes > 1:
            lanes //= 2
            vector = self.maximum(*(self._half(vector, first, lanes) for first in (0, lanes)))
        return self.builder.extract_element(vector, ir.Constant(_INT32, 0))

    def _half(self, vector, first, count):
        mask = ir.Constant(ir.VectorType(_INT32, count), [ir.Constant(_INT32, first + lane) for lane in range(count)])
        return self.builder.shuffle_vector(vector, self._undefined(vector.type), mask)

    def _load(self, pointer, k, kind):
        address = self.builder.bitcast(self.builder.gep(pointer, [k]), kind.as_pointer())
        return self.builder.load(address, align=4)  # rows start anywhere: no more than one float32 is known

    def maximum(self, one, other):
        return self.builder.select(self.builder.fcmp_ordered(">", one, other), one, other)

    def _splat(self, kind, number):
        return ir.Constant(kind, [ir.Constant(kind.element, number)] * kind.count)

    def _undefined(self, kind):
        return ir.Constant(kind, ir.Undefined)


def _int64(number: int) -> ir.Constant:
    return ir.Constant(_INT64, number)
