"""The one hot loop of the auction: the best and second best of a row of affinities less prices.

LLVM does not vectorise this loop by itself (it is a chain of branches), so it is written here as LLVM vectors of 16
float32 or 8 float64: every lane keeps its own best value, the column it was seen at, and its second best; at the end
the lanes are merged in four halvings. The back end splits the vectors into whatever registers the machine has, so one
text serves AVX-512, AVX2, SSE and NEON. `top2` has a twin in plain numba, which tests hold equal to it and which
serves where the vectors do not compile.

Which of the two is compiled is chosen by the *type* of the last argument: True for vectors, None for plain. (A type is
part of the key under which numba caches compiled code on disk; a global or a closure would not be.)
"""

from __future__ import annotations

from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic, overload

LANES = {types.float32: 16, types.float64: 8}
ROW_MULTIPLE = 16
"""Rows are read in whole vectors: prices are padded to a multiple of this many columns."""

_INT32 = ir.IntType(32)
_INT64 = ir.IntType(64)


def top2(affinity, start, price, simd):
    """Return (best, second, column) of affinity[start + j] - price[j] over the columns j of `price`.

    Args:
        affinity: flat (K,) array; the row begins at `start`.
        start: int64 offset of the row.
        price: (L,) array of the same dtype, L a multiple of 16; padding columns carry a huge price.
        simd: True for the vector form, None for the plain one.
    """
    raise NotImplementedError("compiled code only")


@overload(top2)
def _choose_top2(affinity, start, price, simd):
    if isinstance(simd, (types.Boolean, types.BooleanLiteral)):
        return lambda affinity, start, price, simd: _vector_top2(affinity, start, price)  # type: ignore[call-arg]
    return lambda affinity, start, price, simd: _plain_top2(affinity, start, price)


@njit(nogil=True)
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
def _vector_top2(context, affinity, start, price):
    dtype = affinity.dtype
    signature = types.Tuple((dtype, dtype, types.int64))(affinity, start, price)

    def emit(context, builder, signature, arguments):
        rows, prices = (
            context.make_array(kind)(context, builder, value)
            for kind, value in zip(signature.args[::2], arguments[::2], strict=True)
        )
        row = builder.gep(rows.data, [arguments[1]])
        length = builder.extract_value(prices.shape, 0)
        scan = _Scan(context.get_value_type(dtype), LANES[dtype], builder)
        best, column, second = scan.run(row, prices.data, length)
        return context.make_tuple(builder, signature.return_type, [best, second, builder.zext(column, _INT64)])

    return signature, emit


class _Scan:
    """Emits the scan; a *state* is three vectors [best, column, second], in stack slots that LLVM makes registers."""

    ACCUMULATORS = 2  # independent states, so that one comparison need not wait for the last

    def __init__(self, element: ir.Type, lanes: int, builder: ir.IRBuilder) -> None:
        self.builder, self.lanes = builder, lanes
        self.element = element
        self.values = ir.VectorType(element, lanes)
        self.columns = ir.VectorType(_INT32, lanes)

    def run(self, row, prices, length):
        """Emit the loops over `length` columns and the merge; return scalars (best, column, second)."""
        builder, lanes = self.builder, self.lanes
        lowest = self._splat(self.values, float("-inf"))
        states = []
        for u in range(self.ACCUMULATORS):
            here = ir.Constant(self.columns, [ir.Constant(_INT32, u * lanes + lane) for lane in range(lanes)])
            start = [lowest, self._splat(self.columns, 0), lowest, here]
            states.append([cgutils.alloca_once_value(builder, value) for value in start])
        block = self.ACCUMULATORS * lanes
        whole = builder.mul(builder.sdiv(length, _int64(block)), _int64(block))
        for first, last, step in ((_int64(0), whole, block), (whole, length, lanes)):
            with cgutils.for_range_slice(builder, first, last, _int64(step), _INT64) as (k, _):
                for u in range(step // lanes):
                    self._update(states[u], row, prices, builder.add(k, _int64(u * lanes)), step)
        merged = [[builder.load(slot) for slot in state[:3]] for state in states]
        while len(merged) > 1:
            merged.append(self._merge(merged.pop(0), merged.pop(0)))
        return self._across_lanes(merged[0])

    def _update(self, slots, row, prices, k, step):
        """Bring the vector of columns that begins at k into one state; the last slot holds their numbers."""
        builder = self.builder
        best, column, second, here = (builder.load(slot) for slot in slots)
        profit = builder.fsub(self._load(row, k), self._load(prices, k))
        better = builder.fcmp_ordered(">", profit, best)
        loser = builder.select(better, best, profit)
        builder.store(builder.select(better, profit, best), slots[0])
        builder.store(builder.select(better, here, column), slots[1])
        builder.store(self._maximum(loser, second), slots[2])
        builder.store(builder.add(here, self._splat(self.columns, step)), slots[3])

    def _merge(self, one, other):
        """Return the state of two sets of columns from the states of each."""
        builder = self.builder
        better = builder.fcmp_ordered(">", other[0], one[0])
        loser = builder.select(better, one[0], other[0])
        return [
            builder.select(better, other[0], one[0]),
            builder.select(better, other[1], one[1]),
            self._maximum(loser, self._maximum(one[2], other[2])),
        ]

    def _across_lanes(self, state):
        """Halve the vectors and merge until one lane is left; return its three scalars."""
        lanes = self.lanes
        while lanes > 1:
            lanes //= 2
            state = self._merge(*([self._half(vector, first, lanes) for vector in state] for first in (0, lanes)))
        return [self.builder.extract_element(vector, ir.Constant(_INT32, 0)) for vector in state]

    def _half(self, vector, first, count):
        mask = ir.Constant(ir.VectorType(_INT32, count), [ir.Constant(_INT32, first + lane) for lane in range(count)])
        return self.builder.shuffle_vector(vector, self._undefined(vector.type), mask)

    def _load(self, pointer, k):
        address = self.builder.bitcast(self.builder.gep(pointer, [k]), self.values.as_pointer())
        return self.builder.load(address, align=64 // self.lanes)  # rows start anywhere: the alignment of one number

    def _maximum(self, one, other):
        return self.builder.select(self.builder.fcmp_ordered(">", one, other), one, other)

    def _splat(self, kind, number):
        return ir.Constant(kind, [ir.Constant(kind.element, number)] * kind.count)

    def _undefined(self, kind):
        return ir.Constant(kind, ir.Undefined)


def _int64(number: int) -> ir.Constant:
    return ir.Constant(_INT64, number)
