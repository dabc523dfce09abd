"""How alike single tokens are: of two images, and of one patch with every patch of a set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

# Tokens of so many bytes are read at a time.
_BLOCK_BYTES = 64 * 2**20
# Channel permutations of the patch that estimate what an unrelated one reaches.
_PERMUTATIONS = 8


@dataclass(frozen=True, eq=False, kw_only=True)
class PatchPlaces:
    """Where the other images of a set hold a patch best.

    Attributes:
        layer: the layer's name.
        image: index of the image that the patch is of.
        token: the patch, in raster order.
        images: (k,) int64, the images that hold it best, best first.
        tokens: (k,) int64, the place in each.
        cosine: (k,) float64, cosine of the two tokens.
        unrelated: what a patch finds best in an image when it has nothing to do with it: the mean, over all other
            images, of the largest cosine with the patch whose channels are permuted. NaN where there is no other image.
    """

    layer: str
    image: int
    token: int
    images: NDArray[np.int64] = field(repr=False)
    tokens: NDArray[np.int64] = field(repr=False)
    cosine: NDArray[np.float64] = field(repr=False)
    unrelated: float

    def __repr__(self) -> str:
        best = f"{self.cosine[0]:.4f} in image {self.images[0]}" if len(self.images) else "none"
        where = f"token {self.token} of image {self.image}"
        return f"PatchPlaces({self.layer!r}, {where}: best {best}, unrelated {self.unrelated:.4f})"


def token_cosines(x: Tensor, y: Tensor) -> NDArray[np.float32]:
    """Return (S, T) float32, the cosine of each of the tokens (S, D) with each of (T, D); 0 where one is all zero."""
    x, y = (torch.nn.functional.normalize(each.float(), dim=-1) for each in (x, y))
    found: NDArray[np.float32] = (x @ y.T).clamp_(-1, 1).cpu().numpy()
    return found


def token_norms(values: Tensor) -> Tensor:
    """Return (N, S) float32, the length of each token."""
    return torch.cat([torch.linalg.vector_norm(part.float(), dim=-1) for _, part in _blocks(values)])


def patch_places(values: Tensor, norms: Tensor, *, layer: str, image: int, token: int, k: int) -> PatchPlaces:
    """Return the k images whose best place is most like a patch, each once, without the patch's own.

    Args:
        values: (N, S, D) tokens.
        norms: (N, S), their lengths.
        layer: the layer's name.
        image: index of the patch's image.
        token: the patch.
        k: how many images.
    """
    patch = values[image, token].float()
    patch = patch / patch.norm().clamp_min(torch.finfo(torch.float32).tiny)
    rng = np.random.default_rng(0)
    shuffles = torch.from_numpy(np.stack([rng.permutation(len(patch)) for _ in range(_PERMUTATIONS)]))
    queries = torch.cat([patch[None], patch[shuffles.to(patch.device)]])
    best = torch.empty(len(values), len(queries))
    place = torch.empty(len(values), dtype=torch.int64)
    for first, part in _blocks(values):
        here = slice(first, first + len(part))
        cosines = (part.float() @ queries.T) / norms[here, :, None].clamp_min(torch.finfo(torch.float32).tiny)
        found, where = cosines.max(dim=1)
        best[here], place[here] = found.cpu(), where[:, 0].cpu()
    cosine, level = best[:, 0].double().numpy().clip(-1, 1), best[:, 1:].double().numpy()
    others = np.delete(np.arange(len(values)), image)
    images = others[np.argsort(-cosine[others], kind="stable")][:k]
    return PatchPlaces(
        layer=layer,
        image=image,
        token=token,
        images=images,
        tokens=place.numpy()[images],
        cosine=cosine[images],
        unrelated=float(level[others].mean()) if len(others) else float("nan"),
    )


def _blocks(values: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Yield the tokens of some images at a time, with the index of the first."""
    step = max(1, _BLOCK_BYTES // max(1, 4 * values[0].numel()))
    for first in range(0, len(values), step):
        yield first, values[first : first + step]
