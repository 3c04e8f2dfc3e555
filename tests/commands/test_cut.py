"""A cut: what the file that is written keeps of the original, by an oracle in rationals."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import extremes

from secateur.commands import replay
from secateur.commands.cut import is_constant, make_cut
from secateur.commands.cut_record import cut_record
from secateur.engine.agreement import Best
from secateur.engine.formats import load
from secateur.engine.network import Network, Origin
from secateur.engine.pair import merge
from secateur.engine.region import Region
from secateur.redundancy.aim import Aim
from secateur.redundancy.guarantee import Outputs, SameBest
from secateur.redundancy.phase import Effort
from secateur.redundancy.plan import simplify

EFFORT = Effort(seconds=2.0, samples=500, workers=1)


def network_of(seed, sizes=(2, 4, 3, 2), dtype="float32"):
    """Return a network of eighths."""
    rng = np.random.default_rng(seed)
    weights = [rng.integers(-8, 9, (b, a)) / 8 for a, b in itertools.pairwise(sizes)]
    return Network.dense(
        weights, [rng.integers(-4, 5, b) / 8 for b in sizes[1:]], Origin(dtype=dtype)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cuts")


BOX = Region.box([-0.5, 0.0], [0.75, 1.0])


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    eighths=st.integers(0, 6),
    ending=st.sampled_from(["onnx", "nnet"]),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_the_written_file_is_within_what_its_cut_says(folder, seed, eighths, ending, dtype):
    network = network_of(seed, dtype=dtype)
    target = folder / f"out.{ending}"
    aim = Aim(Outputs(Fraction(eighths, 8)))
    cut = make_cut(network, BOX, target, effort=EFFORT, aim=aim)
    both = merge(network, load(target)).network
    ends = extremes(both, BOX.lower, BOX.upper, both.output)
    apart = max(max(high, -low) for low, high in ends)
    assert apart <= Fraction(cut.distance) <= Fraction(eighths, 8)
    assert apart >= cut.replayed.exact
    assert not cut.exact or apart == 0
    if cut.error is not None:
        assert cut.error.attained <= cut.error.searched
    assert cut_record(cut)["output"]["path"] == str(target)


@settings(max_examples=20)
@given(
    seed=st.integers(0, 10_000),
    best=st.sampled_from(Best),
    eighths=st.integers(0, 2),
    ending=st.sampled_from(["onnx", "nnet"]),
)
def test_the_written_file_prefers_no_other_output(folder, seed, best, eighths, ending):
    network = network_of(seed, (2, 4, 3, 3))
    target, band = folder / f"best.{ending}", Fraction(eighths, 8)
    make_cut(network, BOX, target, effort=EFFORT, aim=Aim(SameBest(best, band)))
    grid = np.stack(np.meshgrid(np.arange(11), np.arange(11)), axis=-1).reshape(-1, 2)
    points = np.array(
        [[Fraction(int(a) * 5, 40) - Fraction(1, 2), Fraction(int(b), 10)] for a, b in grid]
    )
    sign = 1 if best is Best.MAX else -1
    for f, g in zip(
        sign * network.evaluate(points, exact=True),
        sign * load(target).evaluate(points, exact=True),
        strict=True,
    ):
        first, second = sorted(f)[:-3:-1]
        assert first - second <= band or max(g) == g[int(np.argmax(f))]


@given(st.integers(0, 40))
def test_constant_is_said_only_where_it_is_so(seed):
    rng = np.random.default_rng(seed)
    weights = [rng.integers(-1, 2, (3, 2)) / 1.0, rng.integers(-1, 2, (2, 3)) / 1.0]
    network = Network.dense(weights, [rng.integers(-3, 1, 3) / 1.0, np.zeros(2)])
    region = Region.box([0.0, 0.0], [1.0, 1.0])
    plan = simplify(network, region, EFFORT)
    ends = extremes(network, np.zeros(2), np.ones(2), network.output)
    flat = all(low == high for low, high in ends)
    assert not is_constant(plan, rng) or flat


def planned(guarantee):
    """Return a plan with removals beyond phases."""
    plan = simplify(network_of(3), BOX, EFFORT, aim=Aim(guarantee))
    assert plan.removals
    return plan


def test_a_breach_is_seen_in_rationals_and_only_there():
    third = Fraction(1, 3)
    plan = planned(Outputs(Fraction(1, 2)))
    assert replay.breach(plan, [third, third], [third + Fraction(1, 2), third]) is None
    beyond = third + Fraction(1, 2) + Fraction(1, 10**30)
    assert replay.breach(plan, [third, third], [beyond, third]) is not None
    plan = planned(SameBest(Best.MIN, Fraction(1, 8)))
    band = Fraction(1, 8)
    assert replay.breach(plan, [third, third + band], [third + 1, third]) is None
    assert replay.breach(plan, [third, third + 2 * band], [third, third]) is None
    assert replay.breach(plan, [third, third + 2 * band], [third + 1, third]) is not None


def test_floats_are_compared_only_as_long_as_there_is_time(folder, monkeypatch):
    monkeypatch.setattr(replay, "SECONDS", 0.0)
    cut = make_cut(network_of(3), BOX, folder / "out.onnx", effort=EFFORT)
    assert 0 < cut.replayed.float_points < replay.FLOAT_POINTS


def test_a_region_without_floats_is_compared_in_rationals_alone(folder):
    third = Fraction(1, 3)
    region = Region((third, Fraction(0)), (third, Fraction(1)), "thin")
    cut = make_cut(network_of(3), region, folder / "out.onnx", effort=EFFORT)
    assert cut.replayed.floats is None
    assert cut.replayed.exact == 0
