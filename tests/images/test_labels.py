"""Labels: texts and numbers and sets of them; what is missing is none, and anything else is refused by name."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from semrsm_widgets.images import label_set, load_images, sorted_labels

PICTURE = Image.new("RGB", (8, 8))


def labelled(labels):
    return [sorted(names) for names in load_images([PICTURE] * len(labels), labels).labels]


# ---- scalars


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("cat", "cat"),
        (7, "7"),
        (np.int64(7), "7"),
        (torch.tensor(7), "7"),
        (np.array(7), "7"),
        (1.0, "1"),
        (np.float32(2.0), "2"),
        (1e30, "1e+30"),
        (0.5, "0.5"),
        (True, "True"),
        (np.str_("dog"), "dog"),
        (b"dog", "dog"),
        (np.bytes_(b"caf\xe9"), r"caf\xe9"),
        (datetime.date(2024, 5, 1), "2024-05-01"),
        (torch.tensor(3, dtype=torch.int8), "3"),
        (torch.tensor(2.0, dtype=torch.bfloat16, requires_grad=True), "2"),
    ],
)
def test_a_scalar_is_a_label(label, expected):
    assert label_set(label) == {expected}
    assert label_set({label} if not isinstance(label, np.ndarray) else label) == {expected}


@pytest.mark.parametrize(
    "missing",
    [None, "", "  ", float("nan"), np.nan, np.float32("nan"), pd.NA, pd.NaT, np.datetime64("NaT"), np.ma.masked,
     decimal.Decimal("NaN"), torch.tensor(float("nan")), np.array(np.nan), b""],
)  # fmt: skip
def test_what_is_missing_is_no_label(missing):
    assert label_set(missing) == frozenset()
    assert label_set([missing, "cat"]) == {"cat"}
    assert labelled(["a", missing]) == [["a"], []]


@pytest.mark.parametrize("labels", [[1, None], ["cat", None], [True, None]])
@pytest.mark.parametrize("backend", [None, "numpy_nullable"])
def test_a_missing_value_changes_no_other(tmp_path, labels, backend):
    for k in range(2):
        PICTURE.save(tmp_path / f"{k}.png")
    table = pd.DataFrame({"path": [str(tmp_path / f"{k}.png") for k in range(2)], "label": labels})
    if backend is not None:
        table = table.convert_dtypes(dtype_backend=backend)
    assert [sorted(names) for names in load_images(table).labels] == [[str(labels[0])], []]
    assert [sorted(names) for names in load_images([PICTURE] * 2, table["label"]).labels] == [[str(labels[0])], []]


def test_dates_and_categories_of_a_frame_with_gaps(tmp_path):
    dates = pd.Series(pd.to_datetime(["2024-01-02", None]))
    assert labelled(dates) == [["2024-01-02 00:00:00"], []]
    assert labelled(pd.Series(["a", None]).astype("category")) == [["a"], []]


# ---- sets


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ({"a", "b"}, {"a", "b"}),
        (("a", None), {"a"}),
        ({0, 1}, {"0", "1"}),
        ([3, 5], {"3", "5"}),
        (torch.tensor([17, 17, 1]), {"17", "1"}),  # a class for each object in the picture
        (np.array(["a", "b"]), {"a", "b"}),
        (np.array(["a", None], dtype=object), {"a"}),
        (pd.Series(["a", "b"]), {"a", "b"}),
        ([1], {"1"}),
        ([], set()),
        (np.array([]), set()),
    ],
)
def test_a_set_list_or_row_of_scalars_is_a_set_of_labels(label, expected):
    assert label_set(label) == expected


@pytest.mark.parametrize("kind", [torch.tensor, np.array, list, tuple, lambda v: np.array(v, bool), torch.Tensor])
def test_vectors_of_flags_are_refused_with_what_makes_sets_of_them(kind):
    pairs = [(PICTURE, kind([0, 1, 0])), (PICTURE, kind([1, 0, 1]))]
    with pytest.raises(ValueError, match=r"`label of image '0'` .*the vector .*\{name for name, on in zip\(") as caught:
        load_images(pairs)
    # The hint does what it says.
    names = ["glasses", "hat", "beard"]
    made = [(picture, {name for name, on in zip(names, vector, strict=True) if on}) for picture, vector in pairs]
    assert [sorted(found) for found in load_images(made).labels] == [["hat"], ["beard", "glasses"]]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("label", "error"),
    [
        ([-1, 1, -1], ValueError),
        ([0.2, 0.8], ValueError),  # shares of classes
        (torch.tensor([0.1, 0.9]), ValueError),
        (np.eye(2), TypeError),
        (torch.zeros(2, 2), TypeError),
        ({"boxes": [[0, 0, 1, 1]]}, TypeError),
        ([{"category_id": 3}], TypeError),
        (PICTURE, TypeError),
        (object(), TypeError),
        ([["a"], ["b"]], TypeError),
        (1j, TypeError),
    ],
)
def test_other_objects_are_refused_by_the_pictures_name(label, error):
    for source, labels in (([(PICTURE, "a"), (PICTURE, label)], None), ([PICTURE] * 2, ["a", label])):
        with pytest.raises(
            error, match=r"`label of image '1'` must be a text, a number, or a set of these; got"
        ) as caught:
            load_images(source, labels)
        assert len(str(caught.value)) < 400


def test_labels_of_ones_own_replace_those_that_are_no_labels():
    pairs = [(PICTURE, {"boxes": []}), (PICTURE, {"boxes": []})]
    assert labelled_of(load_images(pairs, ["a", None])) == [["a"], []]


def labelled_of(images):
    return [sorted(names) for names in images.labels]


# ---- class numbers


def test_class_numbers_have_names_and_minus_one_is_no_label():
    assert label_set(1, ["cat", "dog"], image="7") == {"dog"}
    assert label_set(-1, ["cat", "dog"]) == frozenset()
    assert label_set(0, [("tench", "Tinca tinca")]) == {"tench, Tinca tinca"}
    with pytest.raises(ValueError, match=r"`label of image '7'` must be a class number from 0 to 1; got 2"):
        label_set(2, ["cat", "dog"], image="7")
    with pytest.raises(ValueError, match="a class number"):
        label_set(-2, ["cat", "dog"], image="7")


# ---- which label is whose


def test_labels_by_id_and_by_place():
    assert labelled_of(load_images([PICTURE] * 2, pd.Series({"1": "b", "0": "a"}))) == [["a"], ["b"]]
    assert labelled(pd.Series(["a", "b"], index=[7, 3])) == [["a"], ["b"]]
    assert labelled(np.array(["a", "b"])) == [["a"], ["b"]]
    assert labelled(torch.tensor([4, 5])) == [["4"], ["5"]]


@pytest.mark.parametrize(
    ("labels", "error", "text"),
    [
        ({"a", "b"}, TypeError, "A set has no order"),
        (pd.DataFrame({"a": [1, 2], "b": [3, 4]}), TypeError, "one column"),
        (pd.Series({"x": "a", "0": "b"}), ValueError, r"key 'x'.*Ids are '0', '1'"),
        (b"ab", TypeError, "`labels`"),
        (np.eye(2, dtype=int), ValueError, "0/1 vector"),
        (["a"] * 3, ValueError, "2 labels, one for each image; got 3"),
    ],
)
def test_labels_whose_order_is_not_that_of_the_pictures_are_refused(labels, error, text):
    with pytest.raises(error, match=text):
        load_images([PICTURE] * 2, labels)


# ---- order


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["10", "9", "1", "0"], ["0", "1", "9", "10"]),
        (["-1", "0.5", "1e3", "-0.25"], ["-1", "-0.25", "0.5", "1e3"]),
        (["class 10", "class 9", "class 9b", "class"], ["class", "class 9", "class 9b", "class 10"]),
        (["b", "3", "a", "10"], ["3", "10", "a", "b"]),
        (["v1.10", "v1.9", "v1.09"], ["v1.09", "v1.9", "v1.10"]),
        (["9" * 5000, "1" + "0" * 5000, "2"], ["2", "9" * 5000, "1" + "0" * 5000]),
        (["+1", "01", "1"], ["+1", "01", "1"]),
        (["²", "2", "٣"], ["2", "²", "٣"]),
    ],
)
def test_labels_sort_as_people_read_them(labels, expected):
    assert sorted_labels(labels) == expected
    assert sorted_labels(reversed(labels)) == expected
