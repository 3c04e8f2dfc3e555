"""Keys and shards: nothing is left out of a key, and each cell is in one shard."""

import itertools
import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur.engine.errors import InputError
from secateur.engine.region import Region
from secateur.slicing.key import Key, Shard, differences, exact_text, limits_of


@given(st.integers(1, 9), st.integers(0, 100))
def test_shards_are_disjoint_and_together_are_all_cells(count, number):
    shards = [Shard(index, count) for index in range(1, count + 1)]
    held = [[cell for cell in range(number) if shard.holds(cell)] for shard in shards]
    assert sorted(itertools.chain(*held)) == list(range(number))
    assert [len(some) for some in held] == [shard.size(number) for shard in shards]
    assert all(Shard.parse(str(shard)) == shard for shard in shards)


@pytest.mark.parametrize("text", ["", "0/3", "4/3", "1", "a/b", "1/0", "-1/2", "1/2/3"])
def test_a_shard_that_is_none_is_refused(text):
    with pytest.raises(InputError, match="shard"):
        Shard.parse(text)


@given(st.fractions())
def test_limits_are_written_without_loss(value):
    text = exact_text(value)
    read = Fraction(float.fromhex(text)) if "x" in text else Fraction(text)
    assert read == value


def test_a_key_says_its_region_exactly_and_is_read_back():
    region = Region.box([0.5, Fraction(1, 3)], [0.75, 2])
    key = Key("ab", limits_of(region), "cd", {"samples": 4, "order": ["a", 1]}, "0.1")
    assert key.region[1] == ("1/3", "0x1.0000000000000p+1")
    assert Key.of(json.loads(json.dumps(key.parts()))) == key
    assert key.digest() != Key("ab", limits_of(region), "cd", {"samples": 5}, "0.1").digest()


def test_options_in_options_are_named_once():
    (said,) = differences(
        {"options": {"lossy": {"method": "a"}}}, {"options": {"lossy": {"method": "b"}}}
    )
    assert said == "option method is a here and b there"
