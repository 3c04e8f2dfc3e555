"""A data set checks its numbers once; its parts are disjoint, stratified and the same each time."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur.compression.data import Dataset, Source, fits
from secateur.engine.errors import InputError
from secateur.engine.network import Network

FIELDS = ("train", "validation", "test")


def labelled(labels, classes=None, **more):
    labels = np.asarray(labels, np.int64)
    classes = int(labels.max(initial=0)) + 1 if classes is None else classes
    inputs = np.arange(2 * len(labels), dtype=np.float32).reshape(-1, 2)
    return Dataset(inputs, (2,), labels, classes=classes, **more)


def parts(split):
    return [getattr(split, name) for name in FIELDS]


shares = st.tuples(*[st.integers(0, 8)] * 3).filter(any)
label_lists = st.lists(st.integers(0, 4), min_size=30, max_size=120)


@given(label_lists, shares, st.integers(0, 2**32))
def test_parts_are_disjoint_whole_stratified_and_deterministic(labels, shares, seed):
    data = labelled(labels, 5)
    try:
        split = data.split(shares, seed)
    except InputError:
        # Only where a part is so small that rounding may leave it nothing.
        assert min(share for share in shares if share) * len(labels) < sum(shares) * 5
        return
    rows = np.concatenate([part.rows for part in parts(split)])
    assert np.array_equal(np.sort(rows), np.arange(len(labels)))
    for part, share in zip(parts(split), shares, strict=True):
        wanted = share / sum(shares) * data.count()
        assert (np.abs(part.count() - wanted) < 1).all()
        assert abs(len(part) - wanted.sum()) <= 3
        assert np.array_equal(part.inputs, data.inputs[part.rows])
        assert np.array_equal(part.labels, data.labels[part.rows])
    again = data.split(shares, seed)
    assert [one.digest for one in parts(again)] == [one.digest for one in parts(split)]


def test_another_seed_is_another_draw():
    data = labelled(np.repeat(np.arange(4), 50))
    drawn = {data.split((6, 2, 2), seed).train.digest for seed in range(5)}
    assert len(drawn) == 5


def test_decimals_and_proportions_are_the_same_shares():
    data = labelled(np.repeat(np.arange(10), 10))
    one, other = data.split((0.7, 0.2, 0.1), 3), data.split((7, 2, 1), 3)
    assert [len(part) for part in parts(one)] == [70, 20, 10]
    assert [part.digest for part in parts(one)] == [part.digest for part in parts(other)]
    assert (one.train.count() == 7).all()


def test_few_rows_of_many_classes_still_fill_every_part():
    """Rounding each class by itself would leave the small parts nothing."""
    split = labelled(np.repeat(np.arange(20), 4)).split((8, 1, 1), 0)
    assert [len(part) for part in parts(split)] == [64, 8, 8]


def test_the_test_set_of_the_publisher_stays_the_test_set():
    data = labelled(np.tile(np.arange(5), 20), published=80)
    split = data.split((3, 1, 1), 0)
    assert np.array_equal(split.test.rows, np.arange(80, 100))
    assert [len(split.train), len(split.validation)] == [60, 20]
    kept = data.subset(np.arange(0, 100, 2))
    assert (kept.split((3, 1, 1), 0).test.rows >= 80).all()
    training = data.subset(np.arange(80))
    assert max(part.rows.max() for part in parts(training.split((3, 1, 1), 0))) < 80
    with pytest.raises(InputError, match="not for training"):
        data.subset(np.arange(80, 100)).split((1, 1, 1), 0)
    with pytest.raises(InputError, match="has a test set of its own"):
        data.split((0, 0, 1), 0)


def test_rows_without_labels_are_one_class():
    data = Dataset(np.zeros((10, 3)), (3,), targets=np.ones((10, 2)))
    split = data.split((5, 3, 2), 1)
    assert [len(part) for part in parts(split)] == [5, 3, 2]
    assert split.test.targets.shape == (2, 2)


@pytest.mark.parametrize("wrong", [(0, 0, 0), (1, -1, 1), (float("nan"), 1, 1), (1, 1)])
def test_shares_that_make_no_sense_are_refused(wrong):
    with pytest.raises(InputError, match="shares"):
        labelled([0, 1, 2] * 9).split(wrong, 0)


def test_a_part_without_a_row_is_refused():
    with pytest.raises(InputError, match="leave none for the test part"):
        labelled([0, 0]).split((1, 1, 1e-6), 0)


@given(label_lists, st.data())
def test_a_subset_of_a_subset_keeps_the_numbers_of_its_rows(labels, data):
    held = labelled(labels)
    picks = st.lists(st.integers(0, len(labels) - 1), max_size=20)
    first = data.draw(picks.filter(bool))
    second = data.draw(st.lists(st.integers(0, len(first) - 1), max_size=20))
    got = held.subset(np.array(first)).subset(np.array(second, np.int64))
    assert np.array_equal(got.rows, np.array(first)[np.array(second, np.int64)])
    assert np.array_equal(got.inputs, held.inputs[got.rows])


def test_the_digest_is_of_the_numbers_alone():
    data = labelled([0, 1, 1, 0])
    same = labelled([0, 1, 1, 0], name="other", source=(Source("here", "00"),))
    assert data.digest == same.digest
    others = [
        labelled([0, 1, 1, 1]),
        labelled([0, 1, 1, 0], 3),
        Dataset(data.inputs, (1, 2), data.labels, classes=2),
        Dataset(data.inputs, (2,)),
        Dataset(data.inputs, (2,), targets=np.zeros((4, 1))),
    ]
    assert len({data.digest, *(other.digest for other in others)}) == 6


def test_arrays_are_read_only_and_apart_from_what_was_given():
    given = np.zeros((3, 2), np.float32)
    data = Dataset(given, (2,), np.zeros(3, np.int64), classes=1)
    given[0, 0] = 7
    assert data.inputs[0, 0] == 0
    for array in (data.inputs, data.labels, data.rows):
        assert not array.flags.writeable
    assert Dataset(data.inputs, (2,)).inputs is data.inputs


NUMBERS = np.zeros((3, 2), np.float32)
BAD = NUMBERS.copy()
BAD[1, 1] = np.nan


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"inputs": BAD}, "inputs hold nan in row 1, column 1"),
        ({"inputs": np.full((3, 2), 1e300)}, "must be finite in float32"),
        ({"inputs": np.zeros(3)}, "inputs have shape (3,)"),
        ({"shape": (3,)}, "does not hold the 2 features"),
        ({"labels": np.array([0, 4, 1]), "classes": 3}, "row 1 has label 4"),
        ({"labels": np.array([0, -1, 1]), "classes": 3}, "row 1 has label -1"),
        ({"labels": np.array([0.0, 1.0, 1.0]), "classes": 3}, "give whole numbers"),
        ({"labels": np.array([0, 1]), "classes": 3}, "labels are 2, inputs 3"),
        ({"labels": np.array([0, 1, 1])}, "give 1 or more with labels"),
        ({"classes": 4}, "4 classes but no labels"),
        ({"targets": np.zeros((2, 5))}, "targets are 2, inputs 3"),
        ({"targets": np.full((3, 1), np.inf)}, "targets hold inf in row 0, column 0"),
    ],
)
def test_what_does_not_agree_is_refused(fields, said):
    with pytest.raises(InputError, match=re.escape(said)):
        Dataset(**{"inputs": NUMBERS, "shape": (2,), **fields})


@pytest.mark.parametrize("wrong", [[3], [-1], [0.5], [[0]]])
def test_indices_out_of_range_are_refused(wrong):
    with pytest.raises(InputError):
        Dataset(NUMBERS, (2,)).subset(np.array(wrong))


NETWORK = Network.dense([np.ones((3, 2))], [np.zeros(3)])


def test_data_that_fit_a_network_pass():
    fits(labelled([0, 1, 2]), NETWORK)
    fits(labelled([0, 1], 3), NETWORK, every_class=False)
    fits(Dataset(NUMBERS, (2,)), NETWORK)
    fits(Dataset(NUMBERS, (2,), targets=np.zeros((3, 3))), NETWORK)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (Dataset(np.zeros((1, 5)), (5,)), "5 features"),
        (labelled([0, 1]), "there are 2 classes"),
        (labelled([0, 2, 3]), "there are 4 classes"),
        (labelled([0, 2], 3), "no row has class 1"),
        (Dataset(NUMBERS, (2,), targets=np.zeros((3, 2))), "2 targets"),
    ],
)
def test_data_that_do_not_fit_a_network_are_refused(data, said):
    with pytest.raises(InputError, match=said):
        fits(data, NETWORK)
