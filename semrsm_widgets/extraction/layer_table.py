"""The table of a model's layers: what can be extracted, what is by default, and how users name what they want."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import overload

from semrsm_widgets.common import Grid, check_int, message, suggest

from .layout import Layout, fitted, token_shape

Layers = str | int | Sequence[str] | Callable[["LayerRow"], bool] | None
"""What `extract(layers=...)` takes."""

LONGEST_TEXT = 40  # rows; longer tables show stages and blocks only
FEWEST_DEFAULTS = 6


@dataclass(frozen=True)
class LayerRow:
    """One layer: one tensor that a submodule gives.

    Attributes:
        name: what to call it in `extract(layers=...)`: the submodule's path, "@k" for its k-th call if it is called
            more than once, and "[1]" or ".key" if it returns more than one tensor.
        kind: the submodule's class.
        shape: shape of its output for one image.
        layout: how that is read as tokens.
        default: whether `extract` takes it unasked.
        caution: why its tokens are no function of the picture alone; "" if they are.
        same_as: name of the outermost other layer that gives the very same tensor; "" if none, or if this is it.
        path: the submodule's path; "" is the model itself.
        call: which call of the submodule, from 1.
        calls: how often the submodule is called in one forward.
        leaf: which of the tensors that it returns.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    layout: Layout
    default: bool = False
    caution: str = ""
    same_as: str = ""
    path: str = ""
    call: int = 1
    calls: int = 1
    leaf: str = ""

    def batch_shape(self, n: int) -> tuple[int, ...]:
        """Return the shape of its output for n images."""
        first = 1 if self.layout.axes == "LNC" else 0
        return (*self.shape[:first], n, *self.shape[first:])

    @property
    def note(self) -> str:
        """What to know of its tokens: why they are no function of the picture alone, why they have no grid."""
        return "; ".join(filter(None, (self.caution, self.layout.note)))

    @property
    def readable(self) -> bool:
        """Whether the output can be read as tokens of the images."""
        return bool(self.layout.axes)

    @property
    def grid(self) -> Grid | None:
        """(h, w) of the tokens, or None."""
        return self.layout.grid

    @property
    def prefix(self) -> int:
        """Number of tokens that stand at no position."""
        return self.layout.prefix

    @property
    def S(self) -> int | None:  # noqa: N802 (the field's letter)
        """Number of tokens, without the prefix."""
        return token_shape(self.shape, self.layout)[0] if self.readable else None

    @property
    def D(self) -> int | None:  # noqa: N802 (the field's letter)
        """Number of channels."""
        return token_shape(self.shape, self.layout)[1] if self.readable else None


class LayerTable(Sequence[LayerRow]):
    """All layers of a model in the order in which they finish; shown as a table.

    Attributes:
        rows: every layer.
        levels: layer names, ever finer: stages, then blocks. The defaults come from the first that is fine enough.
        uncalled: submodules that this forward does not call.
        others: submodules that it calls and that give no floating tensor of two axes or more: what they give.
        aliases: other names of submodules, by the name that the table uses.
        has_class_token: whether the model has a class token, which stands before any other prefix token.
        steady: whether a forward leaves the model's buffers as they are.
        single: whether the model takes one picture at a time only.
        exported: whether it is what torch.export makes, in which no submodule is called.

    Example:
        >>> table = layers(load_model())
        >>> table["blocks.4"].grid, table["blocks.4"].D
        ((14, 14), 112)
        >>> table.defaults[:3]
        ('conv_stem', 'blocks.0', 'blocks.1')
    """

    def __init__(
        self,
        rows: Sequence[LayerRow],
        levels: Sequence[Sequence[str]] = ((),),
        uncalled: Sequence[str] = (),
        *,
        others: Mapping[str, str] | None = None,
        aliases: Mapping[str, str] | None = None,
        has_class_token: bool = False,
        steady: bool = True,
        single: bool = False,
        exported: bool = False,
    ) -> None:
        self.rows = tuple(rows)
        self.levels = tuple(tuple(level) for level in levels)
        self.uncalled = frozenset(uncalled)
        self.aliases = dict(aliases or {})
        self.has_class_token = has_class_token
        self.steady = steady
        self.single = single
        self.exported = exported
        self.others = dict(others or {})
        self._by_name = {row.name: row for row in self.rows}
        assert len(self._by_name) == len(self.rows), "two layers of one name"

    @overload
    def __getitem__(self, key: int | str) -> LayerRow: ...
    @overload
    def __getitem__(self, key: slice) -> Sequence[LayerRow]: ...
    def __getitem__(self, key: int | str | slice) -> LayerRow | Sequence[LayerRow]:
        return self._named(key) if isinstance(key, str) else self.rows[key]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[LayerRow]:
        return iter(self.rows)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all layers."""
        return tuple(row.name for row in self.rows)

    @property
    def defaults(self) -> tuple[str, ...]:
        """Names of the layers that `extract` takes unasked."""
        return tuple(row.name for row in self.rows if row.default)

    def laid_out(self, layouts: Mapping[str, Layout]) -> LayerTable:
        """Return the table with some layers read by layouts that a user gave, each checked against the shape.

        Raises:
            ValueError: a name is no layer's, or a layout does not fit the layer's output.
        """
        given = {self._named(name).name: layout for name, layout in layouts.items()}
        rows = [
            replace(row, layout=fitted(given[row.name], row.shape, row.name)) if row.name in given else row
            for row in self.rows
        ]
        return LayerTable(
            rows,
            self.levels,
            sorted(self.uncalled),
            others=self.others,
            aliases=self.aliases,
            has_class_token=self.has_class_token,
            steady=self.steady,
            single=self.single,
            exported=self.exported,
        )

    def choose(self, layers: Layers = None, layout: Layout | None = None) -> tuple[LayerRow, ...]:
        """Return the rows that `extract(layers=...)` means, in depth order.

        Args:
            layers: None for the defaults; a name, a glob ("*" stops at a dot, "**" does not) or "re:" with a regular
                expression of whole names, or several of these; a number of stages or blocks, evenly spaced in depth;
                or a function that says of a `LayerRow` whether to take it.
            layout: how all of them are to be read; then any layer can be named, also one without tokens.

        Raises:
            ValueError: a name or glob fits no layer (the nearest are named), or one that has no tokens.
            TypeError: `layers` is none of these.
        """
        if layout is not None:
            names = {row.name for row in self.laid_out(dict.fromkeys(self._nameable(layers), layout)).choose(layers)}
            return self.laid_out(dict.fromkeys(names, layout)).choose(sorted(names))
        if not any(row.readable for row in self.rows):
            why = f"{self.rows[-1].name!r}: {self.rows[-1].layout.note}" if self.rows else "there is none"
            raise ValueError(message("layers", "layers with tokens", f"a model without any ({why})"))
        if layers is None:
            chosen = set(self.defaults)
        elif isinstance(layers, int):
            chosen = set(self._evenly(layers))
        elif isinstance(layers, str):
            chosen = self._matching(layers)
        elif isinstance(layers, Sequence) and all(isinstance(name, str) for name in layers):
            if not layers:
                raise ValueError(message("layers", "at least one name", "none", "None means the default layers."))
            chosen = set().union(*map(self._matching, layers))
        elif callable(layers):
            chosen = {row.name for row in self.rows if row.readable and layers(row)}
            if not chosen:
                raise ValueError(message("layers", "a function that is true for a layer", "one that is for none"))
        else:
            raise TypeError(message("layers", "None, a name, a glob, an int, a list of names or a function", layers))
        return tuple(row for row in self.rows if row.name in chosen)

    def _evenly(self, count: int) -> list[str]:
        enough = max(count, FEWEST_DEFAULTS)
        level = next((level for level in self.levels if len(level) >= enough), max(self.levels, key=len))
        todo = "Name layers or use a glob to take others as well."
        check_int("layers", count, minimum=1, maximum=max(len(level), 1), todo=todo)
        last = len(level) - 1
        return [level[round(k * last / max(count - 1, 1))] for k in range(count)] if count > 1 else [level[last]]

    def _nameable(self, layers: Layers) -> list[str]:
        """Return the layers that are named one by one and have no tokens as they are."""
        several = layers if isinstance(layers, Sequence) else ()
        named = [layers] if isinstance(layers, str) else [name for name in several if isinstance(name, str)]
        plain = [name for name in named if not name.startswith("re:") and not set("*?") & set(name)]
        return [row.name for row in map(self._named, plain) if not row.readable]

    def _matching(self, pattern: str) -> set[str]:
        expression = pattern.removeprefix("re:") if pattern.startswith("re:") else None
        if expression is None and "*" not in pattern and "?" not in pattern:
            row = self._named(pattern)
            if not row.readable:
                raise ValueError(
                    message("layers", "layers with tokens", f"{pattern!r}", f"Of this one, {row.layout.note}.")
                )
            return {row.name}
        regex = _glob(pattern) if expression is None else _expression(expression)
        found = {row.name for row in self.rows if row.readable and regex.fullmatch(row.name)}
        if not found:
            todo = suggest(re.sub(r"^re:|[*?]", "", pattern), [row.name for row in self.rows if row.readable])
            kind = "glob" if expression is None else "regular expression"
            raise ValueError(message("layers", f"a {kind} that fits a layer", f"{pattern!r}", todo))
        return found

    def _named(self, name: str) -> LayerRow:
        for prefix in ("", "module.", "_orig_mod."):  # names copied from a wrapped model mean the same
            bare = name.removeprefix(prefix)
            path = bare.partition("@")[0].partition("[")[0]
            bare = bare.replace(path, self.aliases.get(path, path), 1)
            if bare in self._by_name:
                return self._by_name[bare]
        if name in self.uncalled:
            todo = "This forward never calls it."
            if self.exported:
                todo = (
                    "A module of torch.export is one graph: only 'output' can be taken of it, in batches of the size "
                    "that it was made for. Take the module that it was made from."
                )
            raise ValueError(message("layers", "layers that are called", f"{name!r}", todo))
        if name in self.others:
            todo = f"This forward calls it, but it returns {self.others[name]}: take a layer before or after it."
            raise ValueError(message("layers", "layers that give a floating tensor", f"{name!r}", todo))
        own = [row.name for row in self.rows if row.path == name]
        todo = f"It gives several: {', '.join(map(repr, own))}." if own else suggest(name, self.names)
        raise ValueError(message("layers", "names of layers", f"{name!r}", todo))

    def _shown(self) -> list[LayerRow]:
        """Return all rows of a short table; else those that are stages or blocks at some level."""
        if len(self) <= LONGEST_TEXT:
            return list(self.rows)
        known = {name for level in self.levels for name in level} | set(self.defaults)
        return [row for row in self.rows if row.name in known]

    def __repr__(self) -> str:
        return self.text()

    def text(self, *, every: bool = False) -> str:
        """Return the table as text: stages and blocks of a long one, or `every` layer."""
        shown = list(self.rows) if every else self._shown()
        cells = [_HEAD, *(_cells(row) for row in shown)]
        widths = [max(len(line[k]) for line in cells) for k in range(len(_HEAD))]
        lines = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells]
        return "\n".join([*lines, self._footer(len(shown))])

    def _footer(self, shown: int) -> str:
        more = f"; {len(self) - shown} more submodules in .names" if shown < len(self) else ""
        never = f"; {len(self.uncalled)} submodules are never called" if self.uncalled else ""
        return f"{len(self.defaults)} layers by default (*){more}{never}{self._single_note()}"

    def _single_note(self) -> str:
        return "; the model takes one picture at a time: batch_size=1" if self.single else ""

    def _repr_html_(self) -> str:
        shown = self._shown()
        body = "".join(_html_row(row) for row in shown)
        rest = [row for row in self.rows if row not in shown]
        more = ""
        if rest:
            inner = "".join(_html_row(row) for row in rest)
            more = (
                f"<details><summary>{len(rest)} more submodules</summary>"
                f'<div style="max-height:24em;overflow:auto"><table>{_html_head()}<tbody>{inner}</tbody></table></div>'
                "</details>"
            )
        caption = f"{len(self.defaults)} layers by default, in bold{self._single_note()}"
        return f"<table><caption>{caption}</caption>{_html_head()}<tbody>{body}</tbody></table>{more}"


_HEAD = ("", "name", "kind", "calls", "shape", "layout", "S", "grid", "D", "prefix", "note")


def _cells(row: LayerRow) -> tuple[str, ...]:
    grid = "×".join(map(str, row.grid)) if row.grid else "–"
    note = f"same as {row.same_as}" if row.same_as else row.note
    numbers = [str(value) if value is not None else "–" for value in (row.S, row.D, row.prefix or None)]
    tokens, channels, prefix = numbers
    shape = "×".join(map(str, row.shape))
    layout = f"{row.layout.axes or '–'}{', reordered' if row.layout.order else ''}"
    calls = str(row.calls) if row.calls > 1 else ""
    start = ("*" if row.default else "", row.name, row.kind, calls, shape, layout)
    return (*start, tokens, grid, channels, prefix, note)


def _html_head() -> str:
    return "<thead><tr>" + "".join(f"<th>{escape(name)}</th>" for name in _HEAD[1:]) + "</tr></thead>"


def _html_row(row: LayerRow) -> str:
    # No colours of our own: the notebook's theme, light or dark, decides.
    weight = ' style="font-weight:bold"' if row.default else ""
    return f"<tr{weight}>" + "".join(f"<td>{escape(cell)}</td>" for cell in _cells(row)[1:]) + "</tr>"


def _expression(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(message("layers", "a regular expression after re:", f"{pattern!r} ({error})")) from None


def _glob(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a glob over dotted names; brackets are literal, they occur in names."""
    special = {"**": ".*", "*": r"[^.]*", "?": r"[^.]"}
    return re.compile("".join(special.get(part, re.escape(part)) for part in re.split(r"(\*\*|\*|\?)", pattern)))
