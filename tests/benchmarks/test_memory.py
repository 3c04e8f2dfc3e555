"""The boxes that the memory measurement lets wait cover the region, and each job does its work."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from secateur.benchmarks.memory import JOBS, cut


@given(st.integers(1, 3), st.integers(1, 300), st.integers(0, 2**32))
def test_parts_cover_a_box_without_overlap(inputs, least, seed):
    rng = np.random.default_rng(seed)
    lower = rng.normal(size=inputs)
    upper = lower + rng.uniform(0.1, 2.0, inputs)
    low, high = cut(lower, upper, least)
    assert least <= len(low) <= 2 * least
    assert (low <= high).all()
    assert np.isclose(np.prod(high - low, axis=1).sum(), np.prod(upper - lower))


def test_a_job_says_how_many_boxes_waited():
    assert set(JOBS) >= {"waiting", "waiting pair", "neurons", "bounded"}
