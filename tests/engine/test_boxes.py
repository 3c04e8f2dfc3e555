"""Boxes that wait: what is added comes back bit for bit, whatever was taken in between."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.engine.boxes import Boxes, Waiting, packed, unpacked


def some(rng, count, inputs, flags, questions):
    return Boxes(
        rng.normal(size=(count, inputs)),
        rng.normal(size=(count, inputs)),
        rng.integers(0, 4, (count, *flags), dtype=np.uint8),
        rng.integers(0, 2, (count, questions), dtype=np.uint8),
        rng.normal(size=(count, questions)),
        rng.integers(0, 99, count, dtype=np.int32),
        rng.normal(size=count),
    )


def rows(boxes):
    return sorted(
        tuple(
            np.concatenate(
                [np.ravel(getattr(boxes, name)[at]) for name in Boxes.__slots__]
            ).tolist()
        )
        for at in range(len(boxes))
    )


@given(
    st.integers(0, 9),
    st.tuples(st.integers(1, 2), st.integers(0, 9)),
    st.integers(0, 2**32),
)
def test_signs_are_packed_without_loss(count, flags, seed):
    signs = np.random.default_rng(seed).integers(0, 4, (count, *flags), dtype=np.uint8)
    kept = packed(signs)
    assert kept.shape == (count, -(-flags[0] * flags[1] // 4))
    assert np.array_equal(unpacked(kept, flags), signs)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 700), min_size=1, max_size=6), st.integers(0, 2**32))
def test_what_waits_is_what_was_added_and_not_taken(sizes, seed):
    rng = np.random.default_rng(seed)
    waiting, expected = Waiting((2, 5)), []
    for size in sizes:
        added = some(rng, size, 3, (2, 5), 2)
        waiting.add(added)
        expected += rows(added)
        places = waiting.places()
        taken = rng.choice(places, len(places) // 2, replace=False) if len(places) else places
        if len(taken):
            out = waiting.take(np.sort(taken))
            waiting.drop(taken)
            for row in rows(out):
                expected.remove(row)
    assert len(waiting) == len(expected)
    parts = list(waiting)
    assert (rows(Boxes.join(parts)) if parts else []) == sorted(expected)


def test_the_farthest_and_the_reach_look_at_open_questions_alone():
    rng = np.random.default_rng(1)
    waiting, boxes = Waiting((1, 3)), some(rng, 30, 2, (1, 3), 4)
    waiting.add(boxes)
    seen = np.where(boxes.open > 0, boxes.reach, -np.inf)
    assert np.array_equal(waiting.reach(4), seen.max(axis=0))
    scale = np.array([1.0, 2.0, 4.0, 8.0])
    assert np.array_equal(waiting.farthest(waiting.places(), scale), (seen / scale).max(axis=1))


def test_room_grows_by_no_second_copy():
    """Room doubles, and what was added before stays as it was."""
    rng = np.random.default_rng(2)
    waiting, first = Waiting((1, 8)), some(rng, 200, 2, (1, 8), 1)
    waiting.add(first)
    waiting.add(some(rng, 5000, 2, (1, 8), 1))
    back = waiting.take(np.arange(200))
    assert rows(back) == rows(first)
