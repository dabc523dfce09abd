"""How long the demo takes: all default layers of the bundled model extracted and matched, after import and compilation.

Run: python benchmarks/demo.py [RUNS]
"""

from __future__ import annotations

import platform
import statistics
import sys
import time


def timed(work):
    started = time.perf_counter()
    answer = work()
    return answer, time.perf_counter() - started


def main(runs: int = 5) -> None:
    def imports():
        import timm  # noqa: F401
        import torch  # noqa: F401

        import semrsm_widgets.analysis
        import semrsm_widgets.views  # noqa: F401

    _, import_seconds = timed(imports)
    import torch

    import semrsm_widgets as srsm
    from semrsm_widgets.matching.solvers.engine import engine, warm_up

    compile_seconds = warm_up()
    images = srsm.demo_images()
    model, load_seconds = timed(srsm.load_model)
    extraction, matching = [], []
    for _ in range(runs):
        tokens, seconds = timed(lambda: srsm.extract(model, images, max_grid=16))
        extraction.append(seconds)
        analysis = srsm.Analysis(images, tokens, model=model)
        _, seconds = timed(lambda analysis=analysis: [analysis.similarities(layer) for layer in analysis.layers])
        matching.append(seconds)
    whole = [a + b for a, b in zip(extraction, matching, strict=True)]
    print(f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, {engine().simd} SIMD")
    print(f"import                                    {import_seconds:6.2f} s")
    print(f"compile or load the matcher               {compile_seconds:6.2f} s")
    print(f"load the model                            {load_seconds:6.2f} s")
    print(f"{len(images)} images, {len(analysis.layers)} layers, medians of {runs} runs [least, most]:")
    for name, values in (("extract", extraction), ("match, with null and aligned", matching), ("both", whole)):
        print(f"  {name:40}{statistics.median(values):6.2f} s [{min(values):.2f}, {max(values):.2f}]")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
