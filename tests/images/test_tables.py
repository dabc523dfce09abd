"""Tables of paths and labels, as spreadsheets and data frames hold them."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from semrsm_widgets.images import load_images

PICTURE = Image.new("RGB", (8, 8))


@pytest.fixture
def folder(tmp_path):
    for k in range(3):
        PICTURE.save(tmp_path / f"{k}.png")
    return tmp_path


def read(folder, content, name="table.csv"):
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    images = load_images(folder / name)
    return list(images.ids), [sorted(names) for names in images.labels] if images.labels else None


BOTH = (["0.png", "1.png"], [["a"], ["b"]])


@pytest.mark.parametrize(
    "content",
    [
        "path,label\n0.png,a\n1.png,b\n",
        "path, label\n0.png, a\n1.png, b\n",
        "path , label \n 0.png , a \n1.png,b",
        "path;label\n0.png;a\n1.png;b\n",
        "path\tlabel\n0.png\ta\n1.png\tb\n",
        "label;path\r\na;0.png\r\nb;1.png\r\n",
        "sep=;\npath;label\n0.png;a\n1.png;b\n",
        "Path,Label\n0.png,a\n1.png,b\n",
        "path,label,,\n0.png,a,,\n1.png,b,,\n,,,\n",
        "\n\npath,label\n\n0.png,a\n1.png,b\n\n",
        '"path", "label"\n"0.png", "a"\n"1.png", "b"\n',
        "path,label\r0.png,a\r1.png,b\r",
        "\ufeffpath,label\n0.png,a\n1.png,b\n",
        "path,label\n0.png,a\n1.png,b\n".encode("utf-16"),
        "path\tlabel\n0.png\ta\n1.png\tb\n".encode("utf-16"),
        "image,class\n0.png,a\n1.png,b\n",
        'path,label,comment\n0.png,a,"two\nlines"\n1.png,b,"a ""word"", and more"\n',
    ],
)
def test_tables_as_spreadsheets_write_them(folder, content):
    assert read(folder, content) == BOTH
    frame = pd.DataFrame({"path": [str(folder / "0.png"), str(folder / "1.png")], "label": ["a", "b"]})
    assert load_images(frame).labels == load_images(folder / "table.csv").labels


def test_cells_may_be_huge_and_labels_may_hold_commas(folder):
    long = "x" * 300_000
    ids, labels = read(folder, f'path,label,comment\n0.png,"a, b",{long}\n1.png,,{long}\n')
    assert (ids, labels) == (["0.png", "1.png"], [["a, b"], []])


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (
            "path,label\n0.png,caf\xe9\n".encode("latin-1"),
            r"`table.csv, row 2` must be text in UTF-8; got the byte 0xe9",
        ),
        ("path,label\n0.png,a\n".encode("utf-16-le"), "UTF-16 without its mark"),
        ("path,label\n,a\n1.png,b\n", r"`table.csv, row 2` must be a picture's path under 'path'; got nothing"),
        ("path,label\n0.png,a\n\n  ,b\n", "`table.csv, row 4`"),
        ("path,label\n0.png,a, b\n", r"`table.csv, row 2` must be 2 cells; got 3\. Put quotation marks"),
        ('path,label\n0.png,a\n1.png,"b\n', r"`table.csv, row 3` must be a row of cells; got unexpected end of data"),
        ("path,path\n0.png,1.png\n", "a name for each column"),
        ("path,label\n", "at least one row"),
        ("", "at least one row"),
        ("0.png,a\n1.png,b\n", r"a column 'path' \(and perhaps 'label'\); got the columns '0.png', 'a'"),
        ("x" * 5000 + ",a\n1,2\n", "got the columns 'xxx"),
    ],
)
def test_a_broken_table_is_refused_by_file_and_row(folder, content, text):
    with pytest.raises(ValueError, match=text) as caught:
        read(folder, content)
    assert not isinstance(caught.value, UnicodeError)
    assert str(folder) not in str(caught.value)
    assert len(str(caught.value)) < 300
    assert ".." not in str(caught.value).replace("...", "")


def test_a_row_that_names_no_picture_is_named_without_its_folder(folder):
    (folder / "sub").mkdir()
    for cell, text in (("gone.png", "'gone.png' does not exist"), (".", "it is a folder, no file")):
        (folder / "t.csv").write_text(f"path\n0.png\n{cell}\n")
        with pytest.raises(OSError, match=text) as caught:
            load_images(folder / "t.csv")
        assert str(folder) not in str(caught.value)


# ---- data frames and mappings


def test_a_frame_without_a_path_in_a_row_names_the_row(folder):
    for missing in (None, np.nan, pd.NA, ""):
        table = pd.DataFrame({"path": [str(folder / "0.png"), missing], "label": ["a", "b"]})
        with pytest.raises(ValueError, match=r"`row 2` must be a picture's path under 'path'; got nothing"):
            load_images(table)


@pytest.mark.parametrize(
    ("table", "error", "text"),
    [
        ({"path": 3}, TypeError, r"`source\['path'\]` must be a column"),
        ({"path": "a.png"}, TypeError, "must be a column"),
        ({"path": ["a.png", "b.png"], "label": "ab"}, TypeError, r"`source\['label'\]` must be a column"),
        ({"path": ["a.png", "b.png"], "label": ["a"]}, ValueError, "2 pictures and 1 labels"),
        ({"path": [3]}, ValueError, r"`row 1` must be a picture's path under 'path'; got 3 \(int\)"),
        ({"file": ["a.png"]}, ValueError, "column 'path'"),
        ({"path": ["a.png"], "label": [{"x": 1}]}, TypeError, "`label of image 'a.png'`"),
        (pd.DataFrame([["a.png", "b", "c"]], columns=["path", "label", "label"]), ValueError, "one column 'label'"),
    ],
)
def test_tables_that_do_not_fit_are_refused(table, error, text):
    with pytest.raises(error, match=text):
        load_images(table)


class Arrow:
    """A table in the manner of pyarrow: `columns` are the columns themselves, `column_names` their names."""

    class Column(list):
        def to_pylist(self):
            return [self[k] for k in range(len(self))]

        def __iter__(self):
            return iter(map(repr, range(len(self))))  # scalars of its own

    def __init__(self, **columns):
        self.content = {name: self.Column(values) for name, values in columns.items()}
        self.column_names = list(columns)
        self.columns = list(self.content.values())
        self.shape = (3, len(columns))

    def __getitem__(self, name):
        return self.content[name]


def test_tables_of_other_packages(folder):
    paths = [str(folder / f"{k}.png") for k in range(3)]
    images = load_images(Arrow(path=paths, label=["a", None, "b"]))
    assert images.ids == ("0.png", "1.png", "2.png")
    assert [sorted(names) for names in images.labels] == [["a"], [], ["b"]]
    with pytest.raises(ValueError, match=r"got the columns 'name', 'x'\.$") as caught:
        load_images(Arrow(name=paths * 1000, x=paths * 1000))
    assert len(str(caught.value)) < 200


def test_pictures_themselves_may_stand_in_a_table(folder):
    content = (folder / "0.png").read_bytes()
    cells = [PICTURE, {"bytes": content, "path": None}, np.zeros((8, 8), np.uint8), content, str(folder / "0.png")]
    images = load_images(pd.DataFrame({"image": cells, "label": list("abcde")}))
    assert images.ids == ("0", "1", "2", "3", "0.png")
    assert all(np.asarray(image).tolist() == np.asarray(PICTURE).tolist() for image in images)
    assert images.labels[3] == {"d"}
