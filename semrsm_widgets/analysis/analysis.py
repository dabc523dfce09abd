"""The compute core behind every view: one set of images, their tokens by layer, and what is asked of them, cached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import Meter, Progress, ProgressOption, check_choice, check_int, message
from semrsm_widgets.images import Images, Selection
from semrsm_widgets.matching import Assignment, Auction, Identity, check_answer
from semrsm_widgets.models import VisionModel, check_model, visible_box
from semrsm_widgets.rsm import (
    NULL_PAIRS,
    PATCH_SIMILARITIES,
    Estimate,
    Kernel,
    MatchedGram,
    NullLevel,
    Overview,
    Similarities,
    StoredGram,
    announce,
    check_kernel,
    cosine,
    estimate,
    kernel_key,
    kernel_name,
    matched_gram,
    null_grams,
    rbf,
    rbf_sigma,
)
from semrsm_widgets.statistics import check_probabilities
from semrsm_widgets.tokens import Tokens, token_boxes

from .answers import Answers, AssignmentKey, GramKey, NullKey
from .archive import AnalysisRecord, LayerGrams, archive_path, read_archive, write_archive
from .class_token import class_token_cosine, class_tokens
from .costs import KEPT_LAYERS, gram_share, layer_costs
from .export import to_frame, to_rdms, to_xarray
from .inputs import check_key, check_layers, check_queries, present
from .matches import Matches, match_patches
from .patch_places import PatchPlaces, patch_places, token_cosines, token_norms
from .provenance import provenance_card
from .stored_grams import StoredGrams

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.matching import Matcher

# Tokens of so many bytes are copied at a time to match pairs.
_PAIR_BYTES = 64 * 2**20
_WRITING_SHARE = 0.05  # of what the layers of a file take


class Analysis:
    """Images and their tokens by layer, and everything the views ask of them.

    Grams, RSMs, assignments and nulls are computed when they are first asked for and kept. All methods may be called
    from several threads.

    Args:
        images: N images.
        tokens: layer name -> Tokens of the same N images, in depth order.
        model: where the tokens came from; its name is shown and its provenance kept.
        matcher: how tokens are paired; `Auction()` unless told otherwise.
        probabilities: (N, classes) what the model predicts for each image, as `predict(model, images)` gives it.
        queries: M other images, to be looked up among the N; they have RSMs of their own (`query_rsm`).
        query_tokens: layer name -> Tokens of the queries; S may differ from that of the images.
        store: where matched Grams are kept, for sets that are larger than memory: the path of a folder, a URL, or
            anything else that Zarr opens. What is there from before is not matched again. None: they are in memory.
        memory: bytes of a Gram in a store that are read at once. Of a larger one there are parts: `select`, `overview`.

    Attributes:
        probabilities: (N, classes) float64, or None.
        provenance: what to write down for others to repeat a result.
        store: where matched Grams are kept, or None.

    Raises:
        TypeError: a model that is no VisionModel; a matcher that cannot be called, or has no hash.
        ValueError: no layers, a layer whose number of images differs, probabilities that are none or do not fit, or
            query tokens of other layers.

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
        probabilities: Any = None,
        queries: Images | None = None,
        query_tokens: Mapping[str, Tokens] | None = None,
        store: Any = None,
        memory: int = 2**30,
    ) -> None:
        check_layers("images", "tokens", images, tokens)
        if model is not None:
            check_model(model)
        self.images = images
        self.tokens: dict[str, Tokens] = dict(tokens)
        self.model = model
        self.matcher: Matcher = Auction() if matcher is None else check_key(matcher)
        self.probabilities = None if probabilities is None else check_probabilities(probabilities, len(images))
        self.provenance: Mapping[str, Any] = {} if model is None else dict(model.provenance)
        self.queries, self.query_tokens = check_queries(queries, query_tokens, self.layers)
        memory = check_int("memory", memory, minimum=1)
        self.store = store
        self._stored = None if store is None else StoredGrams(store, memory)
        self._answers = Answers()

    @property
    def is_stored(self) -> bool:
        """Whether matched Grams are kept in a store."""
        return self._stored is not None

    @property
    def is_beyond_memory(self) -> bool:
        """Whether its Grams are in a store, and larger than `memory`: RSMs are read some rows at a time then."""
        return self._stored is not None and not self._stored.hold(len(self), len(self))

    @property
    def queries_are_beyond_memory(self) -> bool:
        """Whether Grams of the queries with the images are in a store, and larger than `memory`."""
        return (
            self._stored is not None
            and self.queries is not None
            and not self._stored.hold(len(self.queries), len(self))
        )

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers' names, in depth order."""
        return tuple(self.tokens)

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        model = f"{self.model.name}, " if self.model is not None else ""
        return f"Analysis({model}{len(self)} images, {len(self.tokens)} layers, {self.matcher!r})"

    def gram(self, layer: str, *, matcher: Matcher | None = None, progress: ProgressOption = None) -> MatchedGram:
        """Return the matched Gram of a layer, computed on first use.

        Args:
            layer: one of `layers`.
            matcher: `analysis.matcher` unless given; `Identity()` gives the aligned Gram.
            progress: as for `matched_gram`, with (pairs done, pairs in all).
        """
        tokens = self._tokens(layer)
        matcher = self.matcher if matcher is None else check_key(matcher)

        def compute(report: Progress) -> MatchedGram:
            if self._stored is not None:
                kept = self._stored.kept(layer, present(tokens), matcher)
                return self._stored.matched(layer, tokens, matcher, report) if kept is None else kept
            announce(meter, matcher, present(tokens))
            return matched_gram(present(tokens), matcher=matcher, progress=report)

        with Meter(f"Matching {layer}", progress, unit="pairs") as meter:
            return self._answers.grams.get(GramKey(layer, matcher), compute, meter)

    def pooled_gram(self, layer: str) -> MatchedGram:
        """Return the Gram of the mean tokens of a layer, scaled by S to the level of the other Grams."""
        aligned = self.gram(layer, matcher=Identity())
        return aligned.pooled().scaled(aligned.sizes[0])

    def class_token_gram(self, layer: str, *, queries: bool = False) -> MatchedGram | None:
        """Return the Gram of the first prefix token of a layer (the class token of a ViT), or None without one.

        With `queries=True` it is (M, N): the queries' class tokens with those of the images.
        """
        own = class_tokens(self._tokens(layer))
        rows = class_tokens(self._queries(layer)) if queries else own
        if own is None or rows is None:
            return None

        def compute(_: Progress) -> MatchedGram:
            columns = present(own) if queries else None
            if self._stored is not None:
                return self._stored.of_class_tokens(present(rows), columns)
            return matched_gram(present(rows), columns, matcher=Identity())

        return self._answers.class_token_grams.get((layer, queries), compute)

    def query_gram(self, layer: str, *, matcher: Matcher | None = None, progress: ProgressOption = None) -> MatchedGram:
        """Return the matched Gram (M, N) of the M queries, in rows, with the N images.

        Raises:
            ValueError: the Analysis was made without queries.
        """
        tokens, queries = self._tokens(layer), self._queries(layer)
        matcher = self.matcher if matcher is None else check_key(matcher)

        def compute(report: Progress) -> MatchedGram:
            if self._stored is not None:
                return self._stored.matched_queries(layer, queries, present(tokens), matcher, report)
            announce(meter, matcher, queries, present(tokens))
            return matched_gram(queries, present(tokens), matcher=matcher, progress=report)

        with Meter(f"Matching {layer}", progress, unit="pairs") as meter:
            return self._answers.query_grams.get(GramKey(layer, matcher), compute, meter)

    def has(self, layer: str, *, matcher: Matcher | None = None) -> bool:
        """Return whether the matched Gram of a layer is there already."""
        key = GramKey(layer, self.matcher if matcher is None else matcher)
        if key not in self._answers.grams and self._stored is not None:
            kept = self._stored.kept(layer, present(self._tokens(layer)), key.matcher)
            if kept is not None:
                self._answers.grams.put(key, kept)
        return key in self._answers.grams

    def has_assignment(self, layer: str, i: int, j: int) -> bool:
        """Return whether the assignment of images i and j is there already."""
        return AssignmentKey(layer, i, j, self.matcher) in self._answers.assignments

    def has_null(self, layer: str) -> bool:
        """Return whether the level of unrelated tokens is there already."""
        return NullKey(layer, self.matcher, NULL_PAIRS, 0) in self._answers.nulls

    def estimate(self, layer: str) -> Estimate:
        """Return what the matched Gram of a layer will cost on this machine, from a short sample."""
        tokens = self._tokens(layer)
        return self._answers.estimates.get(layer, lambda _: estimate(present(tokens), self.matcher))

    def rsm(
        self, layer: str, kernel: Kernel = cosine, *, matcher: Matcher | None = None, centred: bool = False
    ) -> NDArray[np.float64]:
        """Return the (N, N) RSM of a layer under a kernel; semantic unless `matcher=Identity()`.

        With `centred=True` it is the RSM of the mean-free tokens, which the same permutations reach.
        """
        check_kernel(kernel)
        gram = self.gram(layer, matcher=matcher)
        return kernel(gram.centred() if centred else gram)

    def query_rsm(self, layer: str, kernel: Kernel = cosine, *, matcher: Matcher | None = None) -> NDArray[np.float64]:
        """Return the (M, N) RSM of the M queries, in rows, with the N images."""
        return check_kernel(kernel)(self.query_gram(layer, matcher=matcher))

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

    def overview(
        self, layer: str, kernel: Kernel = cosine, *, similarity: str = "semantic", progress: ProgressOption = None
    ) -> Overview:
        """Return an RSM of a layer that is too large to be held: any part of it, in as many cells as can be shown.

        Args:
            layer: one of `layers`.
            kernel: as for `rsm`.
            similarity: "aligned", "semantic" or "pooled".
            progress: as for `matched_gram`, with (tiles done, tiles in all), where levels of it are missing.

        Raises:
            ValueError: the analysis keeps its Grams in memory; another kernel than the package's own.

        Example:
            >>> analysis = srsm.Analysis(images, srsm.open_tokens("features.zarr"), store="run.zarr")
            >>> analysis.overview("blocks.4").window(slice(0, 20_000), slice(0, 20_000), 400)
        """
        check_choice("similarity", similarity, PATCH_SIMILARITIES)
        gram = self.gram(layer, matcher=Identity() if similarity == "aligned" else None)
        if not isinstance(gram, StoredGram):
            todo = 'Make it with Analysis(images, tokens, store="run.zarr"), or take analysis.rsm(layer).'
            raise ValueError(message("analysis", "one that keeps its Grams in a store", repr(self), todo))
        kernel, _ = self.shared_kernel(layer, kernel)
        return gram.overview(kernel, pooled=similarity == "pooled", progress=progress)

    def shared_kernel(self, layer: str, kernel: Kernel) -> tuple[Kernel, float | None]:
        """Return the kernel with the layer's own σ filled in where it is the RBF, and that σ (else None)."""
        if kernel is not rbf:
            return check_kernel(kernel), None
        gram = self.gram(layer)
        sigma = self._answers.widths.get(layer, lambda _: rbf_sigma(gram))
        return partial(rbf, sigma=sigma), sigma

    def assignment(self, layer: str, i: int, j: int, *, matcher: Matcher | None = None) -> Assignment:
        """Return the assignment of the tokens of image i to those of image j; it needs no RSM."""
        tokens = self._tokens(layer)
        i, j = self._pair(i, j)
        matcher = self.matcher if matcher is None else check_key(matcher)

        def compute(_: Progress) -> Assignment:
            values = present(tokens).values
            return check_answer(matcher(values[i : i + 1], values[j : j + 1]), 1, values.shape[1])

        return self._answers.assignments.get(AssignmentKey(layer, i, j, matcher), compute)

    def match_pairs(self, layer: str, pairs: Iterable[tuple[int, int]]) -> None:
        """Match many pairs of images at once, which is quicker than one by one; `assignment` then has them."""
        values = present(self._tokens(layer)).values
        missing = [pair for pair in (self._pair(i, j) for i, j in pairs) if not self.has_assignment(layer, *pair)]
        step = max(1, _PAIR_BYTES // (8 * values[0].numel()))
        for start in range(0, len(missing), step):
            part = missing[start : start + step]
            x, y = (values[list(side)] for side in zip(*part, strict=True))
            found = check_answer(self.matcher(x, y), len(part), values.shape[1])
            for k, (i, j) in enumerate(part):
                one = Assignment(
                    permutation=found.permutation[k : k + 1],
                    value=found.value[k : k + 1],
                    upper_bound=found.upper_bound[k : k + 1],
                )
                self._answers.assignments.put(AssignmentKey(layer, i, j, self.matcher), one)

    def matches(self, layer: str, i: int, j: int, *, matcher: Matcher | None = None) -> Matches:
        """Return the matched patches of images i and j at a layer, with what each match contributes."""
        assignment = self.assignment(layer, i, j, matcher=matcher)
        tokens = self._tokens(layer)
        x, y = (tokens.values[k].cpu().double().numpy() for k in (i, j))
        return match_patches(
            assignment,
            x,
            y,
            layer=layer,
            pair=(i, j),
            grid=tokens.grid,
            other_grid=tokens.grid,
            class_token=class_token_cosine(tokens, i, j),
            boxes=(self._boxes(i, tokens.grid), self._boxes(j, tokens.grid)),
        )

    def token_cosines(self, layer: str, i: int, j: int) -> NDArray[np.float32]:
        """Return (S, S) float32, the cosine of each token of image i with each of image j; 0 where one is all zero."""
        values = present(self._tokens(layer)).values
        i, j = self._pair(i, j)
        return token_cosines(values[i], values[j])

    def patch_places(self, layer: str, image: int, token: int, *, k: int = 12) -> PatchPlaces:
        """Return the images that hold a patch best, and where: one place in each, by the cosine of the tokens.

        It costs one product with all tokens of the layer.

        Args:
            layer: one of `layers`.
            image: index of the image that the patch is of; it is not among the answers.
            token: the patch, in raster order.
            k: how many images.

        Example:
            >>> analysis.patch_places("blocks.4", 0, 90, k=5)
        """
        values = present(self._tokens(layer)).values
        image, _ = self._pair(image, image)
        token = check_int("token", token, minimum=0, maximum=values.shape[1] - 1)
        norms = self._answers.token_norms.get(layer, lambda _: token_norms(values))
        return patch_places(values, norms, layer=layer, image=image, token=token, k=check_int("k", k, minimum=1))

    def null(
        self,
        layer: str,
        kernel: Kernel = cosine,
        *,
        n: int = NULL_PAIRS,
        seed: int = 0,
        progress: ProgressOption = None,
    ) -> NullLevel:
        """Return what the semantic similarity reaches between unrelated tokens at a layer.

        Args:
            layer: one of `layers`.
            kernel: a kernel of a Gram; give the RBF a fixed σ (`shared_kernel`).
            n: pairs of different images to sample (with replacement of pairs when there are fewer).
            seed: of the sampled pairs and channel permutations.
            progress: as for `matched_gram`, with (pairs done, pairs in all).

        Raises:
            ValueError: fewer than two images, or n < 2.
        """
        grams = self.null_grams(layer, n=n, seed=seed, progress=progress)
        kernel, _ = self.shared_kernel(layer, kernel)
        key = kernel_key(kernel)
        if key is None:
            return NullLevel.of(grams, kernel)
        known = (NullKey(layer, self.matcher, n, seed), key)
        if known not in self._answers.levels:
            self._answers.levels[known] = NullLevel.of(grams, kernel)
        return self._answers.levels[known]

    def null_grams(
        self, layer: str, *, n: int = NULL_PAIRS, seed: int = 0, progress: ProgressOption = None
    ) -> list[MatchedGram]:
        """Return the 1 x 1 Grams of the n pairs that `null` samples, for kernels of one's own."""
        check_int("n", n, minimum=2)
        check_int("seed", seed, minimum=0)
        if len(self) < 2:
            raise ValueError(
                message("images", "at least two, to sample pairs of different images", f"{len(self)} image")
            )
        tokens = self._tokens(layer)

        def compute(report: Progress) -> list[MatchedGram]:
            return null_grams(present(tokens).values, self.matcher, n=n, seed=seed, progress=report)

        with Meter(f"Calibrating {layer}", progress, unit="unrelated pairs") as meter:
            return self._answers.nulls.get(NullKey(layer, self.matcher, n, seed), compute, meter)

    def select(self, chosen: Any) -> Analysis:
        """Return the analysis of some of the images, in their order, with what is known of them; none is matched again.

        What unrelated tokens reach stays what was found over all images, so that an excess can be compared with theirs;
        the width of an RBF is that of the images chosen.

        Args:
            chosen: ids or indices, or a `Selection`.

        Raises:
            TypeError, ValueError: no images, or an image that is unknown or comes twice.

        Example:
            >>> cats = analysis.select(explorer.selection)
            >>> srsm.explore(cats)
        """
        found = Selection.of(self.images, chosen, name="chosen")
        if not found:
            raise ValueError(message("chosen", "at least one image", "none"))
        rows = found.indices
        part = Analysis(
            found.to_images(),
            {name: tokens.select(rows) for name, tokens in self.tokens.items()},
            model=self.model,
            matcher=self.matcher,
            probabilities=None if self.probabilities is None else self.probabilities[list(rows)],
            queries=self.queries,
            query_tokens=self.query_tokens,
        )
        part.provenance = self.provenance
        part._answers = self._answers.select(rows)
        return part

    def to_xarray(self, kernel: Kernel = cosine) -> Any:
        """Return the aligned, semantic and pooled RSMs of all layers as an `xarray.DataArray` with named axes.

        Its dimensions are layer, similarity, image and other_image; the last two carry the images' ids.

        Raises:
            ImportError: xarray is not installed; the text says what to install.
        """
        found = (self.similarities(layer, kernel) for layer in self.layers)
        return to_xarray(self.images.ids, found, kernel_name(kernel), self._card)

    def to_frame(self, kernel: Kernel = cosine) -> Any:
        """Return the same RSMs as a `pandas.DataFrame` in long form, a line for each pair i < j.

        Columns: layer, kernel, similarity, image, other_image, value; for semantic also high (the certified upper
        bound), null (what unrelated tokens reach), excess (value - null), and any_matching and best_matching_adds,
        which add up to the semantic cosine.

        Raises:
            ImportError: pandas is not installed; the text says what to install.
        """
        found = ((self.similarities(layer, kernel), self.gram(layer)) for layer in self.layers)
        return to_frame(self.images.ids, found, kernel_name(kernel))

    def to_rdms(self, kernel: Kernel = cosine) -> Any:
        """Return the same RSMs as `rsatoolbox.rdm.RDMs`: dissimilarities (K_ii + K_jj) / 2 - K_ij.

        That is 1 - K for cosine and RBF, half the squared distance for the inner product.

        Raises:
            ImportError: rsatoolbox is not installed; the text says what to install.
        """
        found = (self.similarities(layer, kernel) for layer in self.layers)
        return to_rdms(self.images.ids, found, kernel_name(kernel), repr(self.matcher))

    def save(self, path: str | Path, *, tokens: bool = False, progress: ProgressOption = None) -> None:
        """Write the analysis to an .npz file: Grams, nulls, ids, labels, thumbnails and provenance; never pickle.

        What has not been computed yet is computed. The file appears whole or not at all.

        Args:
            path: where to; the suffix .npz is added if there is none.
            tokens: also the tokens, many times larger; without them `assignment` and `matches` raise.
            progress: as for `matched_gram`, with (layers done, layers in all).

        Raises:
            ValueError: the analysis has queries, which are not saved: save the one of the images alone; or there is no
                folder for the file.
        """
        if self.queries is not None:
            todo = "Save Analysis(images, tokens) of the images alone."
            raise ValueError(message("analysis", "one without queries to be saved", "one with queries", todo))
        target = archive_path(path, new=True)  # before hours of matching
        layers = {}
        with Meter("Saving", progress, unit="layers", kept=KEPT_LAYERS) as meter:
            costs = layer_costs(self, self.layers)
            meter.costs = [*costs, _WRITING_SHARE * sum(costs)]
            for k, name in enumerate(self.layers):
                meter(k, len(self.layers))
                with meter.part(gram_share(self)):
                    semantic = self.gram(name)
                layers[name] = LayerGrams(
                    semantic=semantic,
                    aligned=self.gram(name, matcher=Identity()),
                    class_token=self.class_token_gram(name),
                    null=self.null_grams(name) if len(self) > 1 else None,
                )
            record = AnalysisRecord(
                images=self.images,
                tokens=self.tokens,
                layers=layers,
                matcher=self.matcher,
                probabilities=self.probabilities,
                provenance=self._card(),
            )
            write_archive(record, target, tokens=tokens)
            meter(len(self.layers), len(self.layers))

    @classmethod
    def load(cls, path: str | Path) -> Analysis:
        """Return an analysis that `save` wrote: its pictures are the thumbnails, its model only a name.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is no such file, or from a newer version.
        """
        record = read_archive(archive_path(path))
        analysis = cls(record.images, record.tokens, matcher=record.matcher, probabilities=record.probabilities)
        analysis.provenance = record.provenance
        for layer, kept in record.layers.items():
            analysis._answers.grams.put(GramKey(layer, record.matcher), kept.semantic)
            analysis._answers.grams.put(GramKey(layer, Identity()), kept.aligned)
            if kept.class_token is not None:
                analysis._answers.class_token_grams.put((layer, False), kept.class_token)
            if kept.null is not None:
                analysis._answers.nulls.put(NullKey(layer, record.matcher, NULL_PAIRS, 0), kept.null)
        return analysis

    def _card(self) -> dict[str, Any]:
        """Return what others need to repeat a result."""
        grams = {name: self.gram(name) for name in self.layers}
        return provenance_card(self.provenance, self.images, self.tokens, grams, self.matcher)

    def _tokens(self, layer: str) -> Tokens:
        return self.tokens[check_choice("layer", layer, self.layers)]

    def _queries(self, layer: str) -> Tokens:
        if self.query_tokens is None:
            todo = "Make it with Analysis(images, tokens, queries=..., query_tokens=...)."
            raise ValueError(message("analysis", "made with queries", "one without", todo))
        return self.query_tokens[layer]

    def _boxes(self, image: int, grid: tuple[int, int] | None) -> NDArray[np.float64] | None:
        """Return (S, 4) the pixels of an image that each token stands on; None where that is not known."""
        if self.model is None or grid is None:
            return None
        seen = visible_box(self.model.transform, self.images.size(image))
        return None if seen is None else token_boxes(grid, seen)

    def _pair(self, i: int, j: int) -> tuple[int, int]:
        last = len(self) - 1
        return check_int("i", i, minimum=0, maximum=last), check_int("j", j, minimum=0, maximum=last)


def check_analysis(analysis: Any, *, name: str = "analysis", at_least: int = 1) -> Analysis:
    """Return the analysis if it has so many images.

    Args:
        analysis: what was given for the parameter `name`.
        name: of the parameter, for the error.
        at_least: images: 2 for an RSM, 4 for statistics over images.

    Raises:
        TypeError: it is none; the text tells how to make one.
        ValueError: it has too few images.
    """
    if not isinstance(analysis, Analysis):
        todo = "Make one with Analysis(images, extract(model, images), model=model), or call explore(...)."
        raise TypeError(message(name, "an Analysis", analysis, todo))
    if len(analysis) < at_least:
        is_rsm = at_least == 2
        expected = f"of at least {at_least} images{': an RSM compares them' if is_rsm else ''}"
        todo = "PairView shows one image with itself." if is_rsm else "Statistics over images need more of them."
        raise ValueError(message(name, expected, f"{len(analysis)}", todo))
    return analysis
