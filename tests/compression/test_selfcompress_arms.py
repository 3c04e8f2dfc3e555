"""Plain, unsafe and safe runs at equal bits, and their intervals."""

import math

import numpy as np
import pytest
from pictures_drawn import pictures

from secateur.compression.safety import SafetySet, safety_set
from secateur.compression.selfcompress_arms import (
    Arm,
    gains,
    hard_rows,
    interval,
    means,
    run_arms,
)
from secateur.compression.selfcompress_fresh import trained
from secateur.compression.selfcompress_plan import Guard, Plan
from secateur.engine.errors import InputError

SPLIT = pictures(noise=0.5).split((6, 2, 2), 0)
PLAN = Plan(gamma=0.2, epochs=8, batch=16, rate=5e-3, most_bytes=260)


def start(seed):
    return trained(SPLIT.train, (4,), (8,), Plan(epochs=3, batch=16, rate=5e-3, seed=seed))


@pytest.fixture(scope="module")
def safety():
    return safety_set(start(0), SPLIT, 12, 0)


def test_arms_end_at_equal_size_and_begin_alike(safety):
    told = []
    runs = run_arms(
        start,
        SPLIT,
        PLAN,
        safety,
        Guard(safety.images, threshold=0.2, restores=1),
        (0, 1),
        show=lambda *words: told.append(words),
    )
    assert [(run.seed, run.arm) for run in runs] == [(s, a) for s in (0, 1) for a in Arm]
    assert told[-1][1:] == (6, 6)
    assert all(run.reached and run.bytes <= 260 for run in runs)
    assert max(run.bytes for run in runs) - min(run.bytes for run in runs) < 60
    assert not any(run.restored for run in runs if run.arm is not Arm.SAFE)
    for measure in ("test", "hard", "safety"):
        found = means(runs, measure)
        assert set(found) == set(Arm)
        assert all(0 <= one.mean <= 1 for one in found.values())
        safe = [getattr(run, measure) for run in runs if run.arm is Arm.SAFE]
        plain = [getattr(run, measure) for run in runs if run.arm is Arm.PLAIN]
        gain = gains(runs, measure, Arm.PLAIN)
        assert gain.mean == pytest.approx(np.mean(safe) - np.mean(plain))


def test_intervals_are_students():
    """Against the table: t of 0.975 with 4 degrees of freedom is 2.776."""
    values = [1.0, 2.0, 3.0, 4.0, 5.0]
    found = interval(values)
    reach = 2.7764451 * math.sqrt(2.5) / math.sqrt(5)
    assert found.mean == 3.0
    assert found.upper - 3.0 == pytest.approx(reach, rel=1e-6)
    assert 3.0 - found.lower == pytest.approx(reach, rel=1e-6)
    assert interval([2.0]).upper == math.inf
    with pytest.raises(InputError):
        interval([])


def test_intervals_cover_the_mean_as_often_as_they_say():
    rng = np.random.default_rng(0)
    found = [interval(rng.normal(7.0, 2.0, 5)) for _ in range(1000)]
    covered = np.mean([one.lower <= 7.0 <= one.upper for one in found])
    assert 0.93 < covered < 0.97


def test_hard_rows_have_the_smallest_margins():
    network = start(0)
    rows = hard_rows(network, SPLIT.test, 0.25)
    outputs = np.sort(network.evaluate(SPLIT.test.inputs), axis=1)
    margin = outputs[:, -1] - outputs[:, -2]
    held = margin[np.isin(SPLIT.test.rows, rows.rows)]
    assert len(rows) == math.ceil(len(SPLIT.test) / 4)
    assert held.max() <= np.sort(margin)[len(rows) - 1]
    with pytest.raises(InputError):
        hard_rows(network, SPLIT.test, 0.0)


def test_comparisons_that_make_no_sense_are_refused(safety):
    guard = Guard(safety.images)
    with pytest.raises(InputError, match="size"):
        run_arms(start, SPLIT, Plan(), safety, guard, (0,))
    with pytest.raises(InputError, match="seed"):
        run_arms(start, SPLIT, PLAN, safety, guard, ())
    test = SPLIT.test.subset(np.arange(4))
    zeros = np.zeros(4)
    wrong = SafetySet(test, zeros.astype(int), zeros, zeros, zeros.astype(int))
    with pytest.raises(InputError, match="test rows"):
        run_arms(start, SPLIT, PLAN, wrong, guard, (0,))


def test_fresh_networks_are_the_same_for_a_seed():
    first, again = start(3), start(3)
    point = SPLIT.test.inputs[0]
    assert np.array_equal(first.evaluate(point), again.evaluate(point))
    assert not np.array_equal(first.evaluate(point), start(4).evaluate(point))
