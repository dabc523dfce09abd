"""The tutorials: their exercises, how they are run in a kernel, and how they are saved.

`python tests/helpers/tutorials.py [NAME ...]` executes the notebooks (all of them, or those whose names begin so) and
saves them with what they show: pictures in place of widgets, nothing of the exercises' checks, no times and no widget
state, so that what a rerun changes is what has changed.
"""

from __future__ import annotations

import ast
import copy
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NAMES = tuple(path.stem for path in sorted(FOLDER.glob("[0-9]*.ipynb")))
"""The tutorials. Beside them stands the glossary, which is read and not run."""
LESSONS = tuple(name for name in NAMES if not name.startswith("01"))
"""Those with exercises: all but the quickstart."""

WIDGET = "application/vnd.jupyter.widget-view+json"
_DETAILS = re.compile(r"<details>\s*<summary>Solution.*?```python\n(.*?)```.*?</details>", re.DOTALL)


@dataclass(frozen=True)
class Exercise:
    """An exercise of a notebook: the sources of the cell to fill in, of its solution, and of its checks."""

    name: str
    cell: str
    solution: str
    checks: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """What a notebook did in a kernel.

    Attributes:
        notebook: as it is after it was run untouched.
        untouched: exercise -> outputs of each of its checks in the notebook as it is.
        solved: exercise -> outputs of each of its checks after the solution was put into its cell.
        wrong: (exercise, what is wrong) -> outputs of each of its checks after a wrong answer.
    """

    notebook: Any
    untouched: dict[str, list[list[Any]]]
    solved: dict[str, list[list[Any]]]
    wrong: dict[tuple[str, str], list[list[Any]]]


def read(name: str) -> Any:
    """Return a notebook by its file's name without the suffix."""
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def tags(cell: Any) -> list[str]:
    """Return the tags of a cell."""
    return list(cell.metadata.get("tags", []))


def exercises(notebook: Any) -> list[Exercise]:
    """Return the exercises: cells tagged `ex1`, ... and `exercise`, `check` (there may be more) or `solution`."""
    found: dict[str, dict[str, Any]] = {}
    for cell in notebook.cells:
        names = [tag for tag in tags(cell) if re.fullmatch(r"ex\d+", tag)]
        for kind in {"exercise", "check", "solution"} & set(tags(cell)):
            (name,) = names
            text = _DETAILS.search(cell.source)[1] if kind == "solution" else cell.source  # type: ignore[index]
            parts = found.setdefault(name, {"checks": ()})
            if kind == "check":
                parts["checks"] += (text,)
            else:
                parts["cell" if kind == "exercise" else kind] = text
    return [Exercise(name, **parts) for name, parts in found.items()]


def wrong_answers(source: str) -> dict[str, str]:
    """Return what a student may hand in for an exercise: nothing, another shape, an error, a cell that was not run."""
    functions, values = [], []
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            functions.append(node.name)
        elif isinstance(node, ast.Assign):
            values += [target.id for target in node.targets if isinstance(target, ast.Name)]
    bodies = {"None": "None", "shape": "__import__('numpy').zeros((3, 5))", "error": "[][7]"}
    answers = {}
    for kind, body in bodies.items():
        lines = [f"{name} = lambda *a, **k: {body}" for name in functions]
        lines += [f"{name} = {body}" for name in values if kind != "error"]
        answers[kind] = "\n".join(lines)
    answers["missing"] = "\n".join(f"globals().pop({name!r}, None)" for name in [*functions, *values])
    return {kind: text for kind, text in answers.items() if text}


@cache
def run(name: str) -> Run:
    """Run a notebook untouched and then, in the same kernel, each exercise solved and answered wrongly."""
    notebook = read(name)
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}, record_timing=False
    )
    with client.setup_kernel():

        def outputs(source: str) -> list[Any]:
            cell = nbformat.v4.new_code_cell(source, metadata={"tags": ["raises-exception"]})
            notebook.cells.append(cell)
            client.execute_cell(cell, len(notebook.cells) - 1)
            return list(cell.outputs)

        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
        executed = copy.deepcopy(notebook)
        todo = exercises(executed)
        checks = {cell.source: list(cell.outputs) for cell in executed.cells if "check" in tags(cell)}
        solved, wrong = {}, {}
        for each in todo:
            assert not errors(outputs(each.solution)), f"{name}, {each.name}: the solution raises"
            solved[each.name] = [outputs(check) for check in each.checks]
            for kind, answer in wrong_answers(each.cell).items():
                outputs(answer)
                wrong[each.name, kind] = [outputs(check) for check in each.checks]
    return Run(executed, {each.name: [checks[check] for check in each.checks] for each in todo}, solved, wrong)


def errors(outputs: list[Any]) -> list[Any]:
    """Return those outputs that are errors."""
    return [output for output in outputs if output.output_type == "error"]


def clean(notebook: Any) -> Any:
    """Return an executed notebook as it is saved."""
    saved = copy.deepcopy(notebook)
    saved.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    count = 0
    for cell in saved.cells:
        cell.metadata = nbformat.from_dict({"tags": tags(cell)} if tags(cell) else {})
        if cell.cell_type != "code":
            continue
        count += 1
        cell.execution_count = count
        if "check" in tags(cell):
            cell.execution_count, cell.outputs = None, []
        cell.outputs = [
            output for output in cell.outputs if WIDGET not in output.get("data", {}) and not _empty(output)
        ]
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = count
    return saved


def _empty(output: Any) -> bool:
    """Return whether an output shows nothing: what a progress bar leaves, on a machine that is slow enough for one."""
    return set(output.get("data", {})) == {"text/plain"} and not output.data["text/plain"]


def save(name: str) -> None:
    """Execute a notebook and save it with what it shows."""
    nbformat.write(clean(run(name).notebook), FOLDER / f"{name}.ipynb")


if __name__ == "__main__":
    for wanted in [name for name in NAMES if name.startswith(tuple(sys.argv[1:]) or "")]:
        print(wanted, flush=True)
        save(wanted)
