"""The compute core behind every view: one set of images, their tokens by layer, and what is asked of them, cached."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from semrsm_widgets._check import check_choice, check_int, message
from semrsm_widgets.features import Tokens
from semrsm_widgets.images import Images
from semrsm_widgets.matching import Assignment, Auction, Identity
from semrsm_widgets.rsm import Estimate, Kernel, MatchedGram, cosine, estimate, matched_gram, rbf, rbf_sigma

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.matching import Matcher
    from semrsm_widgets.models import VisionModel

Progress = Callable[[int, int], None]

# The null's size: the standard error of its mean is then about a tenth of its spread.
NULL_PAIRS = 96
# Tokens of this many bytes are gathered at once while the null is sampled.
_NULL_BLOCK_BYTES = 64 * 2**20


@dataclass(frozen=True, kw_only=True)
class NullLevel:
    """What the semantic similarity reaches between unrelated tokens.

    The semantic value is a maximum over assignments, so it is above zero even for noise. The null keeps everything
    (norms, spatial smoothness, the spectrum of both images) but the meaning of the channels: one image of a sampled
    pair has its channels permuted, by one permutation for all its tokens.

    Attributes:
        mean: mean over the sampled pairs, in the kernel's units.
        quantile95: their 95 % quantile.
        n: number of sampled pairs.
    """

    mean: float
    quantile95: float
    n: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Similarities:
    """Every similarity of one layer under one kernel, on one scale.

    Attributes:
        layer: the layer's name.
        aligned: (N, N) float64, token s against token s.
        semantic: (N, N) float64, tokens under the best one-to-one assignment.
        upper: (N, N) float64, certified upper bound of `semantic`; inf where the matcher gives no certificate.
        pooled: (N, N) float64, the mean token alone.
        null: what `semantic` reaches between unrelated tokens.
        sigma: the RBF's σ, shared by all three; None for other kernels.
    """

    layer: str
    aligned: NDArray[np.float64]
    semantic: NDArray[np.float64]
    upper: NDArray[np.float64]
    pooled: NDArray[np.float64]
    null: NullLevel
    sigma: float | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Matches:
    """Which patch of image i is paired with which patch of image j at one layer, and what each pair carries.

    Attributes:
        layer: the layer's name.
        pair: (i, j), indices of the two images.
        grid: (h, w) token grid of image i, or None.
        other_grid: (h, w) token grid of image j, or None.
        permutation: (S,) int64, the token of j that each token of i is paired with; -1 where unmatched.
        inverse: (T,) int64, the token of i that each token of j is paired with; -1 where unmatched.
        token_cosine: (S,) float64, cosine of the two paired tokens; NaN where unmatched.
        contribution: (S,) float64, <x_s, y_P(s)> / (‖X‖‖Y‖): the part of the semantic cosine carried by a match. They
            add up to `semantic`, and may be negative.
        aligned: aligned cosine of the pair; NaN where the two have different numbers of tokens.
        semantic: semantic cosine of the pair (the matched value).
        upper: certified upper bound of the semantic cosine; inf without a certificate.
        pooled: cosine of the mean tokens.
        pooled_part: the part of `semantic` that the mean over all one-to-one matchings reaches already;
            `semantic` - `pooled_part` is what matching adds. It is not `pooled`.
        same_position: share of tokens whose partner stands at the same position; NaN where the grids differ.
    """

    layer: str
    pair: tuple[int, int]
    grid: tuple[int, int] | None
    other_grid: tuple[int, int] | None
    permutation: NDArray[np.int64]
    inverse: NDArray[np.int64]
    token_cosine: NDArray[np.float64]
    contribution: NDArray[np.float64]
    aligned: float
    semantic: float
    upper: float
    pooled: float
    pooled_part: float
    same_position: float

    def top(self, k: int) -> NDArray[np.int64]:
        """Return the k tokens of i whose matches contribute most, strongest first."""
        matched = np.flatnonzero(self.permutation >= 0)
        return matched[np.argsort(-self.contribution[matched], kind="stable")][:k]


class _Cache:
    """Values computed once per key; two threads asking for one key wait for one computation, other keys go on.

    A failed or cancelled computation leaves nothing behind: the next caller computes anew.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key_locks: dict[Any, threading.Lock] = {}
        self._values: dict[Any, Any] = {}

    def peek(self, key: Any) -> Any | None:
        """Return the value if it is there, else None; never waits."""
        return self._values.get(key)

    def get(self, key: Any, compute: Callable[[], Any]) -> Any:
        """Return the value of `key`, computing it if it is not there."""
        if key in self._values:
            return self._values[key]
        with self._lock:
            key_lock = self._key_locks.setdefault(key, threading.Lock())
        with key_lock:
            if key not in self._values:
                self._values[key] = compute()
            return self._values[key]


class Analysis:
    """Images and their tokens by layer, and everything the views ask of them.

    Grams, RSMs, assignments and nulls are computed when they are first asked for and kept. All methods may be called
    from several threads.

    Args:
        images: N images.
        tokens: layer name -> Tokens of the same N images, in depth order.
        model: where the tokens came from; its name is shown and its provenance kept.
        matcher: how tokens are paired; `Auction()` unless told otherwise.
        probabilities: (N, classes) class probabilities of the images, from `predict`; kept for the views and reports.

    Raises:
        ValueError: no layers, or a layer whose number of images differs; rows of `probabilities` that are none.

    Example:
        >>> images = srsm.demo_images()
        >>> model = srsm.load_model()
        >>> analysis = srsm.Analysis(images, srsm.extract(model, images), model=model)
        >>> analysis.rsm("blocks.4").shape
        (16, 16)
    """

    def __init__(
        self,
        images: Images,
        tokens: Mapping[str, Tokens],
        *,
        model: VisionModel | None = None,
        matcher: Matcher | None = None,
        probabilities: NDArray[np.float64] | None = None,
    ) -> None:
        if not isinstance(images, Images):
            raise TypeError(message("images", "Images", images, "Make them with load_images(...) or demo_images()."))
        if not isinstance(tokens, Mapping) or not tokens:
            todo = "Make it with extract(model, images)."
            raise ValueError(
                message("tokens", "a mapping of layer name to Tokens with at least one layer", tokens, todo)
            )
        for name, layer_tokens in tokens.items():
            if not isinstance(layer_tokens, Tokens):
                raise TypeError(message(f"tokens[{name!r}]", "Tokens", layer_tokens, "Make it with extract(...)."))
            if len(layer_tokens) != len(images):
                raise ValueError(
                    message(
                        f"tokens[{name!r}]",
                        f"tokens of the same {len(images)} images",
                        f"{len(layer_tokens)} images",
                        "Pass the images that the tokens were extracted from, in the same order.",
                    )
                )
        self.images = images
        self.tokens: dict[str, Tokens] = dict(tokens)
        self.model = model
        self.matcher: Matcher = Auction() if matcher is None else matcher
        self.probabilities = None if probabilities is None else _check_probabilities(probabilities, len(images))
        self._cache = _Cache()

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers' names, in depth order."""
        return tuple(self.tokens)

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        model = f"{self.model.name}, " if self.model is not None else ""
        return f"Analysis({model}{len(self)} images, {len(self.tokens)} layers, {self.matcher!r})"

    def gram(self, layer: str, *, matcher: Matcher | None = None, progress: Progress | None = None) -> MatchedGram:
        """Return the matched Gram of a layer, computed on first use.

        Args:
            layer: one of `layers`.
            matcher: `analysis.matcher` unless given; `Identity()` gives the aligned Gram.
            progress: called with (pairs done, pairs in all) while it is computed; may raise to cancel.
        """
        tokens = self._tokens(layer)
        matcher = self.matcher if matcher is None else matcher
        key = ("gram", layer, matcher)
        return self._cache.get(key, lambda: matched_gram(tokens, matcher=matcher, progress=progress))  # type: ignore[no-any-return]

    def pooled_gram(self, layer: str) -> MatchedGram:
        """Return the Gram of the mean tokens of a layer, scaled by S to the level of the other Grams."""
        aligned = self.gram(layer, matcher=Identity())
        return aligned.pooled().scaled(aligned.sizes[0])

    def has(self, layer: str, *, matcher: Matcher | None = None) -> bool:
        """Return whether the matched Gram of a layer is there already."""
        matcher = self.matcher if matcher is None else matcher
        return self._cache.peek(("gram", layer, matcher)) is not None

    def estimate(self, layer: str) -> Estimate:
        """Return what the matched Gram of a layer will cost on this machine, from a short sample."""
        tokens = self._tokens(layer)
        return self._cache.get(("estimate", layer), lambda: estimate(tokens, self.matcher))  # type: ignore[no-any-return]

    def rsm(self, layer: str, kernel: Kernel = cosine, *, matcher: Matcher | None = None) -> NDArray[np.float64]:
        """Return the (N, N) RSM of a layer under a kernel; semantic unless `matcher=Identity()`."""
        return kernel(self.gram(layer, matcher=matcher))

    def similarities(self, layer: str, kernel: Kernel = cosine) -> Similarities:
        """Return aligned, semantic and pooled RSM of a layer with the semantic one's certificate and its null.

        Under the RBF all share the σ of the semantic Gram (design: comparable levels), unless `kernel` fixes one.
        """
        gram = self.gram(layer)
        kernel, sigma = self.shared_kernel(layer, kernel)
        upper = np.where(np.isfinite(gram.upper_bound), kernel(gram.at_upper_bound()), np.inf)
        return Similarities(
            layer=layer,
            aligned=kernel(self.gram(layer, matcher=Identity())),
            semantic=kernel(gram),
            upper=upper,
            pooled=kernel(self.pooled_gram(layer)),
            null=self.null(layer, kernel),
            sigma=sigma,
        )

    def shared_kernel(self, layer: str, kernel: Kernel) -> tuple[Kernel, float | None]:
        """Return the kernel with the layer's own σ filled in where it is the RBF, and that σ (else None)."""
        if kernel is not rbf:
            return kernel, None
        sigma = rbf_sigma(self.gram(layer))
        return partial(rbf, sigma=sigma), sigma

    def assignment(self, layer: str, i: int, j: int, *, matcher: Matcher | None = None) -> Assignment:
        """Return the assignment of the tokens of image i to those of image j; it needs no RSM."""
        tokens = self._tokens(layer)
        i, j = self._pair(i, j)
        matcher = self.matcher if matcher is None else matcher
        key = ("assignment", layer, i, j, matcher)
        values = tokens.values
        return self._cache.get(key, lambda: matcher(values[i : i + 1], values[j : j + 1]))  # type: ignore[no-any-return]

    def matches(self, layer: str, i: int, j: int, *, matcher: Matcher | None = None) -> Matches:
        """Return the matched patches of images i and j at a layer, with what each match contributes."""
        assignment = self.assignment(layer, i, j, matcher=matcher)
        tokens = self._tokens(layer)
        x, y = (tokens.values[k].to(torch.float64).cpu().numpy() for k in (i, j))
        return _matches(assignment, x, y, layer=layer, pair=(i, j), grid=tokens.grid)

    def null(self, layer: str, kernel: Kernel = cosine, *, n: int = NULL_PAIRS, seed: int = 0) -> NullLevel:
        """Return what the semantic similarity reaches between unrelated tokens at a layer.

        Args:
            layer: one of `layers`.
            kernel: a kernel of a Gram; give the RBF a fixed σ (`shared_kernel`).
            n: pairs of different images to sample (with replacement of pairs when there are fewer).
            seed: of the sampled pairs and channel permutations.

        Raises:
            ValueError: fewer than two images, or n < 2.
        """
        check_int("n", n, minimum=2)
        if len(self) < 2:
            raise ValueError(
                message("images", "at least two, to sample pairs of different images", f"{len(self)} image")
            )
        kernel, _ = self.shared_kernel(layer, kernel)
        key = ("null", layer, self.matcher, n, seed)
        grams = self._cache.get(key, lambda: self._null_grams(layer, n, seed))
        levels = np.array([kernel(gram).item() for gram in grams])
        return NullLevel(mean=float(levels.mean()), quantile95=float(np.quantile(levels, 0.95)), n=n)

    def _null_grams(self, layer: str, n: int, seed: int) -> list[MatchedGram]:
        """Return one 1 x 1 Gram for each sampled pair, so that any kernel can be applied to it."""
        values = self._tokens(layer).values
        count, tokens_per_image, channels = values.shape
        rng = np.random.default_rng(seed)
        i = rng.integers(count, size=n)
        j = (i + rng.integers(1, count, size=n)) % count  # never the same image
        order = torch.from_numpy(np.stack([rng.permutation(channels) for _ in range(n)]))
        block = max(1, _NULL_BLOCK_BYTES // max(1, 8 * tokens_per_image * channels))
        grams: list[MatchedGram] = []
        for start in range(0, n, block):
            part = slice(start, min(start + block, n))
            x = values[torch.from_numpy(i[part])].float()
            channel = order[part].to(values.device)[:, None, :].expand(-1, tokens_per_image, -1)
            y = values[torch.from_numpy(j[part])].float().gather(2, channel)
            grams += _one_pair_grams(self.matcher(x, y), x.double(), y.double(), repr(self.matcher))
        return grams

    def _tokens(self, layer: str) -> Tokens:
        return self.tokens[check_choice("layer", layer, self.layers)]

    def _pair(self, i: int, j: int) -> tuple[int, int]:
        last = len(self) - 1
        return check_int("i", i, minimum=0, maximum=last), check_int("j", j, minimum=0, maximum=last)


def _check_probabilities(probabilities: Any, n: int) -> NDArray[np.float64]:
    """Return a read-only copy (N, classes) float64 of which each row adds up to 1."""
    found = np.array(probabilities, dtype=np.float64)
    expected = f"probabilities ({n}, classes) that add up to 1 in each row"
    if found.ndim != 2 or len(found) != n:
        raise ValueError(
            message("probabilities", expected, f"shape {found.shape}", "Make it with predict(model, images).")
        )
    if not (found >= 0).all() or np.abs(found.sum(1) - 1).max() > 1e-3:  # also false for NaN
        raise ValueError(message("probabilities", expected, "other rows", "Logits become probabilities by a softmax."))
    found.flags.writeable = False
    return found


def _one_pair_grams(assignment: Assignment, x: torch.Tensor, y: torch.Tensor, matcher: str) -> list[MatchedGram]:
    """Return a (1, 1) Gram for each of B pairs of token sets (B, S, D), so that any kernel can be applied to it."""
    x_mean, y_mean = x.mean(1), y.mean(1)
    columns = {
        "products": torch.from_numpy(assignment.value),
        "upper_bound": torch.from_numpy(assignment.upper_bound),
        "pooled_products": (x_mean * y_mean).sum(1),
    }
    norms = {
        "x_sq_norms": x.square().sum((1, 2)),
        "y_sq_norms": y.square().sum((1, 2)),
        "x_pooled_sq_norms": x_mean.square().sum(1),
        "y_pooled_sq_norms": y_mean.square().sum(1),
    }
    matrices = {name: column.cpu().numpy().reshape(-1, 1, 1) for name, column in columns.items()}
    vectors = {name: norm.cpu().numpy().reshape(-1, 1) for name, norm in norms.items()}
    return [
        MatchedGram(
            **{name: column[k] for name, column in {**matrices, **vectors}.items()},
            sizes=(x.shape[1], y.shape[1]),
            symmetric=False,
            matcher=matcher,
        )
        for k in range(len(assignment))
    ]


def _matches(
    assignment: Assignment,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    *,
    layer: str,
    pair: tuple[int, int],
    grid: tuple[int, int] | None,
) -> Matches:
    """Return the matches of two images' tokens (S, D) and (T, D) under a one-pair assignment."""
    permutation = assignment.permutation[0]
    matched = permutation >= 0
    partner = y[permutation[matched]]
    norm = float(np.linalg.norm(x) * np.linalg.norm(y)) or 1.0  # an all-zero image: every value is 0
    products = np.einsum("sd,sd->s", x[matched], partner)
    token_norms = np.linalg.norm(x[matched], axis=1) * np.linalg.norm(partner, axis=1)
    contribution = np.zeros(len(x))
    contribution[matched] = products / norm
    token_cosine = np.full(len(x), np.nan)
    token_cosine[matched] = np.divide(products, token_norms, out=np.zeros_like(products), where=token_norms > 0)
    inverse = np.full(len(y), -1, dtype=np.int64)
    inverse[permutation[matched]] = np.flatnonzero(matched)
    mean_x, mean_y = x.mean(0), y.mean(0)
    mean_norm = float(np.linalg.norm(mean_x) * np.linalg.norm(mean_y)) or 1.0
    same_size = len(x) == len(y)
    return Matches(
        layer=layer,
        pair=pair,
        grid=grid,
        other_grid=grid,
        permutation=permutation,
        inverse=inverse,
        token_cosine=token_cosine,
        contribution=contribution,
        aligned=float(np.vdot(x, y) / norm) if same_size else float("nan"),
        semantic=float(assignment.value[0] / norm),
        upper=float(assignment.upper_bound[0] / norm),
        pooled=float(mean_x @ mean_y / mean_norm),
        pooled_part=float(min(len(x), len(y)) * (mean_x @ mean_y) / norm),
        same_position=float((permutation == np.arange(len(x))).mean()) if same_size else float("nan"),
    )
