"""Masks and their planes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.errors import InputError
from skysift.geom import Box2I
from skysift.image import Mask, MaskSchema


@pytest.fixture
def mask():
    return Mask(np.zeros((4, 6), dtype=np.int32), (100, 50))


def test_default_planes(mask):
    expected = ["BAD", "SAT", "INTRP", "CR", "EDGE", "DETECTED", "DETECTED_NEGATIVE", "SUSPECT", "NO_DATA", "VIGNETTED", "STREAK"]
    assert mask.planes == {name: bit for bit, name in enumerate(expected)}
    assert all(mask.schema.docs[name] for name in expected)
    assert mask.bitmask("BAD", "CR") == 9 == mask.bitmask(["BAD", "CR"])
    assert mask.bitmask() == 0
    assert mask.bitmask("NONE", "SAT", ignore_missing=True) == 2
    with pytest.raises(InputError, match="NONE"):
        mask.bitmask("NONE")


def test_planes_belong_to_one_mask(mask):
    other = Mask(np.zeros((2, 2), dtype=np.int32))
    assert mask.add_plane("CROSSTALK", "ghost of another amplifier") == 11
    assert mask.add_plane("CROSSTALK") == 11
    assert "CROSSTALK" not in other.schema
    part, copy = mask[101:103, 51:53], mask.copy()
    part.set("NEW", np.ones((2, 2), dtype=bool))
    assert mask.planes["NEW"] == 12
    assert "NEW" not in copy.schema
    mask.remove_plane("NEW")
    assert not mask.array.any()
    assert mask.add_plane("AGAIN") == 12
    with pytest.raises(TypeError):
        mask.planes["X"] = 3


def test_set_and_clear(mask):
    mask.set("SAT", Box2I((98, 51), (4, 100)))
    np.testing.assert_array_equal(mask.has("SAT"), [[False] * 6] + [[True] * 2 + [False] * 4] * 3)
    where = np.zeros((4, 6), dtype=bool)
    where[0, 5] = True
    mask.set("CR", where)
    spans = SimpleNamespace(y=np.array([49, 50, 53, 54]), x0=np.array([100, 103, 90, 100]), x1=np.array([101, 104, 101, 101]))
    mask.set("EDGE", spans)
    np.testing.assert_array_equal(np.argwhere(mask.has("EDGE")), [[0, 3], [0, 4], [3, 0], [3, 1]])
    assert mask.counts()["SAT"] == 6
    mask.clear("SAT", Box2I((100, 50), (1, 4)))
    assert mask.counts()["SAT"] == 3
    mask.clear(["SAT", "EDGE", "UNKNOWN"])
    assert mask.counts() == dict.fromkeys(mask.planes, 0) | {"CR": 1}
    mask.set("BAD", Box2I((0, 0), (3, 3)))
    assert mask.counts()["BAD"] == 0
    assert not mask.has("UNKNOWN").any()
    with pytest.raises(InputError):
        mask.set("BAD", np.zeros((2, 2), dtype=bool))
    with pytest.raises(InputError):
        mask.set("BAD", np.zeros((4, 6)))


def test_interpret(mask):
    assert mask.interpret(mask.bitmask("CR", "SAT")) == "SAT,CR"
    assert mask.interpret(0) == ""
    assert mask.interpret(1 << 20 | 1) == "BAD,BIT20"
    assert mask.interpret(np.int32(-(2**31))) == "BIT31"


def test_kinds_of_input():
    assert Mask(np.array([[True, False]])).array.tolist() == [[1, 0]]
    assert Mask(np.array([[3, 4]], dtype=">i2")).array.dtype == np.int32
    array = np.zeros((2, 2), dtype=np.int32)
    assert Mask(array).array is array
    with pytest.raises(InputError):
        Mask(np.zeros((2, 2)))


def test_or_with_other_bits(mask):
    other = Mask(np.full((4, 6), 0b101, dtype=np.int32), schema=MaskSchema({"GHOST": 0, "BAD": 2}))
    mask.set("SAT", Box2I((100, 50), (1, 1)))
    mask |= other
    assert mask.counts()["BAD"] == 24
    assert mask.counts()["GHOST"] == 24
    assert mask.counts()["SAT"] == 1
    assert other.planes == {"GHOST": 0, "BAD": 2}
    assert (mask | other).counts() == mask.counts()
    with pytest.raises(InputError):
        mask |= Mask(np.zeros((1, 1), dtype=np.int32))


def test_full_schema():
    schema = MaskSchema({f"P{i}": i for i in range(31)})
    with pytest.raises(InputError):
        schema.add("ONE_MORE")
    with pytest.raises(InputError):
        MaskSchema({"A": 1, "B": 1})
    with pytest.raises(InputError):
        MaskSchema({"A": 31})


@settings(deadline=None, max_examples=60)
@given(st.permutations(range(31)), st.integers(0, 2**31 - 1), st.sampled_from(["<i4", ">i4", "<u8", ">i8"]))
def test_remapping_keeps_the_names(bits, value, dtype):
    planes = {f"P{i}": bit for i, bit in enumerate(bits[:20])}
    value &= sum(1 << bit for bit in planes.values())
    source = MaskSchema(planes)
    values = np.array([[value, 0]], dtype=dtype)
    target = MaskSchema({"P19": 0, "P3": 7})
    result = Mask(values.astype(np.int32), schema=source).remapped(target)
    assert set(result.interpret(result.array[0, 0]).split(",")) == set(source.interpret(value).split(","))
    assert result.array[0, 1] == 0
    assert result.schema is target


def test_description(mask):
    mask.set("SAT", Box2I((100, 50), (2, 1)))
    assert repr(mask) == "Mask(6 x 4 at (100, 50): SAT 2)"
    assert "nothing flagged" in repr(Mask(np.zeros((0, 0), dtype=np.int32)))
