"""Pixel values: one scale by type and mode, or one that is said for the whole set; anything else is refused."""

import struct
import warnings
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from semrsm_widgets.images import load_images


def grey(images, i=0):
    """Return (H, W) the grey levels of a picture, which must be grey."""
    pixels = np.asarray(images.image(i))
    assert (pixels == pixels[..., :1]).all()
    return pixels[..., 0].astype(int)


def tiff(path, values, *, bits, sample_format, photometric=1, samples=1):
    """Write an uncompressed little-endian TIFF by hand, of any type of values."""
    data = np.ascontiguousarray(values).tobytes()
    height, width = values.shape[:2]
    entries = [
        (256, 3, 1, width),
        (257, 3, 1, height),
        (258, 3, 1, bits) if samples < 3 else (258, 3, samples, 8 + len(data)),
        (259, 3, 1, 1),
        (262, 3, 1, photometric),
        (273, 4, 1, 8),
        (277, 3, 1, samples),
        (278, 3, 1, height),
        (279, 4, 1, len(data)),
        *([(338, 3, 2, 0)] if samples == 5 else []),
        (339, 3, 1, sample_format),
    ]
    depths = struct.pack(f"<{samples}H", *[bits] * samples)
    start = 8 + len(data) + len(depths)
    directory = struct.pack("<H", len(entries))
    directory += b"".join(struct.pack("<HHII", *entry) for entry in entries) + b"\0\0\0\0"
    path.write_bytes(b"II*\0" + struct.pack("<I", start) + data + depths + directory)
    return path


def png16(path, colour, rows, transparent=None):
    """Write a PNG of 16-bit values by hand: rows (H, W, samples)."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    values = np.asarray(rows, ">u2")
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, colour, 0, 0, 0)
    body = b"".join(b"\0" + row.tobytes() for row in values)
    extra = chunk(b"tRNS", struct.pack(">H", transparent)) if transparent is not None else b""
    end = chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + end)
    return path


# ---- one scale for all pictures of a type


def test_a_value_comes_out_the_same_whatever_else_is_in_the_picture(tmp_path):
    for name, brightest in (("dark", 250), ("less_dark", 260), ("twelve_bit", 4095), ("full", 65535)):
        values = np.full((32, 32), 200, np.uint16)
        values[0, 0] = brightest
        Image.fromarray(values).save(tmp_path / f"{name}.png")
    images = load_images(tmp_path)
    assert {grey(images, i)[9, 9] for i in range(4)} == {round(200 * 255 / 65535)}
    assert images.note == "white is 65535 in pictures of more than 8 bits"


@pytest.mark.parametrize("suffix", ["png", "tif", "jp2"])
def test_sixteen_bit_files_arrays_and_tensors_are_one_rule(tmp_path, suffix):
    values = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    Image.fromarray(values).save(tmp_path / f"x.{suffix}")
    expected = np.rint(values / 65535 * 255).astype(int)
    images = load_images([tmp_path / f"x.{suffix}", values, torch.from_numpy(values), values.astype(">u2")])
    for i in range(4):
        np.testing.assert_array_equal(grey(images, i), expected)


def test_twelve_bits_in_sixteen_take_the_scale_that_is_said(tmp_path):
    values = np.linspace(0, 4095, 256 * 16).astype(np.uint16).reshape(64, 64)
    Image.fromarray(values).save(tmp_path / "camera.png")
    Image.fromarray(values // 16).save(tmp_path / "dark.png")
    images = load_images(tmp_path, scale=4095)
    np.testing.assert_array_equal(grey(images, 0), np.rint(values * (255 / 4095)))
    np.testing.assert_array_equal(grey(images, 1), np.rint(values // 16 * (255 / 4095)))
    assert images.scale == (0, 4095)
    assert "white is 4095" in images.note
    assert "white is 4095" in repr(images)
    assert images.select([1]).scale == (0, 4095)
    np.testing.assert_array_equal(grey(load_images([values], scale=4095)), grey(images, 0))
    np.testing.assert_array_equal(grey(load_images(load_images(tmp_path), scale=4095)), grey(images, 0))


def test_thirty_two_bit_integers_have_one_scale_too(tmp_path):
    for name, brightest in (("dark", 250), ("bright", 65535)):
        values = np.full((8, 8), 200, np.int32)
        values[0, 0] = brightest
        Image.fromarray(values).save(tmp_path / f"{name}.tif")
    images = load_images(tmp_path)
    assert grey(images, 0)[4, 4] == grey(images, 1)[4, 4] == 1
    images = load_images(tmp_path, scale=(0, 65535 / 2))
    assert grey(images, 1)[4, 4] == round(200 / (65535 / 2) * 255)
    with pytest.raises(
        OSError, match=r"`image bright.tif` must be in the range from 0 to 32767\.5; got int32 from 200"
    ):
        images.image(0)


def test_values_above_two_to_the_31_are_read_as_they_were_written(tmp_path):
    values = np.array([[0, 2**31], [2**32 - 1, 2**30]], np.uint32)
    path = tiff(tmp_path / "x.tif", values, bits=32, sample_format=1)
    expected = np.rint(values / (2**32 - 1) * 255)
    np.testing.assert_array_equal(grey(load_images([path], scale=2**32 - 1)), expected)


def test_signed_files_and_arrays_take_a_range(tmp_path):
    values = np.array([[-1000, 0], [500, 1000]], np.int16)
    path = tiff(tmp_path / "ct.tif", values, bits=16, sample_format=2)
    expected = np.rint((values + 1000.0) / 2000 * 255)
    for source in (path, values, values.astype(np.float32), torch.from_numpy(values).double()):
        np.testing.assert_array_equal(grey(load_images([source], scale=(-1000, 1000))), expected)
    with pytest.raises(OSError, match=r"`image ct.tif` must be in the range from 0 to 32767; got int32 from -1000 to"):
        load_images([path]).image(0)


def test_a_file_that_says_white_is_zero_is_turned_over(tmp_path):
    values = np.array([[0, 65535], [13107, 1]], np.uint16)
    path = tiff(tmp_path / "x.tif", values, bits=16, sample_format=1, photometric=0)
    np.testing.assert_array_equal(grey(load_images([path])), 255 - np.rint(values / 257))


def test_packed_twelve_bits_are_twelve_bits(tmp_path):
    row = bytes([0x0C, 0x8F, 0xFF])  # 200 and 4095
    path = tiff(tmp_path / "x.tif", np.frombuffer(row, np.uint8).reshape(1, 3), bits=12, sample_format=1)
    content = bytearray(path.read_bytes())
    at = content.index(struct.pack("<HHII", 256, 3, 1, 3))
    content[at : at + 12] = struct.pack("<HHII", 256, 3, 1, 2)
    path.write_bytes(content)
    np.testing.assert_array_equal(grey(load_images([path])), [[round(200 / 4095 * 255), 255]])


def test_the_grey_value_that_a_file_declares_transparent_lies_over_white(tmp_path):
    path = png16(tmp_path / "x.png", 0, [[[0], [257]], [[514], [65535]]], transparent=257)
    np.testing.assert_array_equal(grey(load_images([path])), [[0, 255], [2, 255]])


def test_float_files_keep_their_levels_under_a_range(tmp_path):
    ramp = np.tile(np.linspace(-1000, 1000, 64, dtype=np.float32), (64, 1))
    Image.fromarray(ramp).save(tmp_path / "hounsfield.tif")
    with pytest.raises(OSError, match=r"`image hounsfield.tif` .*float32 from -1000\.0 to 1000\.0\. .*scale=\(-1000"):
        load_images(tmp_path).image(0)
    levels = grey(load_images(tmp_path, scale=(-1000, 1000)))
    np.testing.assert_array_equal(levels, np.rint((ramp.astype(float) + 1000) / 2000 * 255))
    assert len(np.unique(levels)) == 64
    Image.new("RGB", (4, 4)).save(tmp_path / "plain.png")
    Image.fromarray(ramp * np.nan).save(tmp_path / "nothing.tif")
    with pytest.warns(UserWarning, match="2 of 3 images left out") as told:
        load_images(tmp_path, skip_unreadable=True)
    assert len(told) == 1


def test_one_missing_value_is_refused_and_not_black(tmp_path):
    ramp = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (64, 1))
    ramp[3, 3] = np.nan
    Image.fromarray(ramp).save(tmp_path / "one_nan.tif")
    with pytest.raises(OSError, match=r"one_nan.tif.*1 of 4096 values NaN or infinite"):
        load_images(tmp_path).image(0)
    for array in (ramp, torch.from_numpy(ramp), np.where(np.isnan(ramp), np.inf, ramp)):
        with pytest.raises(ValueError, match=r"`image 0`.* from 0\.0 to 1\.0 and 1 of 4096 values NaN"):
            load_images([array])


def test_masked_values_are_missing_values():
    with pytest.raises(ValueError, match="3 of 16 masked"):
        load_images([np.ma.masked_less(np.arange(16, dtype=np.uint8).reshape(4, 4), 3)])


# ---- a scale where there is none to say


def test_pictures_of_eight_bits_keep_theirs(tmp_path):
    Image.new("L", (4, 4), 100).save(tmp_path / "a.png")
    Image.fromarray(np.full((4, 4), 2048, np.uint16)).save(tmp_path / "b.png")
    images = load_images(tmp_path, scale=4095)
    assert [grey(images, i)[0, 0] for i in range(2)] == [100, round(2048 / 4095 * 255)]
    with pytest.raises(
        ValueError, match=r"`scale` must be None for these pictures; got 4095 \(int\)\. Pictures of 8 bits"
    ):
        load_images([tmp_path / "a.png"], scale=4095)
    with pytest.raises(ValueError, match="`scale` must be None"):
        load_images([np.zeros((4, 4), np.uint8)], scale=100)


@pytest.mark.parametrize("colour", [2, 6, 4])
def test_colours_that_pillow_cuts_to_eight_bits_are_not_scaled_wrongly(tmp_path, colour):
    samples = {2: 3, 6: 4, 4: 2}[colour]
    path = png16(tmp_path / "x.png", colour, np.full((2, 2, samples), 65535))
    assert load_images([path]).image(0).getpixel((0, 0)) == (255, 255, 255)
    with pytest.raises(OSError, match="Pillow cuts 16-bit colours to 8"):
        load_images([path], scale=4095).image(0)


def test_a_scale_says_nothing_of_transparency():
    with pytest.raises(ValueError, match=r"x\[\.\.\., :3\]"):
        load_images([np.zeros((4, 4, 4), np.uint16)], scale=4095)


@pytest.mark.parametrize("scale", [0, -1, (1, 1), (5, 2), np.inf, "white", True, (1, 2, 3), (0, np.nan)])
def test_what_is_no_scale_is_refused(scale):
    with pytest.raises((ValueError, TypeError), match="`scale`"):
        load_images([np.zeros((4, 4))], scale=scale)


# ---- rounding


@pytest.mark.parametrize(
    ("value", "level"),
    [
        (1 + 2e-16 * 4, 255),
        (np.float32(1.0000002), 255),
        (-1e-17, 0),
        (np.float64(np.float32(1.0000002)), 255),  # computed in float32, handed on in float64
        (np.float16(1.001), 255),
        (np.float16(-1e-4), 0),
        (torch.tensor(1.0078, dtype=torch.bfloat16), 255),
        (-0.0, 0),
    ],
)
def test_what_rounding_adds_is_clipped(value, level):
    picture = (
        torch.full((3, 8, 8), 0.5).to(value.dtype) if isinstance(value, torch.Tensor) else np.full((8, 8, 3), value)
    )
    if isinstance(value, torch.Tensor):
        picture[:] = value
    assert load_images([picture]).image(0).getpixel((0, 0)) == (level,) * 3


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.001, r"float64 from 1\.001 to 1\.001\. .*clip\(0, 1\)"),
        (np.float32(1.01), r"float32 from 1\.01 to 1\.01"),
        (-0.01, r"from -0\.01 to -0\.01"),
        (-2.1, r"before any normalisation.*scale=\(black, white\)"),
        (np.float16(1.01), r"float16 from 1\.01 to 1\.01"),
    ],
)
def test_what_is_more_than_rounding_is_refused_with_all_its_digits(value, text):
    with pytest.raises(ValueError, match=text):
        load_images([np.full((8, 8, 3), value)])


def test_rounding_is_measured_in_the_range_that_was_said(tmp_path):
    values = np.array([[-1000.00005, 1000.00005]], np.float32)
    assert grey(load_images([values], scale=(-1000, 1000))).tolist() == [[0, 255]]
    with pytest.raises(ValueError, match=r"from -1000\.0 to 1001\.0"):
        load_images([np.array([[-1000, 1001]], np.float32)], scale=(-1000, 1000))


# ---- many bands


@pytest.mark.parametrize(
    ("picture", "text"),
    [
        (np.zeros((32, 32, 13), np.uint8), r"have 13 bands\. Choose three of them, such as x\[\.\.\., \[3, 2, 1\]\]"),
        (np.zeros((13, 32, 32), np.uint16), "have 13 bands"),
        (torch.zeros(13, 32, 32), "have 13 bands"),
        (np.zeros((32, 32, 2), np.uint8), "have 2 bands"),
        (np.zeros((3, 20, 20), np.uint8), r"moveaxis\(x, 0, -1\)"),
        (torch.zeros(20, 20, 3), r"permute\(2, 0, 1\)"),
        (np.zeros((1, 8, 8, 3), np.uint8), r"x\[0\]"),
        (np.zeros((0, 8, 3), np.uint8), "It is empty"),
        (np.zeros((4, 4), complex), "complex128"),
        (np.zeros((4, 4), object), "dtype object"),
    ],
)
def test_arrays_that_are_no_pictures_are_refused_with_a_hint_that_applies(picture, text):
    with pytest.raises(ValueError, match=text) as caught:
        load_images([picture])
    assert "moveaxis" in text or "Channels come" not in str(caught.value) or "permute" in text


@pytest.mark.parametrize(
    ("values", "bits", "sample_format", "samples", "text"),
    [
        (np.zeros((8, 8, 3), np.float32), 32, 3, 3, "TIFF of 3 bands of 32-bit floats, which Pillow does not read"),
        (np.zeros((8, 8)), 64, 3, 1, r"TIFF of 64-bit floats.*load_images\(\[tifffile.imread\(path\)\]\)"),
        (np.zeros((8, 8), np.float16), 16, 3, 1, "TIFF of 16-bit floats"),
        (np.zeros((8, 8, 13), np.uint16), 16, 1, 13, "13 bands of 16-bit integers, and pictures are grey or RGB"),
        (np.full((8, 8), -1, np.int8), 8, 2, 1, "signed 8-bit values, which Pillow reads as unsigned"),
    ],
)
def test_tiffs_that_pillow_does_not_read_are_refused_with_the_true_reason(
    tmp_path, values, bits, sample_format, samples, text
):
    photometric = 2 if samples == 3 else 1
    tiff(tmp_path / "x.tif", values, bits=bits, sample_format=sample_format, samples=samples, photometric=photometric)
    with pytest.raises(OSError, match=text) as caught:
        load_images([tmp_path / "x.tif"])
    assert "no format that Pillow knows" not in str(caught.value)
    assert ".." not in str(caught.value).replace("...", "")


def test_bands_that_a_file_has_besides_its_colours_are_counted(tmp_path):
    tiff(tmp_path / "x.tif", np.zeros((8, 8, 5), np.uint8), bits=8, sample_format=1, samples=5, photometric=2)
    assert load_images([tmp_path / "x.tif"]).note == "1 with further bands, which are not read"


# ---- large pictures


def test_a_picture_beyond_pillows_limit_is_refused_in_one_line(tmp_path, monkeypatch):
    Image.new("1", (400, 300)).save(tmp_path / "slide.png")
    Image.new("RGB", (16, 16)).save(tmp_path / "small.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50_000)
    with pytest.raises(OSError, match=r"'slide.png' cannot be read: it has 120,000 pixels.*MAX_IMAGE_PIXELS") as caught:
        load_images(tmp_path)
    assert "\n" not in str(caught.value)
    assert ".." not in str(caught.value).replace("...", "")
    with pytest.warns(UserWarning, match="slide.png") as told:
        assert load_images(tmp_path, skip_unreadable=True).ids == ("small.png",)
    assert len(told) == 1


def test_a_large_picture_is_decoded_without_a_warning_each_time(tmp_path, monkeypatch):
    Image.new("1", (400, 300)).save(tmp_path / "slide.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images = load_images(tmp_path)
        assert images.image(0).size == images.image(0).size == (400, 300)
        assert images.thumbnail(0).size == (96, 72)


# ---- the digest, by which tokens are kept


def test_another_scale_or_frame_is_another_content(tmp_path):
    Image.fromarray(np.full((8, 8), 200, np.uint16)).save(tmp_path / "deep.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    digests = [load_images([tmp_path / "deep.png"], scale=s).sources[0].digest() for s in (None, 4095, (100, 4095))]
    assert len(set(digests)) == 3
    import hashlib

    # A picture of 8 bits has the digest that it always had: tokens kept in a folder are found again.
    content = (tmp_path / "plain.png").read_bytes()
    assert load_images([tmp_path / "plain.png"]).sources[0].digest() == hashlib.sha256(b"None" + content).hexdigest()


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        (np.array([[0, 3000]]), "4095"),
        (np.array([[0, 300]], np.int32), "1023"),
        (np.array([[0.0, 254.0]]), "255"),
        (np.array([[-3, 300]], np.int16), r"\(-3, 300\)"),
        (np.array([[2.5, 700.0]]), r"\(2.5, 700.0\)"),
    ],
)
def test_the_error_names_a_scale_that_works(values, scale):
    with pytest.raises(ValueError, match=rf"scale={scale}\)\.$"):
        load_images([values])
    given = eval(scale.replace("\\", ""))
    assert load_images([values], scale=given).image(0).size == (2, 1)
