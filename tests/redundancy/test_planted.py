"""Planted redundant neurons are found, each by its step; those that just miss it never are."""

import math
from fractions import Fraction

import numpy as np
import pytest
from questions import met

from secateur.benchmarks.planted import (
    MISS,
    TOLERANCE,
    Garden,
    equal_seeds,
    gardens,
    mistakes,
    plant,
    removed,
    within_seeds,
)
from secateur.engine.answer import Effort as Search
from secateur.engine.network import Network, State
from secateur.engine.question import ask
from secateur.engine.region import Region
from secateur.engine.verdict import Proved, Refuted
from secateur.redundancy.aim import Aim, Lines
from secateur.redundancy.choice import Order
from secateur.redundancy.guarantee import Outputs
from secateur.redundancy.joint import Joint
from secateur.redundancy.phase import Effort
from secateur.redundancy.plan import simplify
from secateur.redundancy.removal import Kind, Removal, line, without
from secateur.redundancy.screen import Screen

EFFORT = Effort(seconds=30.0, samples=500, starts=8, climbs=10, boxes=2000, programs=20, workers=1)


@pytest.mark.parametrize("name", gardens())
def test_what_is_planted_is_classified_without_error(name):
    garden = gardens(seed=1)[name]
    plan = simplify(garden.network, garden.region, EFFORT, aim=Aim(garden.guarantee))
    assert not mistakes(garden, plan)


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("lines", Lines)
def test_every_order_of_removals_classifies_them(order, lines):
    garden = plant(within_seeds(), Outputs(TOLERANCE), seed=2)
    plan = simplify(garden.network, garden.region, EFFORT, aim=Aim(garden.guarantee, order, lines))
    assert not mistakes(garden, plan)


def test_a_mistake_is_called_one():
    garden = plant(equal_seeds(), Outputs())
    plan = simplify(garden.network, garden.region, EFFORT)
    wrong = {
        place: type(truth)(truth.what, Kind.RELAXED) for place, truth in garden.planted.items()
    }
    other = Garden(garden.network, garden.region, garden.guarantee, wrong, joined=3)
    assert len(mistakes(other, plan)) == len(wrong) + 1
    assert len(removed(plan)) == 6


@pytest.mark.parametrize("seed", within_seeds(), ids=lambda seed: seed.what)
def test_the_truth_that_is_stated_is_true(seed):
    """One neuron alone, by enumeration: what each way of removing it does."""
    garden = plant([seed], Outputs(TOLERANCE))
    network, region = garden.network, garden.region
    states = {"zero": (State.ZERO, 0.0, 0.0), "identity": (State.IDENTITY, 0.0, 0.0)}
    layer = network.by_name["affine2"].layer
    ends = [float(layer.operator.matrix()[0, 0]) * x + float(layer.bias[0]) for x in (1.0, 3.0)]
    if ends[0] < 0 < ends[1]:
        states["line"] = (State.LINEAR, *line(*ends))
    allowed = {}
    for name, (state, slope, shift) in states.items():
        gone = [Removal("relu2", 0, state, Kind.RELAXED, slope, shift)]
        claim = Outputs(TOLERANCE).claim(network, without(network, gone), region, Fraction(0))
        allowed[name] = not met(ask(claim, [network, without(network, gone)]))
    flat = allowed["zero"] or allowed["identity"]
    match seed.first:
        case Kind.PHASE:
            assert ends[0] >= 0 or ends[1] <= 0
        case Kind.FORWARD:
            assert ends[0] < 0 < ends[1]
            assert flat
        case Kind.RELAXED:
            assert not flat
            assert allowed["line"]
        case _:
            assert ends[0] < 0 < ends[1]
            assert not any(allowed.values())


@pytest.mark.parametrize("state", [State.ZERO, State.IDENTITY, State.LINEAR])
@pytest.mark.parametrize("share", [1.0 - MISS, 1.0 + MISS])
def test_a_proof_tells_a_millionth_of_the_tolerance(state, share):
    costs = {State.ZERO: 0.5, State.IDENTITY: 0.5, State.LINEAR: 0.125}
    weight = share * float(TOLERANCE) / costs[state]
    network = Network.dense(
        [np.eye(2), np.array([[weight, 0.0], [0.0, 1.0]])], [np.zeros(2), np.zeros(2)]
    )
    region = Region.box([-0.5, -0.5], [0.5, 0.5])
    guarantee = Outputs(TOLERANCE)
    screen = Screen(network, guarantee, np.zeros((1, 2)))
    effort = Search(workers=1, seconds=60.0)
    joint = Joint(network, region, guarantee, screen, Fraction(0), effort)
    lines = line(-0.5, 0.5) if state is State.LINEAR else (0.0, 0.0)
    answer = joint.prove([Removal("relu1", 0, state, Kind.RELAXED, *lines)], math.inf)
    assert isinstance(answer.verdict, Proved if share < 1 else Refuted)
