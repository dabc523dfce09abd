"""The compute core behind every view: one set of images, their tokens by layer, and what is asked of them, cached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from semrsm_widgets._cache import Cache, Progress
from semrsm_widgets._check import check_choice, check_int, message
from semrsm_widgets.features import Tokens
from semrsm_widgets.images import Images
from semrsm_widgets.matches import Matches, matches_of
from semrsm_widgets.matching import Auction, Identity
from semrsm_widgets.null import NULL_PAIRS, NullLevel, null_grams
from semrsm_widgets.rsm import Estimate, Kernel, MatchedGram, cosine, estimate, matched_gram, rbf, rbf_sigma

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.matching import Assignment, Matcher
    from semrsm_widgets.models import VisionModel


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


class Analysis:
    """Images and their tokens by layer, and everything the views ask of them.

    Grams, RSMs, assignments and nulls are computed when they are first asked for and kept. All methods may be called
    from several threads.

    Args:
        images: N images.
        tokens: layer name -> Tokens of the same N images, in depth order.
        model: where the tokens came from; its name is shown and its provenance kept.
        matcher: how tokens are paired; `Auction()` unless told otherwise.

    Raises:
        ValueError: no layers, or a layer whose number of images differs.

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
        self._cache = Cache()

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

        def compute(report: Progress) -> MatchedGram:
            return matched_gram(tokens, matcher=matcher, progress=report)

        return self._cache.get(key, compute, progress)  # type: ignore[no-any-return]

    def pooled_gram(self, layer: str) -> MatchedGram:
        """Return the Gram of the mean tokens of a layer, scaled by S to the level of the other Grams."""
        aligned = self.gram(layer, matcher=Identity())
        return aligned.pooled().scaled(aligned.sizes[0])

    def has(self, layer: str, *, matcher: Matcher | None = None) -> bool:
        """Return whether the matched Gram of a layer is there already."""
        matcher = self.matcher if matcher is None else matcher
        return self._cache.peek(("gram", layer, matcher)) is not None

    def has_assignment(self, layer: str, i: int, j: int) -> bool:
        """Return whether the assignment of images i and j is there already."""
        return self._cache.peek(("assignment", layer, i, j, self.matcher)) is not None

    def has_null(self, layer: str) -> bool:
        """Return whether the level of unrelated tokens is there already."""
        return self._cache.peek(("null", layer, self.matcher, NULL_PAIRS, 0)) is not None

    def estimate(self, layer: str) -> Estimate:
        """Return what the matched Gram of a layer will cost on this machine, from a short sample."""
        tokens = self._tokens(layer)
        return self._cache.get(("estimate", layer), lambda _: estimate(tokens, self.matcher))  # type: ignore[no-any-return]

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
        return self._cache.get(key, lambda _: matcher(values[i : i + 1], values[j : j + 1]))  # type: ignore[no-any-return]

    def matches(self, layer: str, i: int, j: int, *, matcher: Matcher | None = None) -> Matches:
        """Return the matched patches of images i and j at a layer, with what each match contributes."""
        assignment = self.assignment(layer, i, j, matcher=matcher)
        tokens = self._tokens(layer)
        x, y = (tokens.values[k].double().cpu().numpy() for k in (i, j))
        return matches_of(assignment, x, y, layer=layer, pair=(i, j), grid=tokens.grid)

    def null(
        self,
        layer: str,
        kernel: Kernel = cosine,
        *,
        n: int = NULL_PAIRS,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> NullLevel:
        """Return what the semantic similarity reaches between unrelated tokens at a layer.

        Args:
            layer: one of `layers`.
            kernel: a kernel of a Gram; give the RBF a fixed σ (`shared_kernel`).
            n: pairs of different images to sample (with replacement of pairs when there are fewer).
            seed: of the sampled pairs and channel permutations.
            progress: called with (pairs done, pairs in all) while it is computed; may raise to cancel.

        Raises:
            ValueError: fewer than two images, or n < 2.
        """
        check_int("n", n, minimum=2)
        if len(self) < 2:
            raise ValueError(
                message("images", "at least two, to sample pairs of different images", f"{len(self)} image")
            )
        values = self._tokens(layer).values

        def compute(report: Progress) -> list[MatchedGram]:
            return null_grams(values, self.matcher, n=n, seed=seed, progress=report)

        kernel, _ = self.shared_kernel(layer, kernel)
        key = ("null", layer, self.matcher, n, seed)
        grams = self._cache.get(key, compute, progress)
        levels = np.array([kernel(gram).item() for gram in grams])
        return NullLevel(mean=float(levels.mean()), quantile95=float(np.quantile(levels, 0.95)), n=n)

    def _tokens(self, layer: str) -> Tokens:
        return self.tokens[check_choice("layer", layer, self.layers)]

    def _pair(self, i: int, j: int) -> tuple[int, int]:
        last = len(self) - 1
        return check_int("i", i, minimum=0, maximum=last), check_int("j", j, minimum=0, maximum=last)
