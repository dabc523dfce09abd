"""What extraction costs beyond running the model: ResNet-50, its 16 blocks, photographs from disk at 224 pixels.

Time against a loop without hooks: once over the package's own loader (what hooks and copies cost), once over torch's
`DataLoader` with as many workers. The table of layers, which asks where tokens look, against one look at the shapes
alone, as a share of the extraction. Peak memory against the tokens that are stored, each in a process of its own.

Run: python benchmarks/extraction.py [IMAGES] [RUNS]
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import semrsm_widgets as srsm
from semrsm_widgets.extraction.batches import batches, default_workers
from semrsm_widgets.extraction.hooks import Setting, as_found, noise, trace
from semrsm_widgets.extraction.model_layers import make_table
from semrsm_widgets.models.vision_model import prepare

BATCH = 16
LAYERS = "layer?.*"
MIB = 2**20


def photographs(folder: Path, count: int) -> Path:
    """Write JPEG files of usual size: crops of the shipped photographs, enlarged, with noise as a camera gives."""
    sources = [image.resize((500, 375)) for image in srsm.demo_images()]
    rng = np.random.default_rng(0)
    for i in range(count):
        pixels = np.asarray(sources[i % len(sources)], dtype=np.int16)
        noisy = (pixels + rng.integers(-8, 9, pixels.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / f"{i:04}.jpg", quality=90)
    return folder


def model() -> srsm.VisionModel:
    torch.manual_seed(0)
    return srsm.load_model("resnet50", pretrained=False)


def plain_loop(vision: srsm.VisionModel, images: srsm.Images) -> None:
    """Run the model over the same loader, and keep nothing."""
    first, _ = prepare(vision.transform, images.image(0))
    with torch.no_grad(), closing(batches(vision.transform, images, first, BATCH, default_workers())) as stream:
        for _, batch in stream:
            vision.module(batch)


class Folder(torch.utils.data.Dataset):
    """The same photographs as a dataset of torch's."""

    def __init__(self, folder: Path, transform) -> None:
        self.paths, self.transform = sorted(folder.glob("*.jpg")), transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> torch.Tensor:
        return self.transform(Image.open(self.paths[i]).convert("RGB"))


def usual_loop(vision: srsm.VisionModel, folder: Path) -> None:
    """Run the model over torch's own loader, and keep nothing."""
    loader = torch.utils.data.DataLoader(
        Folder(folder, vision.transform), batch_size=BATCH, num_workers=default_workers()
    )
    with torch.no_grad():
        for batch in loader:
            vision.module(batch)


SHAPES_OF = 3  # images in a forward that would tell the shapes alone


def table_and_shapes(vision: srsm.VisionModel) -> tuple[float, float]:
    """Return the seconds that the table of layers takes, and those of a forward that tells the shapes alone."""
    with as_found(vision.module) as device:
        setting = Setting(vision.module, (3, 224, 224), False, device)
        table, _ = timed(lambda: make_table(setting))
        shapes, _ = timed(lambda: trace(setting, [noise((SHAPES_OF, 3, 224, 224), device)]))
    return table, shapes


def timed(work) -> tuple[float, float]:
    """Return seconds passed, and seconds of processor time of all threads (not of other processes)."""
    started, busy = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - started, time.process_time() - busy


def peak(folder: Path, *, extracting: bool) -> tuple[float, float]:
    """Return the peak memory of a process of its own in MiB, and the size of the tokens that it stored."""
    command = [sys.executable, __file__, "--memory", str(folder), "extract" if extracting else "loop"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(answer[0]), float(answer[1])


def memory(folder: Path, work: str) -> None:
    """Print the peak memory of this process, and the size of the tokens."""
    vision, images = model(), srsm.load_images(folder)
    stored = 0
    if work == "extract":
        tokens = srsm.extract(vision, images, LAYERS, batch_size=BATCH)
        stored = sum(each.values.numel() * each.values.element_size() for each in tokens.values())
    else:
        plain_loop(vision, images)
    print(peak_of_this_process(), stored / MIB)


def peak_of_this_process() -> float:
    """Return the peak memory in MiB; `ru_maxrss` may be that of the process that started this one."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (MIB if sys.platform == "darwin" else 1024)


def main(count: int = 256, runs: int = 3) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = photographs(Path(name), count)
        vision, images = model(), srsm.load_images(folder)
        layers = [row.name for row in srsm.layers(vision).choose(LAYERS)]
        print(f"{count} images, {len(layers)} layers, batches of {BATCH}, {torch.get_num_threads()} threads")
        plain, usual, hooked, tables = [], [], [], []
        for _ in range(runs):  # in turn, so that a busy machine is busy for all
            plain.append(timed(lambda: plain_loop(vision, images)))
            hooked.append(timed(lambda: srsm.extract(vision, images, LAYERS, batch_size=BATCH)))
            usual.append(timed(lambda: usual_loop(vision, folder)))
            tables.append(table_and_shapes(vision))
        for text, runs_of in (
            ("the same loader, no hooks", plain),
            ("torch's DataLoader, no hooks", usual),
            ("extract", hooked),
        ):
            values = [seconds for seconds, _ in runs_of]
            print(f"  {text:32}{statistics.median(values):7.1f} s [{min(values):.1f}, {max(values):.1f}]")
        for k, kind in enumerate(("time", "processor time")):
            ratios = [a[k] / b[k] for a, b in zip(hooked, plain, strict=True)]
            least = min(run[k] for run in hooked) / min(run[k] for run in plain)
            print(
                f"  extract / same loader, {kind}: {statistics.median(ratios):.3f} in pairs, {least:.3f} the quickest"
            )
        table, shapes = (statistics.median(seconds) for seconds in zip(*tables, strict=True))
        extraction = statistics.median(seconds for seconds, _ in hooked)
        print(f"  table of layers: {table:.2f} s, its shapes alone {shapes:.2f} s: the probe costs", end=" ")
        print(f"{(table - shapes) / extraction:.3f} of the extraction")
        (loop, _), (whole, stored) = peak(folder, extracting=False), peak(folder, extracting=True)
        print(f"  peak memory: {loop:.0f} MiB for the loop, {whole:.0f} MiB to extract; tokens {stored:.0f} MiB")
        # The loop's own peak is the program, the weights and one batch with all that is computed of it.
        print(f"  (extract - loop) / tokens: {(whole - loop) / stored:.3f} (asked for: 1.3)")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--memory"]:
        memory(Path(sys.argv[2]), sys.argv[3])
    else:
        main(*(int(argument) for argument in sys.argv[1:3]))
