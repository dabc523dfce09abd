"""Tokens in a store are used as any tensor, and no more of them is read than is asked for."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pytest
import torch

from semrsm_widgets.tokens import stored
from semrsm_widgets.tokens.stored import StoredTensor, in_blocks
from semrsm_widgets.tokens.tokens import Tokens

PLAIN = torch.randn(12, 4, 3, generator=torch.Generator().manual_seed(0)).half()


class Source:
    """Reads from memory, and notes what."""

    dtype, label, block = torch.float16, "'there' of 'x.zarr'", 3

    def __init__(self, plain: torch.Tensor = PLAIN) -> None:
        self.plain, self.seen = plain, []

    @property
    def shape(self):
        return tuple(self.plain.shape)

    def read(self, images):
        self.seen.append(images.tolist())
        return self.plain[torch.from_numpy(images)]


INDICES = [
    3, -1, np.int64(2), torch.tensor(5), slice(2, 5), slice(1, 9, 3), [4, 1, 1],
    np.array([0, 11]), torch.tensor([7, -2]), torch.arange(12) > 8, (3, 1), (slice(2, 4), slice(None), 0),
    ([5, 2], slice(None, None, 2)), ([5, 2], [1, 3]), (slice(None), 0), [], (torch.tensor([1, 2]), Ellipsis),
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_an_index_gives_what_a_plain_tensor_gives_and_reads_no_other_image(index):
    source = Source()
    found = StoredTensor(source)[index]
    assert type(found) is torch.Tensor
    assert torch.equal(found, PLAIN[index])
    first = index[0] if isinstance(index, tuple) else index
    wanted = torch.arange(12)[first].reshape(-1).tolist()
    assert source.seen == [wanted]


@pytest.mark.parametrize("index", [12, -13, [0, 12], torch.tensor([-13])], ids=str)
def test_an_index_outside_is_one(index):
    with pytest.raises(IndexError):
        StoredTensor(Source())[index]


def test_its_form_is_known_without_reading():
    source = Source()
    values = StoredTensor(source)
    assert (values.shape, values.dtype, values.device.type, values.ndim) == (PLAIN.shape, torch.float16, "cpu", 3)
    assert (len(values), values.numel(), values.is_floating_point(), values.is_meta) == (12, 144, True, False)
    assert isinstance(values.detach().cpu().contiguous(), StoredTensor)
    assert "x.zarr" in repr(values)
    assert source.seen == []


def test_everything_else_reads_all():
    values = StoredTensor(Source())
    assert torch.equal(values.float().mean(1), PLAIN.float().mean(1))
    assert torch.equal(torch.cat([values, PLAIN]), torch.cat([PLAIN, PLAIN]))
    assert np.array_equal(values.numpy(), PLAIN.numpy())
    assert np.array_equal(np.asarray(values), PLAIN.numpy())
    assert values.tolist() == PLAIN.tolist()
    assert torch.equal(values.flatten(1) @ values.flatten(1).T, PLAIN.flatten(1) @ PLAIN.flatten(1).T)
    assert torch.equal(torch.stack(list(values)), PLAIN)
    assert type(values + 1) is torch.Tensor


def test_it_is_not_written_to():
    values = StoredTensor(Source())
    with pytest.raises(TypeError, match="cannot be changed"):
        values[0] = 1
    with pytest.raises(TypeError, match="cannot be changed"):
        values.mul_(2)


def test_it_travels_as_where_it_is():
    source = Source()
    values = StoredTensor(source).chosen([3, 4])
    assert torch.equal(pickle.loads(pickle.dumps(values))[1], PLAIN[4])
    assert copy.deepcopy(values) is values
    assert source.seen == []


def test_some_images_of_some():
    source = Source()
    tokens = Tokens(values=StoredTensor(source), grid=(2, 2), prefix=StoredTensor(source))
    some = tokens.select([7, 3, 5]).select([2, 0])
    assert source.seen == []
    assert torch.equal(some.values[:], PLAIN[[5, 7]])
    assert torch.equal(some.prefix[0], PLAIN[5])
    assert torch.equal(some.pooled((1, 2)).values, tokens.select([5, 7]).pooled((1, 2)).values)


def test_blocks_are_whole_and_in_order():
    source = Source()
    blocks = list(in_blocks(StoredTensor(source), size=24 * 7))
    assert [here for here, _ in blocks] == [slice(0, 6), slice(6, 12)]
    assert torch.equal(torch.cat([part for _, part in blocks]), PLAIN)
    assert [(here, part is PLAIN) for here, part in in_blocks(PLAIN)] == [(slice(0, 12), True)]


def test_much_at_once_is_said(monkeypatch):
    monkeypatch.setattr(stored, "MOST_AT_ONCE", 100)
    values = StoredTensor(Source())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values[:]
    with pytest.warns(RuntimeWarning, match=r"All of 'there' of 'x.zarr', 0.0 GB, is read into memory"):
        values.sum()
