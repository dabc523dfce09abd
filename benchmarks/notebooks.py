"""What a tutorial takes on one core: seconds and memory of a kernel that runs it from top to bottom.

Run: python benchmarks/notebooks.py [NAME ...], such as 03; all of them take some minutes. The kernel's start and the
import of PyTorch are in it; JupyterLab and the browser are not. Needs nbclient: pip install -e ".[test]".
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
USED = """import resource
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)"""


def measured(path: Path) -> tuple[float, float, float]:
    """Return the seconds by the clock, the kernel's seconds of processor time and its largest memory in MiB."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(USED))
    resources = {"metadata": {"path": str(path.parent)}}
    started = time.perf_counter()
    NotebookClient(notebook, timeout=900, kernel_name="python3", resources=resources).execute()
    seconds = time.perf_counter() - started
    processor, memory = map(float, notebook.cells[-1].outputs[0].text.split())
    return seconds, processor, memory / 1024


def main(names: list[str]) -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # kernels inherit it
    os.environ["OMP_NUM_THREADS"] = "1"
    print(
        "| notebook | seconds by the clock | processor seconds | memory at its peak, MiB |\n| --- | --- | --- | --- |"
    )
    for path in sorted(FOLDER.glob("[0-9]*.ipynb")):
        if not names or path.name.startswith(tuple(names)):
            seconds, processor, memory = measured(path)
            print(f"| {path.stem} | {seconds:.0f} | {processor:.0f} | {memory:.0f} |", flush=True)
    print(f"load at the end {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main(sys.argv[1:])
