"""Which layers of a model are its stages and blocks: the ones worth a place on a slider."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from .layer_table import FEWEST_DEFAULTS, LayerRow

BACKBONE = "backbone"  # as torchvision, DETR and most detectors call it
NETWORKS = ("body", "features", "model", "conv_encoder.model")  # where it stands in a backbone beside its pyramid
CHAINS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


class Outline:
    """The tree of a model's submodules, seen as stages and blocks.

    Attributes:
        rows: for each submodule path the layer that stands for it: its last call, its first leaf with a grid.
        order: for each path the position at which it finishes.
        single: the paths that give a single vector for each image.
    """

    def __init__(self, module: nn.Module, rows: Sequence[LayerRow]) -> None:
        self.modules = dict(module.named_modules())
        self.single = {row.path for row in rows if row.readable and row.S == 1}
        self.order = {row.path: i for i, row in enumerate(rows)}
        self.rows: dict[str, LayerRow] = {}
        for row in reversed(rows):
            better = row.path not in self.rows or (self.rows[row.path].grid is None and row.grid is not None)
            if row.readable and row.S != 1 and better:
                self.rows[row.path] = row

    def levels(self) -> list[list[str]]:
        """Return layer names, ever finer: the model's parts, then their parts, down to single blocks.

        Of a detector or segmenter these are the parts of its backbone: heads and pyramids come after what it sees.
        """
        start = self._backbone()
        paths = self._parts(start) or self._parts("")
        levels = [self._names(paths)]
        opened: set[str] = set()  # a stage that stands for its own last block must not be opened again
        while True:
            finer: list[str] = []
            for path in paths:
                blocks = [] if path in opened else self._expanded(path)
                opened.add(path)
                finer += blocks or [path]
            if finer == paths:
                break
            paths = finer
            levels.append(self._names(paths))
        if len(levels[-1]) < FEWEST_DEFAULTS:  # a shallow model: the parts of its blocks as well
            inner = [part for path in paths for part in (*self._parts(path), path)]
            levels.append(self._names([*dict.fromkeys(inner)]))
        return levels

    def _backbone(self) -> str:
        """Return the path of the part that is called a backbone, or of the network in it; "" if there is none."""
        named = [path for path in self.modules if path.rpartition(".")[2] == BACKBONE]
        if not named:
            return ""
        start = min(named, key=lambda path: path.count("."))
        inner = (f"{start}.{name}" for name in NETWORKS)
        return next((path for path in inner if path in self.modules and len(self._parts(path)) >= 2), start)

    def _names(self, paths: Sequence[str]) -> list[str]:
        """Return layer names in depth order, without bare convolutions after the stem if there is enough else."""
        inner = [path for path in paths if path == paths[0] or self._is_block(path)]
        kept = inner if len(inner) >= FEWEST_DEFAULTS else paths
        return [self.rows[path].name for path in sorted(dict.fromkeys(kept), key=self.order.__getitem__)]

    def _parts(self, path: str) -> list[str]:
        """Return the parts of a submodule that have weights and give tokens; looks through those that give none."""
        parts: list[str] = []
        for name, child in self.modules[path].named_children():
            inner = f"{path}.{name}" if path else name
            if inner not in self.modules or _is_trivial(child) or self._is_head(inner):
                continue
            parts += [inner] if inner in self.rows else self._parts(inner)
        return sorted(parts, key=self.order.__getitem__)

    def _is_head(self, path: str) -> bool:
        """Return whether it gives single vectors only and is a small part of the model: there is no use in looking in.

        A large part that does may hold the whole backbone, with the pooling at its end.
        """
        if path in self.rows or path not in self.single:
            return False
        return 2 * _size(self.modules[path]) < _size(self.modules[""])

    def _is_block(self, path: str) -> bool:
        """Return whether it is more than one convolution or linear map."""
        return sum(1 for p in self.modules[path].parameters() if p.ndim >= 2) >= 2

    def _expanded(self, path: str) -> list[str]:
        """Return the blocks of a stage, or [] if `path` is a block itself."""
        parts = self._parts(path)
        if isinstance(self.modules[path], CHAINS):
            blocks = [part for part in parts if self._is_block(part)]
            alike = len({type(self.modules[part]) for part in blocks}) == 1
            if len(blocks) >= 2 or (blocks and alike and len(parts) == 1):
                return self._ending(path, parts)
            # A plain chain of convolutions (VGG): each is a step of its own.
            return self._ending(path, parts) if len(parts) > 3 else []
        return self._ending(path, self._repeated(parts))

    def _repeated(self, parts: Sequence[str]) -> list[str]:
        """Return the largest group of blocks of one class among the parts, looking into chains of blocks."""
        groups: dict[type, list[str]] = defaultdict(list)
        chained = False
        for part in parts:
            inside = self._parts(part) if isinstance(self.modules[part], CHAINS) else []
            if inside and all(self._is_block(p) for p in inside) and len({type(self.modules[p]) for p in inside}) == 1:
                groups[type(self.modules[inside[0]])] += inside
                chained = True
            elif self._is_block(part):
                groups[type(self.modules[part])].append(part)
        largest = max(groups.values(), key=len, default=[])
        return largest if len(largest) >= 2 or (chained and largest) else []

    def _ending(self, path: str, blocks: list[str]) -> list[str]:
        """Return the blocks, the last one under the stage's name if the stage does more after it."""
        if not blocks:
            return []
        last, stage = self.rows[blocks[-1]], self.rows.get(path)
        if stage is None or (stage.same_as or stage.name) == (last.same_as or last.name):
            return blocks
        return [*blocks[:-1], path]


def _size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _is_trivial(module: nn.Module) -> bool:
    """Return whether it is a norm, an activation, a scale, or anything else without a matrix of weights."""
    return all(p.ndim < 2 for p in module.parameters())


def default_names(levels: Sequence[Sequence[str]]) -> Sequence[str]:
    """Return the coarsest level with enough layers, else the finest."""
    return next((level for level in levels if len(level) >= FEWEST_DEFAULTS), max(levels, key=len, default=[]))


def fallback(rows: Mapping[str, LayerRow] | Sequence[LayerRow]) -> list[str]:
    """Return something for a model without stages: every distinct layer that can be read."""
    every = rows.values() if isinstance(rows, Mapping) else rows
    readable = [row for row in every if row.readable and not row.same_as]
    spread = [row.name for row in readable if row.S != 1]
    return spread or [row.name for row in readable]


MOST_DEFAULTS = 12


def thinned(names: Sequence[str], grids: Sequence[Any]) -> list[str]:
    """Return at most MOST_DEFAULTS of the names: evenly spaced, with the first, the last and the last of each grid."""
    count = len(names)
    if count <= MOST_DEFAULTS:
        return list(names)
    if count == MOST_DEFAULTS + 1:  # twelve blocks after a patch embedding: all the blocks
        return list(names[1:])
    wanted = {0, count - 1, *(i for i in range(count - 1) if grids[i] != grids[i + 1])}
    while len(wanted) > MOST_DEFAULTS:  # more grids than places: the shallow ones give way, but for the very first
        wanted.remove(sorted(wanted)[1])
    kept = {round(k * (count - 1) / (MOST_DEFAULTS - 1)) for k in range(MOST_DEFAULTS)}
    for i in sorted(wanted - kept):
        kept.remove(min(kept - wanted, key=lambda j: abs(i - j)))
        kept.add(i)
    return [names[i] for i in sorted(kept)]
