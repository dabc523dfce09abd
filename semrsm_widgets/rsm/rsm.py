"""Representational similarity matrices whose entries compare two images' tokens under a matching of positions.

A matched product M_ij = Σ_s <x_s, y_P(s)> is all that a kernel needs, because a permutation changes no norm: match
once per layer (`matched_gram`), then every kernel and its certificate is free. Entries are float64 NumPy arrays.
"""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import numpy as np

from semrsm_widgets.common import Matrix, Meter, ProgressOption, check_int
from semrsm_widgets.matching import (
    Auction,
    Identity,
    Matcher,
    PairJob,
    TokenSet,
    check_comparable,
    check_matcher,
    match_job,
)
from semrsm_widgets.tokens import StoredTensor

from .cluster import check_client, match_on_workers
from .cost import announce, make_ready
from .gram import MatchedGram, mirrored
from .kernels import Kernel, check_kernel, cosine
from .tiles import certified, gram_into, match_by_tiles, match_tiles


def matched_gram(
    x: Any,
    y: Any = None,
    *,
    matcher: Matcher | None = None,
    memory: int = 2**30,
    store: Any = None,
    client: Any = None,
    progress: ProgressOption = None,
) -> MatchedGram:
    """Return the matched products of all images of x with all images of y, or of x with itself.

    Args:
        x: N images' tokens: `Tokens`, a tensor or an array (N, S, D).
        y: M images' tokens (M, T, D); None compares x with itself (pairs i < j are solved and mirrored).
        matcher: None means `Auction()`, certified to 1e-4 of a cosine.
        memory: bytes that may be held besides the tokens. Of tokens in a store, two blocks of images are held.
        store: where the Gram goes, tile by tile, for one that takes hours or fits in no memory: the path of a folder, a
            URL, or anything else that Zarr opens. A call that was stopped or killed goes on where it was; images that
            are new cost their own rows, those that are gone stay there, unseen. What comes back reads the tiles that
            `select` needs, and all of it when a kernel asks for it. None: it is in memory.
        client: a `dask.distributed.Client`: its workers match the tiles, reading the tokens' store, which they must
            see; the Gram is written from here. `memory` is each tile's. An `Auction` without `threads=` uses one in
            each, as Dask gives every thread of a worker a tile. None: they are matched here.
        progress: None shows how far it is, once it has lasted 2 s, in a notebook or on a terminal (`options.progress`);
            False does not. A function is called instead, with (pairs done, pairs in all), on this thread between
            blocks; it may raise to cancel, and what it raises is raised here once all threads are quiet.

    Raises:
        TypeError: tokens that are not floating-point numbers.
        ValueError: a wrong shape, NaN or infinity (the image and layer are named), no room for one pair; a store of
            other tokens or another matcher, or that cannot be written; for a client, tokens in memory, or workers that
            do not see their store or have other versions.
        OSError: the store cannot be written any more: what is done stays.
        BlockingIOError: somebody else is writing the store.
        ConnectionError: the client was closed, or its scheduler is gone: what is done stays.

    References:
        Wald et al., arXiv:2410.23107, section 3.

    Example:
        >>> x = np.array([[[1.0, 0.0], [0.0, 2.0]], [[0.0, 2.0], [1.0, 0.0]]])
        >>> matched_gram(x).products
        array([[5., 5.],
               [5., 5.]])
    """
    matcher = Auction() if matcher is None else check_matcher(matcher)
    memory = check_int("memory", memory, minimum=1)
    if client is not None:
        check_client(client)
    match = match_tiles if client is None else partial(match_on_workers, client)
    with Meter("Matching", progress, unit="pairs") as meter:
        left = TokenSet.read("x", x)
        right = left if y is None else TokenSet.read("y", y)
        check_comparable(left, right)
        _warn_of_zeros(left, right)
        job = PairJob(x=left, y=right, symmetric=y is None, memory=memory, progress=meter)
        meter(0, job.pairs)
        if client is None:
            make_ready(matcher, max(left.size, right.size))
            announce(meter, matcher, left, None if y is None else right)
        if store is not None:
            return gram_into(store, matcher, left, right, job.symmetric, match, memory, meter)
        if client is not None or isinstance(left.values, StoredTensor) or isinstance(right.values, StoredTensor):
            found = match_by_tiles(matcher, left, right, job.symmetric, match, memory, meter)
        else:
            found = match_job(matcher, job)
        job.tick(job.pairs)
    upper = certified(found, left, right)
    pooled = left.means @ right.means.T
    x_pooled, y_pooled = np.square(left.means).sum(1), np.square(right.means).sum(1)
    products = found.products
    if job.symmetric:
        products, upper = mirrored(products, left.sq_norms), mirrored(upper, left.sq_norms)
        pooled = mirrored(pooled, x_pooled)
    return MatchedGram(
        products=products,
        upper_bound=upper,
        pooled_products=pooled,
        x_sq_norms=left.sq_norms,
        y_sq_norms=right.sq_norms,
        x_pooled_sq_norms=x_pooled,
        y_pooled_sq_norms=y_pooled,
        sizes=(left.size, right.size),
        symmetric=job.symmetric,
        matcher=repr(matcher),
        fallbacks=found.fallbacks,
    )


def semantic_rsm(
    x: Any,
    y: Any = None,
    *,
    kernel: Kernel = cosine,
    matcher: Matcher | None = None,
    progress: ProgressOption = None,
) -> Matrix:
    """Return the semantic RSM (N, M): tokens are compared under their best one-to-one assignment, wherever they are.

    Args:
        x: tokens (N, S, D).
        y: tokens (M, T, D), or None for x with itself.
        kernel: `inner_product`, `cosine`, `rbf`, or any function of a `MatchedGram`.
        matcher: None means `Auction()`.
        progress: as for `matched_gram`.

    References:
        Wald et al., arXiv:2410.23107, section 3.

    Example:
        >>> x = np.array([[[1.0, 0.0], [0.0, 2.0]], [[0.0, 2.0], [1.0, 0.0]]])
        >>> semantic_rsm(x)[0, 1], aligned_rsm(x)[0, 1]
        (1.0, 0.0)
    """
    return check_kernel(kernel)(matched_gram(x, y, matcher=matcher, progress=progress))


def aligned_rsm(x: Any, y: Any = None, *, kernel: Kernel = cosine, progress: ProgressOption = None) -> Matrix:
    """Return the aligned RSM (N, M): token s is compared with token s, as ordinary RSMs of flattened responses do."""
    return check_kernel(kernel)(matched_gram(x, y, matcher=Identity(), progress=progress))


def pooled_rsm(x: Any, y: Any = None, *, kernel: Kernel = cosine, progress: ProgressOption = None) -> Matrix:
    """Return the pooled RSM (N, M): the mean tokens alone are compared."""
    check_kernel(kernel)
    with Meter("Comparing the mean tokens", progress, unit="pairs") as meter:
        means = TokenSet.read("x", x).means[:, None]
        others = None if y is None else TokenSet.read("y", y).means[:, None]
        gram = matched_gram(means, others, matcher=Identity(), progress=meter)
    return kernel(gram)


def _warn_of_zeros(x: TokenSet, y: TokenSet) -> None:
    """Warn once if images are all zero: their cosines are defined as 0."""
    blank = np.flatnonzero(x.sq_norms == 0).tolist()
    others = [] if y is x else np.flatnonzero(y.sq_norms == 0).tolist()
    if blank or others:
        names = [f"x {blank[:5]}"] * bool(blank) + [f"y {others[:5]}"] * bool(others)
        text = f"{len(blank) + len(others)} images are all zero ({', '.join(names)})"
        warnings.warn(f"{text}: their cosines are 0, the diagonal too.", RuntimeWarning, stacklevel=3)
