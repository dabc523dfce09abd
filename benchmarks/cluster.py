"""A calculation, not a measurement: all pairs of a large set on a cluster, from the time of one pair on one core.

The time of a pair is measured here, on tokens of a ViT-B/16 with random weights for crops of the photographs (and on
noise), by one thread, products and matching together; or it is given. All else is arithmetic: it takes every core to be
like this one, every store to be as fast as is asked of it, and no time between tiles. What a graphics node would take
is for the products alone, at its peak: nothing of it was run.

Run: python benchmarks/cluster.py [--images 50000] [--size 196] [--channels 768] [--workers 64] [--cores 8]
                                  [--pair-milliseconds 0.5]
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import torch
from _features import machine

import semrsm_widgets as srsm
from semrsm_widgets.matching import TokenSet
from semrsm_widgets.rsm.tiles import tile_side

KEPT_PER_PAIR = 16.5
"""Bytes that a pair takes in a store: 16, compressed to 12.8, and 3.8 of the overview; of the 20,000 images of
`benchmarks/overview.py`, 2,437 and 716 MiB. Noise took 12.6 without an overview (benchmarks/scale.py)."""
PEAK_FLOPS, GPUS = 67e12, 8
"""Of float32 outside of tensor cores, which round too much for the certificate: an H100 SXM's data sheet."""
PCIE = 64e9
"""Bytes a second that a graphics processor hands on at most: PCIe 5.0 x16, one way."""


@dataclass(frozen=True, kw_only=True)
class Calculation:
    """What all pairs of N images of S tokens with D half-precision channels take.

    Attributes:
        images, size, channels: N, S, D.
        workers, cores: machines, and cores of each.
        seconds: of a pair on one core.
        side: images on a side of a tile.
    """

    images: int
    size: int
    channels: int
    workers: int
    cores: int
    seconds: float
    side: int

    @property
    def pairs(self) -> int:
        """N (N - 1) / 2."""
        return self.images * (self.images - 1) // 2

    @property
    def tiles(self) -> int:
        """On and above the diagonal."""
        rows = -(-self.images // self.side)
        return rows * (rows + 1) // 2

    @property
    def core_hours(self) -> float:
        """Of matching."""
        return self.pairs * self.seconds / 3600

    @property
    def duration(self) -> float:
        """Seconds, with all cores busy."""
        return self.pairs * self.seconds / (self.workers * self.cores)

    @property
    def token_bytes(self) -> int:
        """Of all tokens, in half precision."""
        return 2 * self.images * self.size * self.channels

    @property
    def read_bytes(self) -> float:
        """What all tiles read, two blocks each."""
        return self.tiles * 2 * self.side * 2 * self.size * self.channels

    @property
    def gram_bytes(self) -> float:
        """Of the Gram in its store."""
        return KEPT_PER_PAIR * self.pairs

    @property
    def product_flops(self) -> float:
        """Of all affinities."""
        return 2.0 * self.pairs * self.size**2 * self.channels

    def words(self) -> str:
        """Return it as lines."""
        rate, per_worker = self.read_bytes / self.duration, self.read_bytes / self.duration / self.workers
        peak = PEAK_FLOPS * GPUS
        affinities = 4.0 * self.pairs * self.size**2
        return "\n".join(
            [
                f"{self.images:,} images, S = {self.size}, D = {self.channels}, {self.workers} workers of {self.cores} "
                f"cores, {1e3 * self.seconds:.3f} ms a pair on one core",
                f"  pairs {self.pairs:,} in {self.tiles:,} tiles of {self.side} x {self.side} images, "
                f"{self.side**2 * self.seconds:.1f} s each",
                f"  matching {self.core_hours:,.0f} core hours, {self.duration / 60:.0f} min",
                f"  tokens {self.token_bytes / 1e9:.1f} GB, Gram {self.gram_bytes / 1e9:.1f} GB",
                f"  read {self.read_bytes / 1e12:.2f} TB, {2 * self.side * 2 * self.size * self.channels / 1e6:.0f} MB "
                f"a tile: {rate / 1e9:.2f} GB/s from the store, {per_worker / 1e6:.0f} MB/s a worker",
                f"  written by one process: {self.gram_bytes / self.duration / 1e6:.1f} MB/s",
                f"  products {self.product_flops:.2g} operations: {self.product_flops / peak:.0f} s at the peak of "
                f"{GPUS} graphics processors of {PEAK_FLOPS / 1e12:.0f} TFLOP/s (arithmetic)",
                f"  their affinities, {affinities / 1e12:.0f} TB, to the processors that match: "
                f"{affinities / PCIE / GPUS:.0f} s at the peak of their buses (arithmetic)",
            ]
        )


def pair_seconds(values: torch.Tensor) -> float:
    """Return the CPU time of a pair, by one thread: the median of three passes over all pairs."""
    matcher = srsm.Auction(threads=1)
    srsm.matched_gram(values[:4], matcher=matcher)
    times = []
    for _ in range(3):
        began = time.process_time()
        srsm.matched_gram(values, matcher=matcher)
        times.append(time.process_time() - began)
    return sorted(times)[1] / (len(values) * (len(values) - 1) / 2)


def main(options: argparse.Namespace) -> None:
    """Measure a pair, where its time is not given, and calculate."""
    given = options.pair_milliseconds
    if given is None:
        print(machine())
        shape = (32, options.size, options.channels)
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        seconds = pair_seconds(noise)
        print(f"noise: {1e3 * seconds:.3f} ms a pair")
        if shape[1:] == (196, 768):
            torch.manual_seed(0)
            model = srsm.load_model("vit_base_patch16_224", pretrained=False)
            found = srsm.extract(model, srsm.demo_images(crops=4), "blocks.6")["blocks.6"].values
            seconds = pair_seconds(found)
            print(f"ViT-B/16, random weights, block 6 of 32 crops: {1e3 * seconds:.3f} ms a pair")
    else:
        seconds = given / 1e3
    some = TokenSet.read("tokens", torch.zeros(2, options.size, options.channels))
    side = tile_side(some, some, 2**30)
    for each in (side, 256):
        print(
            Calculation(
                images=options.images,
                size=options.size,
                channels=options.channels,
                workers=options.workers,
                cores=options.cores,
                seconds=seconds,
                side=each,
            ).words()
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--size", type=int, default=196)
    parser.add_argument("--channels", type=int, default=768)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--cores", type=int, default=8)
    parser.add_argument("--pair-milliseconds", type=float)
    main(parser.parse_args())
