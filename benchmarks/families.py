"""Every model family of timm: are tokens where we say they are?

The smallest variant of each family, random weights. Two checks that do not know of each other:

- timm's own maps (`forward_intermediates`): each default layer that holds one of them must equal it value by value, on
  the same grid. Once as users have it, and once with that door closed to the package (shape rule and probe alone).
- a square painted into a photograph of odd size: in one layer of middle depth, the token whose box holds it reacts
  most. A grid that this refutes is wrong.

Run: python benchmarks/families.py [RESULTS.jsonl [MODULE ...]]; families that are in the file are not run again.
Then: python benchmarks/families.py --table RESULTS.jsonl
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_model_data_config

import semrsm_widgets as srsm
from semrsm_widgets.extraction.collector import Collector
from semrsm_widgets.extraction.hooks import Setting, as_found, noise
from semrsm_widgets.extraction.layer_table import LayerRow, LayerTable
from semrsm_widgets.extraction.model_layers import make_table
from semrsm_widgets.models.visible import visible_box
from semrsm_widgets.tokens.grid import token_boxes

NAMES = Path(__file__).with_name("families.json")  # the smallest variant of each family of timm 1.0.31
SMALLER = {"qwen3_vit": 256, "gemma4_vit": 288, "deepseek_vit": 224, "csatv2": 256, "naflexvit": 256}
PICTURE = (331, 277)  # width, height
PLACES = 3  # squares are painted at 3 x 3 places


def smallest() -> dict[str, str]:
    """Return the variant with the fewest parameters of each family, built without memory for its weights."""
    found = {}
    for family in timm.list_modules():
        sizes = {}
        for name in timm.list_models(module=family):
            if name.startswith("test_"):
                continue
            with torch.device("meta"):
                try:
                    sizes[name] = sum(p.numel() for p in timm.create_model(name).parameters())
                except (RuntimeError, NotImplementedError):
                    continue  # it computes with its weights while it is built
        found[family] = min(sizes, key=sizes.__getitem__) if sizes else timm.list_models(module=family)[0]
    return found


def build(family: str, name: str) -> tuple[torch.nn.Module, dict[str, Any]]:
    torch.manual_seed(0)
    size = SMALLER.get(family)
    try:
        module = timm.create_model(name, img_size=size) if size else timm.create_model(name)
    except TypeError:
        module = timm.create_model(name)
    config = resolve_model_data_config(module)
    if size:
        config["input_size"] = (3, size, size)
    return module.eval(), config


def alike(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a, b, rtol=1e-3, atol=1e-4 * float(b.abs().max()))


def same_values(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Return whether two tensors hold the same numbers in whatever order."""
    return a.numel() == b.numel() and alike(a.flatten().sort().values, b.flatten().sort().values)


def tables(module: torch.nn.Module, shape: tuple[int, ...]) -> dict[str, LayerTable]:
    """Return the table of layers with timm's door open, and closed; one is the other where nothing was left open."""
    with as_found(module) as device:
        closed = make_table(Setting(module, shape, False, device), ask_timm=False)
        if all(row.grid is not None or not row.readable for row in closed):
            return {"open": closed, "closed": closed}
        return {"open": make_table(Setting(module, shape, False, device)), "closed": closed}


def values_of(module: torch.nn.Module, rows: list[LayerRow], batch: torch.Tensor) -> dict[str, torch.Tensor]:
    collector = Collector(rows, [str(k) for k in range(len(batch))], None, torch.float32, False)
    with as_found(module), collector.hooked(module):
        collector.run(module, batch, False, range(len(batch)))
    return collector.values


def against_timm(module: torch.nn.Module, shape: tuple[int, ...], table: LayerTable) -> dict[str, Any]:
    """Compare all layers with timm's maps."""
    batch = noise((1, *shape), torch.device("cpu"), seed=5)
    with torch.no_grad():
        maps = module.forward_intermediates(batch, intermediates_only=True)
    maps = [each[0] if isinstance(each, (tuple, list)) else each for each in maps]
    held = {each[0].numel() for each in maps}
    rows = [row for row in table if row.readable and (row.default or (not row.same_as and row.S * row.D in held))]
    values = values_of(module, rows, batch)
    wrong, refused, right, reproduced = [], [], [], set()
    for row in rows:
        tokens, size = values[row.name], values[row.name].norm()
        near = [k for k, each in enumerate(maps) if torch.isclose(size, each.norm(), rtol=1e-3)]
        same = [k for k in near if same_values(tokens, maps[k])]
        equal = [k for k in same if alike(tokens, maps[k].flatten(2).transpose(1, 2)) and row.grid == grid_of(maps[k])]
        reproduced.update(equal)
        if row.default and same:
            (right if equal else refused if row.grid is None else wrong).append(row.name)
    defaults = [row for row in table if row.default]
    return {
        "defaults": len(defaults),
        "with_grid": sum(row.grid is not None for row in defaults),
        "layers_with_grid": sum(row.grid is not None and row.grid != (1, 1) for row in table),
        "layers_refused": sum(row.grid is None for row in table),
        "equal": right,
        "refused": refused,
        "wrong": wrong,
        "maps": len(maps),
        "maps_missing": [k for k in range(len(maps)) if k not in reproduced],
    }


def grid_of(feature: torch.Tensor) -> tuple[int, int]:
    return feature.shape[2], feature.shape[3]


def painted(module: torch.nn.Module, config: dict[str, Any], table: LayerTable) -> dict[str, Any]:
    """Paint squares and look which token of a layer of middle depth reacts most."""
    transform = create_transform(**config)
    rows = [row for row in table if row.default and row.grid and min(row.grid) >= 7]
    if not rows:
        return {"layer": None}
    row = rows[(len(rows) - 1) // 2]
    photograph = srsm.demo_images(crops=1).image(3).resize(PICTURE)
    boxes = token_boxes(row.grid, visible_box(transform, PICTURE))
    h, w = row.grid
    targets = [r * w + c for r in spread(h) for c in spread(w)]
    pictures = [photograph]
    rng = np.random.default_rng(0)
    for token in targets:
        pixels = np.array(photograph)
        left, top, right, bottom = np.round(boxes[token]).astype(int)
        pixels[top:bottom, left:right] = rng.integers(0, 256, (bottom - top, right - left, 3))
        pictures.append(Image.fromarray(pixels))
    values = values_of(module, [row], torch.stack([transform(picture) for picture in pictures]))[row.name]
    reaction = (values[1:] - values[:1]).norm(dim=-1)
    # A token that reacts to everything, as the border of a deep map does, is measured against its own mean; one that
    # reacts to nothing must not win by rounding.
    strongest = (reaction / (reaction.mean(0) + 0.1 * reaction.mean())).argmax(1)
    away = [max(abs(int(s) // w - t // w), abs(int(s) % w - t % w)) for s, t in zip(strongest, targets, strict=True)]
    return {"layer": row.name, "grid": row.grid, "away": away, "refuted": float(np.mean(away)) > max(h, w) / 6}


def spread(side: int) -> list[int]:
    return [round((k + 0.5) * side / PLACES - 0.5) for k in range(PLACES)]


def run(family: str, name: str) -> dict[str, Any]:
    started = time.perf_counter()
    module, config = build(family, name)
    shape = tuple(config["input_size"])
    parameters = sum(p.numel() for p in module.parameters())
    result = {"family": family, "name": name, "parameters": parameters, "size": shape[1:]}
    both = tables(module, shape)
    for door in ("open", "closed"):
        result[door] = against_timm(module, shape, both[door])
        if both["open"] is both["closed"]:
            result["closed"] = result["open"]
            break
    result["painted"] = painted(module, config, both["open"])
    return {**result, "seconds": round(time.perf_counter() - started, 1)}


def is_right(result: dict[str, Any]) -> bool:
    """Return whether nothing of a family is wrong, and no default layer that timm gives a grid is refused one."""
    if "error" in result or result["painted"].get("refuted"):
        return False
    return not any(result[door][fault] for door in ("open", "closed") for fault in ("wrong", "refused"))


def main(path: Path, families: list[str]) -> None:
    warnings.simplefilter("ignore")
    known = {line["family"] for line in read(path)}
    names = json.loads(NAMES.read_text()) if NAMES.exists() else smallest()
    for family in families or names:
        if family in known:
            continue
        try:
            result = run(family, names[family])
        except Exception as error:
            # One family that fails must not hide the others; it is counted as not right.
            result = {"family": family, "name": names[family], "error": f"{type(error).__name__}: {error}"[:500]}
        with path.open("a") as file:
            file.write(json.dumps(result) + "\n")
        print(family, names[family], "right" if is_right(result) else "NOT RIGHT", result.get("seconds"), flush=True)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def table(path: Path) -> None:
    """Print the results as a table in Markdown."""
    results = sorted(read(path), key=lambda line: line["family"])
    print(
        "| family | variant | default layers | with grid | refused | equal to timm | same, closed | painted | right |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for line in results:
        if "error" in line:
            print(f"| {line['family']} | {line['name']} | – | – | – | – | – | – | {line['error'][:60]} |")
            continue
        doors, square = (line["open"], line["closed"]), line["painted"]
        equal = [f"{len(d['equal'])} of {len(d['equal'] + d['refused'] + d['wrong'])}" for d in doors]
        where = "–" if square["layer"] is None else f"{np.mean(square['away']):.1f} of {max(square['grid'])}"
        counts = f"{doors[0]['defaults']} | {doors[0]['with_grid']} | {doors[0]['layers_refused']}"
        print(f"| {line['family']} | {line['name']} | {counts} | {' | '.join(equal)} | {where} | {is_right(line)} |")
    print(f"\n{sum(map(is_right, results))} of {len(results)} families right.")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments[:1] == ["--table"]:
        table(Path(arguments[1]))
    else:
        main(Path(arguments[0] if arguments else "families.jsonl"), arguments[1:])
