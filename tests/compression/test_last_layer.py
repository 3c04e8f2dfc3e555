"""The fit of linear layers: optimal where it can be, within the form, and never worse."""

import itertools
import math

import numpy as np
import pytest
from formed import PLANTED, compressed, dense
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import graph_networks

from secateur.compression.farthest import distances, farthest
from secateur.compression.form import Compressed, Free, LayerForm, affine_layers, nearest
from secateur.compression.last_layer import LastLayer, tails
from secateur.compression.last_layer_program import Fit, fitted
from secateur.compression.replaced import numbers_of, with_numbers
from secateur.engine.network import Affine, Input, Network, Node, Piecewise
from secateur.engine.operators import Dense
from secateur.engine.region import Region
from secateur.engine.solvers.base import Options, Outcome, Status
from secateur.engine.solvers.highs import Highs

QUICK = Options(time_limit=10.0)
REGION = Region.box([-1] * 3, [1] * 3)


def problem(seed, rows=30, numbers=3, step=0.5, limit=2):
    rng = np.random.default_rng(seed)
    matrix, goal = rng.normal(size=(rows, numbers)), rng.normal(size=rows)
    most = np.full(numbers, limit * (step or 1.0))
    none = np.zeros(numbers)
    steps = np.full(numbers, step)
    return Fit(matrix, goal, none, -most, most, none, steps, none.astype(bool))


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_whole_numbers_are_optimal(seed):
    fit = problem(seed)
    found, bound = fitted(fit, Highs(), QUICK)
    every = itertools.product(range(-2, 3), repeat=3)
    best = min(fit.miss(np.array(k) * 0.5) for k in every)
    assert fit.miss(found) == pytest.approx(best, rel=1e-6)
    assert bound <= best * (1 + 1e-6)
    assert np.array_equal(found, np.clip(np.rint(found / 0.5), -2, 2) * 0.5)


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_free_numbers_are_as_good_as_any(seed):
    fit = problem(seed, step=0.0, limit=3)
    found, bound = fitted(fit, Highs(), QUICK)
    rng = np.random.default_rng(seed)
    for other in rng.uniform(-3, 3, (200, 3)):
        assert fit.miss(found) <= fit.miss(other) + 1e-7
    assert fit.miss(found) == pytest.approx(bound, rel=1e-5, abs=1e-7)


def test_many_whole_numbers_are_rounded_and_never_worse():
    fit = problem(0, rows=400, numbers=30, step=0.25, limit=8)
    found, bound = fitted(fit, Highs(), QUICK)
    assert bound - 1e-6 <= fit.miss(found) < fit.miss(fit.start)
    assert np.array_equal(found, np.rint(found / 0.25) * 0.25)
    plain = fitted(problem(0, rows=400, numbers=30, step=0.0, limit=2), Highs(), QUICK)[0]
    assert fit.miss(found) <= fit.miss(np.rint(plain / 0.25) * 0.25)


class Failing:
    """A solver that never answers, or lies about an optimum."""

    def __init__(self, lie):
        self.lie = lie

    def solve(self, program, options):
        if not self.lie:
            return Outcome(Status.LIMIT)
        return Outcome(Status.OPTIMAL, 0.0, 0.0, np.full(program.size, 0.3))


@pytest.mark.parametrize("lie", [False, True])
@pytest.mark.parametrize("step", [0.0, 0.5])
def test_a_solver_that_fails_or_lies_makes_nothing_worse(lie, step):
    fit = problem(1, step=step)
    found, _ = fitted(fit, Failing(lie), QUICK)
    assert fit.miss(found) <= fit.miss(fit.start)


@pytest.mark.parametrize("kind", ["free", "half", "masked", "grid"])
def test_a_fitted_layer_is_of_its_form_and_nearer_on_the_points(kind):
    network = dense(5)
    start = compressed(network, kind)
    numbers = numbers_of(start)
    worse = {
        key: nearest(getattr(start.forms[key[0]], "bias" if key[1] else "weight"), 0.8 * value)
        for key, value in numbers.items()
        if key[0] == "affine3"
    }
    start = with_numbers(start, worse)
    points = np.random.default_rng(0).uniform(-1, 1, (300, 3))
    made = LastLayer(network, (REGION,), Highs()).fitted(start, points)
    before, after = (distances(network, one.network, points).max() for one in (start, made))
    assert after < before
    for node, layer in affine_layers(made.network):
        if node.name != "affine3":
            assert layer is start.network.by_name[node.name].layer or np.array_equal(
                layer.operator.weight, start.network.by_name[node.name].layer.operator.weight
            )


def test_a_free_last_layer_is_found_again():
    network = dense(6)
    start = compressed(network, "free")
    moved = {key: nearest(Free(), v * 0.7) for key, v in numbers_of(start).items() if "3" in key[0]}
    start = with_numbers(start, moved)
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (50, 3))
    made, _ = LastLayer(network, (REGION,), Highs()).repaired(start, points, rng)
    _, far = farthest(network, made.network, (REGION,), rng)
    assert far < 1e-5


def low_rank(seed=0):
    """Two affine layers in a row at the end, of rank 2."""
    rng = np.random.default_rng(seed)
    shapes = {"a": (6, 3), "left": (2, 6), "right": (3, 2)}
    nodes = [Node("input", Input((3,)))]
    for name, shape in shapes.items():
        weight = rng.normal(size=shape).astype(np.float32)
        nodes.append(Node(name, Affine(Dense(weight), np.zeros(shape[0])), (nodes[-1].name,)))
        if name == "a":
            nodes.append(Node("relu", Piecewise.relu(6), ("a",)))
    return Network(tuple(nodes), "right")


def test_both_layers_of_a_low_rank_end_are_fitted():
    network = low_rank()
    names = [tail.node.name for tail in tails(network)]
    assert names == ["right", "left"]
    groups = [[(o.tolist(), v.tolist()) for o, v in tail.groups()] for tail in tails(network)]
    assert groups[0] == [([0], [0]), ([1], [1]), ([2], [2])]
    assert groups[1] == [([0, 1, 2], [0, 1])]
    start = Compressed(network, {name: LayerForm() for name in ("a", "left", "right")})
    moved = {
        key: nearest(Free(), value * 0.9)
        for key, value in numbers_of(start).items()
        if key[0] == "left"
    }
    start = with_numbers(start, moved)
    rng = np.random.default_rng(0)
    made, _ = LastLayer(network, (REGION,), Highs()).repaired(
        start, rng.uniform(-1, 1, (60, 3)), rng
    )
    assert farthest(network, made.network, (REGION,), rng)[1] < 1e-5


@settings(max_examples=25)
@given(graph_networks(), st.integers(0, 2**32 - 1))
def test_the_outputs_move_by_the_way_of_a_tail(network, seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(5, network.size_in))
    for tail in tails(network):
        layer = tail.node.layer
        bump = rng.normal(size=layer.bias.shape)
        moved = network.with_layers({tail.node.name: Affine(layer.operator, layer.bias + bump)})
        gone = moved.evaluate(points) - network.evaluate(points)
        assert np.allclose(gone, tail.way @ bump, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", [name for name in PLANTED if name != "cut input"])
def test_the_fit_alone_reaches_what_is_planted(name):
    network, start, region, least = PLANTED[name]()
    rng = np.random.default_rng(0)
    points = rng.uniform(region.lower, region.upper, (100, region.size))
    made, _ = LastLayer(network, (region,), Highs()).repaired(start, points, rng)
    far = farthest(network, made.network, (region,), rng)[1]
    assert far == pytest.approx(least, rel=1e-6)


def test_no_time_changes_nothing():
    network, start, region, _ = PLANTED["cut feature"]()
    late = LastLayer(network, (region,), Highs(), deadline=-math.inf)
    made, _ = late.repaired(start, np.zeros((0, 3)), np.random.default_rng(0))
    assert made is start
