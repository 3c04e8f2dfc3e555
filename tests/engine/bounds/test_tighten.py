import time
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from liars import LIES, Liar, boastful
from oracle import extremes, reach
from strategies import networks_with_boxes, points, uneven_networks

from secateur.engine.assemble import Partitioned, assemble
from secateur.engine.bounds.interval import interval
from secateur.engine.bounds.tighten import Effort, Side, tighten
from secateur.engine.errors import SolverError
from secateur.engine.formats.onnx_read import read_onnx
from secateur.engine.network import Network
from secateur.engine.solvers import solver
from secateur.engine.verdict import Method

NEAR = 1e-5
some = settings(max_examples=50)


def every(network, node=None):
    return np.arange(network.by_name[node or network.output].size)


def asked(network, box, **options):
    """Tighten every output from interval bounds."""
    bounds = reach(network, *box)
    node = options.pop("node", network.output)
    return tighten(network, *box, bounds, node, every(network, node), **options)


def holds(found, truth):
    """Whether bounds enclose exact extremes, compared without rounding."""
    return all(
        Fraction(float(low)) <= least and most <= Fraction(float(high))
        for low, high, (least, most) in zip(found.lower, found.upper, truth, strict=True)
    )


@some
@given(st.data())
def test_linear_bounds_hold_the_exact_extremes_and_every_sample(data):
    network, box = data.draw(networks_with_boxes())
    found = asked(network, box)
    assert holds(found, extremes(network, *box, network.output))
    values = network.evaluate(data.draw(points(box, 16)))
    assert (values >= found.lower - 1e-9).all()
    assert (values <= found.upper + 1e-9).all()
    assert found.rebuilt
    assert found.complete


@settings(max_examples=60)
@given(networks_with_boxes(uneven_networks()))
def test_numbers_of_all_sizes_never_end_in_a_wrong_bound(case):
    network, box = case
    truth = extremes(network, *box, network.output)
    for method, relu in ((Method.LP, None), (Method.LP, Partitioned(2)), (Method.MILP, None)):
        assert holds(asked(network, box, method=method, relu=relu), truth)


@some
@given(networks_with_boxes())
def test_bounds_are_never_wider_than_those_given(case):
    network, box = case
    lower, upper = reach(network, *box)[network.output]
    for method in (Method.LP, Method.MILP):
        found = asked(network, box, method=method)
        assert (found.lower >= lower).all()
        assert (found.upper <= upper).all()


@pytest.mark.parametrize("trust", [False, True], ids=["searched", "trusted"])
@settings(max_examples=40)
@given(case=networks_with_boxes())
def test_whole_phases_give_the_exact_extremes(trust, case):
    network, box = case
    found = asked(network, box, method=Method.MILP, trust=trust)
    truth = extremes(network, *box, network.output)
    assert found.rebuilt or trust
    assert holds(found, truth) or trust
    for low, high, (least, most) in zip(found.lower, found.upper, truth, strict=True):
        assert low == pytest.approx(float(least), rel=NEAR, abs=NEAR)
        assert high == pytest.approx(float(most), rel=NEAR, abs=NEAR)


@some
@given(networks_with_boxes())
def test_candidates_lie_in_the_box_and_between_the_bounds(case):
    network, (lower, upper) = case
    found = asked(network, (lower, upper), method=Method.MILP)
    for query in range(found.lower.size):
        for point in found.points[query]:
            assert (lower <= point).all()
            assert (point <= upper).all()
            value = network.evaluate(point)[query]
            assert found.lower[query] - NEAR <= value <= found.upper[query] + NEAR
        values = network.evaluate(found.points[query])[:, query]
        assert values == pytest.approx(
            [found.lower[query], found.upper[query]], rel=10 * NEAR, abs=10 * NEAR
        )


@settings(max_examples=25)
@given(networks_with_boxes())
def test_partitions_tighten_a_linear_bound(case):
    network, box = case
    plain, finer = asked(network, box), asked(network, box, relu=Partitioned(3))
    assert finer.rebuilt
    assert (finer.lower >= plain.lower - 1e-4).all()
    assert (finer.upper <= plain.upper + 1e-4).all()
    assert holds(finer, extremes(network, *box, network.output))


@settings(max_examples=15)
@given(networks_with_boxes())
def test_cbc_gives_sound_linear_bounds_too(case):
    network, box = case
    found = asked(network, box, effort=Effort(solver=solver("cbc")))
    assert holds(found, extremes(network, *box, network.output))
    assert found.rebuilt
    whole = asked(network, box, method=Method.MILP, trust=True, effort=Effort(solver=solver("cbc")))
    assert holds(whole, extremes(network, *box, network.output))


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
@settings(max_examples=20)
@given(case=networks_with_boxes())
def test_a_lying_solver_never_ends_in_a_wrong_bound(lie, case):
    network, box = case
    truth = extremes(network, *box, network.output)
    for method in (Method.LP, Method.MILP):
        try:
            found = asked(network, box, method=method, effort=Effort(solver=Liar(lie), programs=20))
        except SolverError:
            continue
        assert holds(found, truth)


def kinked():
    """Relu(x) - relu(-x) - relu(x - 1), whose interval and linear bounds are all apart."""
    return Network.dense([[[1.0], [-1.0], [1.0]], [[1.0, -1.0, -1.0]]], [[0.0, 0.0, -1.0], [0.0]])


BOX = np.array([-2.0]), np.array([2.0])


def test_a_bound_beyond_the_network_is_an_error():
    with pytest.raises(SolverError):
        asked(kinked(), BOX, method=Method.MILP, trust=True, effort=Effort(solver=Liar(boastful)))

    def hidden(outcome):
        """A boast without a point that would give it away."""
        return type(outcome)(outcome.status.LIMIT, bound=outcome.bound + 1e3)

    with pytest.raises(SolverError, match="take another solver"):
        asked(kinked(), BOX, method=Method.MILP, trust=True, effort=Effort(solver=Liar(hidden)))


@pytest.mark.parametrize(
    ("method", "trust"), [(Method.LP, False), (Method.MILP, False), (Method.MILP, True)]
)
def test_the_error_of_the_objective_is_added(monkeypatch, method, trust):
    plain = asked(kinked(), BOX, method=method, trust=trust)

    def with_error(*given):
        made = assemble(*given)
        value = replace(made.values[made.target], error=np.array([0.125]))
        return replace(made, values={**made.values, made.target: value})

    monkeypatch.setattr("secateur.engine.bounds.tighten.assemble", with_error)
    wider = asked(kinked(), BOX, method=method, trust=trust)
    assert plain.lower - wider.lower >= 0.125
    assert wider.upper - plain.upper >= 0.125


def test_one_neuron_s_search_leaves_no_trace_in_the_next():
    generator = np.random.default_rng(4)
    shapes = [(6, 2), (6, 6), (4, 6)]
    network = Network.dense(
        [generator.normal(size=shape) for shape in shapes],
        [generator.normal(size=shape[0]) for shape in shapes],
    )
    box = -np.ones(2), np.ones(2)
    together = asked(network, box, method=Method.MILP)
    assert holds(together, extremes(network, *box, network.output))
    bounds = reach(network, *box)
    for index in range(4):
        alone = tighten(network, *box, bounds, "affine3", np.array([index]), method=Method.MILP)
        assert together.lower[index] == pytest.approx(alone.lower[0], rel=1e-9)
        assert together.upper[index] == pytest.approx(alone.upper[0], rel=1e-9)


def test_only_the_side_asked_for_is_tightened():
    lower, upper = reach(kinked(), *BOX)["affine2"]
    low, high = (asked(kinked(), BOX, sides=side) for side in (Side.LOWER, Side.UPPER))
    assert low.lower > lower
    assert low.upper == upper
    assert high.lower == lower
    assert high.upper < upper
    assert np.isnan(low.points[:, 1]).all()
    assert np.isnan(high.points[:, 0]).all()


@pytest.mark.parametrize("method", [Method.LP, Method.MILP])
def test_past_the_deadline_the_given_bounds_stay(method):
    effort = Effort(deadline=1.0, clock=lambda: 2.0)
    found = asked(kinked(), BOX, method=method, effort=effort)
    lower, upper = reach(kinked(), *BOX)["affine2"]
    assert not found.complete
    assert (found.lower, found.upper) == (lower, upper)
    assert np.isnan(found.points).all()


@pytest.mark.parametrize("trust", [False, True], ids=["searched", "trusted"])
def test_a_search_cut_short_leaves_sound_bounds_and_says_so(trust):
    generator = np.random.default_rng(1)
    shapes = [(30, 4), (30, 30), (1, 30)]
    network = Network.dense(
        [generator.normal(size=shape) for shape in shapes],
        [generator.normal(size=shape[0]) for shape in shapes],
    )
    box = -np.ones(4), np.ones(4)
    effort = Effort(deadline=time.monotonic() + 0.5)
    found = asked(network, box, method=Method.MILP, trust=trust, effort=effort)
    assert not found.complete
    values = network.evaluate(generator.uniform(*box, (2000, 4)))
    assert found.lower <= values.min()
    assert values.max() <= found.upper


@pytest.mark.parametrize("method", [Method.LP, Method.MILP])
def test_nothing_more_is_asked_of_a_neuron_once_its_side_is_known(method):
    stop = asked(kinked(), BOX, method=method, effort=Effort(stop_at=-20.0))
    assert np.isnan(stop.points).all()
    once = asked(kinked(), BOX, method=method, effort=Effort(stop_at=20.0), sides=Side.BOTH)
    assert np.isnan(once.points).all()
    both = asked(kinked(), BOX, method=method, effort=Effort(stop_at=0.0))
    assert both.lower < 0 < both.upper
    assert not np.isnan(both.points).any()


def test_the_input_and_the_first_layer_need_no_rows():
    network = kinked()
    for node, ends in (
        ("input", [[-2.0], [2.0]]),
        ("affine1", [[-2.0, -2.0, -3.0], [2.0, 2.0, 1.0]]),
    ):
        found = asked(network, BOX, node=node)
        assert np.allclose([found.lower, found.upper], ends)


def test_linear_bounds_of_a_controller_hold_its_samples(data):
    network = read_onnx(data / "acasxu" / "ACASXU_run2a_1_1_batch_2000.onnx")
    generator = np.random.default_rng(0)
    lower = np.array([0.1, -0.1, 0.2, -0.3, 0.1])
    upper = lower + 0.1
    bounds = {
        name: (a[0], b[0]) for name, (a, b) in interval(network, lower[None], upper[None]).items()
    }
    values = network.trace(generator.uniform(lower, upper, (2000, 5)))
    affine = [node.name for node in network.nodes if node.name in values and node.size == 50]
    gained = 0.0
    for node in affine[2:7:2]:
        low, high = bounds[node]
        open_ = np.flatnonzero((low < 0) & (high > 0))[:10]
        found = tighten(network, lower, upper, bounds, node, open_)
        assert (values[node][:, open_] >= found.lower).all()
        assert (values[node][:, open_] <= found.upper).all()
        gained += float((high[open_] - low[open_] - (found.upper - found.lower)).sum())
    assert gained > 0.1
