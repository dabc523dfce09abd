"""What a model takes the images for: class probabilities, on their own or beside the tokens."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from semrsm_widgets.common import Meter, ProgressOption, check_int, describe, message
from semrsm_widgets.images import Images, as_images
from semrsm_widgets.models import VisionModel, check_model, prepare

from .batches import batches, default_workers
from .collector import answers_heard
from .forward import extract
from .hooks import as_found, run, unwrapped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.tokens import Tokens

    from .layer_table import Layers
    from .layout import Layout

SUM_SLACK = 1e-3  # outputs that add up to 1 within this are probabilities already


def predict(
    model: VisionModel,
    images: Images | Any,
    *,
    batch_size: int = 16,
    device: torch.device | str | None = None,
    workers: int | None = None,
    progress: ProgressOption = None,
) -> NDArray[np.float64]:
    """Return the class probabilities that a classifier gives: (N, classes) float64, rows that add up to 1.

    They are the softmax of the model's output (of `logits`, where it returns several by name); an output that is
    probabilities already is taken as it is. The model is left exactly as found.

    Args:
        model: a classifier with its transform.
        images: `Images`, or anything `load_images` takes.
        batch_size: images in one forward.
        device: where to run the model; None: where it is.
        workers: threads that decode images; see `extract`.
        progress: as for `extract`.

    Raises:
        ValueError: the model has no classifier, or its output is not finite; the image is named.
        TypeError: `model` is no VisionModel.
        OSError: an image cannot be read; it is named.

    Example:
        >>> probabilities = predict(load_model(), demo_images())
        >>> probabilities.shape
        (16, 1000)
        >>> analysis = Analysis(images, tokens, model=model, probabilities=probabilities)
    """
    check_model(model)
    chosen = as_images(images, progress=progress)
    check_int("batch_size", batch_size, minimum=1)
    threads = default_workers() if workers is None else check_int("workers", workers, minimum=0)
    module = unwrapped(model.module)
    first, as_keyword = prepare(model.transform, chosen.image(0))
    stream = batches(model.transform, chosen, first, batch_size, threads)
    answers = _Answers(module, chosen.ids)
    meter = Meter("Predicting", progress, unit="images")
    with meter, as_found(module, device) as home, closing(stream):
        meter(0, len(chosen))
        for members, batch in stream:
            answers.hear(members, run(module, batch.to(home), as_keyword))
            meter(len(answers.rows), len(chosen))
    return answers.probabilities()


def extract_and_predict(
    model: VisionModel,
    images: Images | Any,
    layers: Layers = None,
    *,
    layout: Layout | Mapping[str, Layout] | None = None,
    batch_size: int = 16,
    device: torch.device | str | None = None,
    max_grid: int | None = None,
    dtype: torch.dtype | None = None,
    workers: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    store: Any = None,
    progress: ProgressOption = None,
) -> tuple[dict[str, Tokens], NDArray[np.float64]]:
    """Return what `extract` and what `predict` return, by one pass through the model instead of two.

    Args:
        model: a classifier with its transform.
        images: `Images`, or anything `load_images` takes.
        layers: as for `extract`, and so is what follows.
        layout: how to read the layers' outputs.
        batch_size: images in one forward.
        device: where to run the model.
        max_grid: larger token grids are averaged down to it.
        dtype: floating type in which tokens are stored; the probabilities do not depend on it.
        workers: threads that decode images.
        cache: a folder to keep tokens in.
        store: where the tokens go. Neither keeps probabilities: where the tokens are there, the model runs for these.
        progress: as for `extract`.

    Raises:
        ValueError, TypeError, OSError, MemoryError: as `extract` and `predict` do.

    Example:
        >>> tokens, probabilities = extract_and_predict(load_model(), images)
        >>> analysis = Analysis(images, tokens, model=model, probabilities=probabilities)
    """
    check_model(model)
    chosen = as_images(images, progress=progress)
    answers = _Answers(unwrapped(model.module), chosen.ids)
    with answers_heard(answers.hear):
        tokens = extract(
            model,
            chosen,
            layers,
            layout=layout,
            batch_size=batch_size,
            device=device,
            max_grid=max_grid,
            dtype=dtype,
            workers=workers,
            cache=cache,
            store=store,
            progress=progress,
        )
    missing = [i for i in range(len(chosen)) if i not in answers.rows]
    if missing:  # their tokens were there
        found = predict(
            model, chosen.select(missing), batch_size=batch_size, device=device, workers=workers, progress=progress
        )
        answers.rows |= dict(zip(missing, found, strict=True))
    return tokens, answers.probabilities()


class _Answers:
    """What a classifier returned, batch by batch, as probabilities."""

    def __init__(self, module: nn.Module, ids: Sequence[str]) -> None:
        self._module, self._ids = module, ids
        self.rows: dict[int, NDArray[np.float64]] = {}

    def hear(self, images: Sequence[int], output: Any) -> None:
        """Take the output for some images.

        Raises:
            ValueError: it is no classifier's, or not finite.
        """
        logits = _logits(self._module, output, len(images))
        for i, row in zip(images, logits, strict=True):
            if not bool(torch.isfinite(row).all()):
                raise ValueError(f"the model's output has NaN or infinite values for image {self._ids[i]!r}.")
        self.rows |= dict(zip(images, _probabilities(logits), strict=True))

    def probabilities(self) -> NDArray[np.float64]:
        """Return (N, classes)."""
        return np.stack([self.rows[i] for i in sorted(self.rows)])


def _logits(module: nn.Module, output: Any, n: int) -> Tensor:
    """Return the scores (N, classes) float64 of a classifier's output."""
    scores = output.get("logits") if isinstance(output, Mapping) else output
    headless = getattr(module, "num_classes", 1) == 0
    if headless or not isinstance(scores, Tensor) or scores.ndim != 2 or len(scores) != n or scores.shape[1] < 2:
        got = f"{type(module).__name__}, whose output is {describe(output)}"
        raise ValueError(message("model", "a classifier, which returns (N, classes) or `logits`", got))
    return scores.detach().cpu().double()


def _probabilities(scores: Tensor) -> NDArray[np.float64]:
    are = bool((scores >= 0).all()) and bool(((scores.sum(1) - 1).abs() < SUM_SLACK).all())
    found: NDArray[np.float64] = (scores / scores.sum(1, keepdim=True) if are else scores.softmax(1)).numpy()
    return found
