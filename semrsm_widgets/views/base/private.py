"""What of a view's state may not be saved when its pictures are private, and what stands there instead.

A notebook keeps the state of its widgets and what cells show; JupyterLab, nbconvert and papermill write it to the file.
Names of images are names of files and folders, so they go to the page as messages, which no notebook keeps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _hidden_images(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return as many rows without ids and labels: a label is often the name of a folder."""
    return [{"id": f"image {k}", "labels": []} for k in range(1, len(rows) + 1)]


def _hidden_status(status: dict[str, Any]) -> dict[str, Any]:
    """Return the status line; an error's text may name a file."""
    if status.get("state") != "error":
        return status
    return {**status, "text": "An error, whose text is not saved because it may name a file: see last_error."}


def _hidden_notices(notices: list[str]) -> list[str]:
    """Return that there is something to say; it may name the files that were left out."""
    return ["What was reduced or left out is not saved."] if notices else []


def _hidden_name(name: str) -> str:
    """Return that there is a picture from outside; its name is a file's."""
    return "a picture" if name else ""


HIDDEN: dict[str, Callable[[Any], Any]] = {
    "_images": _hidden_images,
    "_status": _hidden_status,
    "notices": _hidden_notices,
    "_outside_name": _hidden_name,
}
"""Trait -> its value without names."""
