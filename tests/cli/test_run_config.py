"""What a file for `semrsm run` may hold: it is read as documented, or one error of one line names the key."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from semrsm_widgets.cli import main
from semrsm_widgets.cli.run_config import PATHS, TABLES, RunConfig, read_config

KEYS = [(table, key) for table, keys in TABLES.items() for key in keys]
GOOD = {
    ("model", "name"): '"test_resnet"',
    ("model", "pretrained"): "false",
    ("images", "source"): '"photos"',
    ("layers", "names"): '"layer2"',
    ("store", "folder"): '"results"',
}
"""A file of which everything is right: table and key -> value, as TOML has it."""


def quoted(text: str) -> str:
    """Return a text as TOML writes it."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=12),
    st.sampled_from(
        [
            "", " ", "\0", "a\0b", "\n", "\x1b[31mred", "~nobody-of-this-name/x", "~", "..", "/", "a" * 5000,
            "\u202egnp", "\u2028", "é\u0301", "://", "file://", "http://[", "s3://", "tcp://a:1", "*", "[", "[z-a]",
            "{x}", "%s", "$HOME", "-1", "cuda:99", "mps", "meta", "hf-hub:", "a\\b", "'''", '"', "<script>",
        ]
    ),
)  # fmt: skip
NUMBERS = st.sampled_from(
    [
        "0", "-1", "1", "3", "1_000", "9223372036854775808", "1" * 4000, "1" * 5000, f"0x{'f' * 5000}", "0o7", "0b1",
        "1.5", "1e308", "1e400", "-0.0", "nan", "inf", "-inf", "5e-324",
    ]
)  # fmt: skip
VALUES = st.recursive(
    st.one_of(
        TEXTS.map(quoted), NUMBERS, st.sampled_from(["true", "false", "1979-05-27T07:32:00Z", "1979-05-27", "07:32:00"])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda each: f"[{', '.join(each)}]"),
        st.lists(inner, max_size=2).map(lambda each: f"{{{', '.join(f'k{n} = {v}' for n, v in enumerate(each))}}}"),
    ),
    max_leaves=4,
)


def written(values: dict[tuple[str, str], str]) -> str:
    """Return a file: each key dotted, at the top."""
    return "".join(f"{table}.{key} = {value}\n" for (table, key), value in values.items())


def said_of(folder: Path, content: str | bytes) -> str:
    """Return what is said of a file, or "" where it is taken."""
    path = folder / "config.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    try:
        found = read_config(path)
    except (ValueError, TypeError) as error:
        return f"{error}"
    assert isinstance(found, RunConfig)
    return ""


few = settings(
    max_examples=150, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


@few
@given(where=st.sampled_from(KEYS), value=VALUES)
def test_a_key_of_any_value_is_read_or_named(where, value, tmp_path):
    said = said_of(tmp_path, written(GOOD | {where: value}))
    if said:
        assert said.startswith((f"config.toml: `{'.'.join(where)}` must be ", "config.toml is no TOML: ")), said
        assert len(said) < 400


@few
@given(where=st.sampled_from(list(GOOD)), key=TEXTS, value=VALUES)
def test_a_key_that_nobody_knows_is_named(where, key, value, tmp_path):
    table = written(GOOD) + f"{where[0]}.{quoted(key)} = {value}\n"
    outside = f"{quoted(key)} = {value}\n" + written(GOOD)
    for content in (table, outside):
        said = said_of(tmp_path, content)
        assert said.startswith(
            (f"config.toml: `{where[0]}.{key}` ", f"config.toml: [{key}] ", "config.toml is no TOML: ")
        )


@pytest.mark.parametrize("where", KEYS, ids=".".join)
def test_a_key_with_keys_of_its_own_is_named(where, tmp_path):
    values = {key: value for key, value in GOOD.items() if key != where}
    said = said_of(tmp_path, written(values) + f"{'.'.join(where)}.inner.deep = 1\n")
    assert said.startswith(f"config.toml: `{'.'.join(where)}` must be "), said


@pytest.mark.parametrize("where", sorted(GOOD), ids=".".join)
def test_what_is_missing_is_named_where_it_is_needed(where, tmp_path):
    said = said_of(tmp_path, written({key: value for key, value in GOOD.items() if key != where}))
    assert said.startswith(f"config.toml: `{'.'.join(where)}` is missing") == TABLES[where[0]][where[1]].required


@few
@given(content=st.binary(max_size=60))
def test_any_bytes_are_no_file(content, tmp_path):
    assert said_of(tmp_path, content).startswith("config.toml")


@pytest.mark.parametrize(
    "content",
    [
        "x = " + "[" * 100_000,
        "x = " + '{"a" = ' * 100_000,
        f"model.image_size = {'1' * 5000}",
        "a" * 100_000,
        "\ufeff[model]",
    ],
)
def test_deep_and_endless_files_are_no_toml(content, tmp_path):
    assert said_of(tmp_path, content).startswith("config.toml is no TOML: ")


# What only the work itself finds out: texts that are well-formed, and name nothing.
NAMING = [*PATHS[:3], ("model", "name"), ("model", "device"), ("layers", "names")]
HOSTILE = ["\0", "a\nb\x1b[31mred", "~nobody-of-this-name", "n" * 5000, "http://[", "*[\u202e{x!r}"]


@pytest.mark.parametrize("where", NAMING, ids=".".join)
def test_a_text_that_names_nothing_is_named_in_one_line(where, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    for k in range(2):
        Image.fromarray(np.full((8, 8, 3), 90 * k, np.uint8)).save(tmp_path / "photos" / f"{k}.png")
    path = tmp_path / "config.toml"
    for text in HOSTILE:
        path.write_text(written(GOOD | {where: quoted(text)}), encoding="utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            status = main(["run", str(path), "--dry-run"])
        said = capsys.readouterr().err.splitlines()[-1]
        assert status in (0, 1, 2)
        if status:
            assert said.startswith("semrsm: "), said
            assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", said)
            named = ".".join(where) in said or "source" in said
            assert named or (text.startswith("http") and "HTTPFileSystem" in said), (text, said)
        else:  # a folder of any name can be written, if the disk takes it
            assert where == ("store", "folder")
            assert text not in ("\0", "~nobody-of-this-name")
