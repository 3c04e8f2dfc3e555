"""Simplified networks keep what was asked for: against enumeration, and at points in rationals."""

import itertools
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from questions import met

from secateur.engine.agreement import Best
from secateur.engine.answer import Effort as Search
from secateur.engine.errors import InputError, RegionError
from secateur.engine.network import Network, State
from secateur.engine.question import ask
from secateur.engine.region import Region
from secateur.engine.verdict import Proved
from secateur.redundancy.aim import Aim, Lines
from secateur.redundancy.choice import Order
from secateur.redundancy.guarantee import Outputs, SameBest
from secateur.redundancy.phase import Effort
from secateur.redundancy.plan import simplify
from secateur.redundancy.removal import Kind, without
from secateur.redundancy.seen import look

QUICK = {"samples": 500, "starts": 8, "climbs": 10, "boxes": 2000, "programs": 20, "workers": 1}
EFFORT = Effort(seconds=20.0, **QUICK)
ENDLESS = Effort(seconds=math.inf, **QUICK)

GUARANTEES = {
    "equal": Outputs(),
    "within 0.01": Outputs(Fraction("0.01")),
    "within 0.5": Outputs(Fraction("0.5")),
    "argmin": SameBest(Best.MIN),
    "argmax": SameBest(Best.MAX),
    "argmin beyond 0.1": SameBest(Best.MIN, Fraction("0.1")),
    "argmax beyond 0.1": SameBest(Best.MAX, Fraction("0.1")),
}


def drawn(seed, sizes=(2, 5, 4, 3)):
    """Return a random network, its numbers those of float32, and a box."""
    rng = np.random.default_rng(seed)
    shapes = list(itertools.pairwise(sizes))
    weights = [rng.normal(size=(b, a)).astype(np.float32) / np.sqrt(a) for a, b in shapes]
    biases = [0.3 * rng.normal(size=b).astype(np.float32) for _, b in shapes]
    lower = rng.uniform(-1, 0.5, sizes[0]).round(2)
    return Network.dense(weights, biases), Region.box(lower, lower + rng.choice([0.4, 1.0]))


def places(network, region, guarantee):
    """Return points ``(points, inputs)`` in rationals: corners, anywhere, and near boundaries."""
    rng = np.random.default_rng(99)
    lattice = region.lattice("float64")
    ends = zip(lattice.lower, lattice.upper, strict=True)
    some = [np.array(list(itertools.product(*ends)))]
    some.append(rng.uniform(lattice.lower, lattice.upper, (200, region.size)))
    best = guarantee if isinstance(guarantee, SameBest) else SameBest(Best.MAX)
    some += [
        getattr(look(network, region, best, rng), name)[:200] for name in ("close", "boundary")
    ]
    return lattice.exact(lattice.snap(np.concatenate(some)))


def count_broken(before, after, region, guarantee):
    """Return at how many points the guarantee is broken, in rationals."""
    claim = guarantee.claim(before, after, region, Fraction(0))
    points = places(before, region, guarantee)
    ends = [network.evaluate(points, exact=True) for network in (before, after)]
    return sum(
        claim.holds([*x, *f, *x, *g]) for x, f, g in zip(points.tolist(), *ends, strict=True)
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", GUARANTEES)
def test_the_written_network_keeps_the_guarantee_at_points(seed, name):
    network, region = drawn(seed)
    guarantee = GUARANTEES[name]
    plan = simplify(network, region, EFFORT, aim=Aim(guarantee))
    for after in (plan.network, plan.linearised, plan.fold.after):
        assert count_broken(network, after, region, guarantee) == 0
    assert sum(tally.removed for tally in plan.steps) == plan.phases.count(Proved) + len(
        plan.removals
    )
    assert len({one.place for one in plan.removals}) == len(plan.removals)
    open_ = {(f.layer, f.neuron) for f in plan.phases.findings if f.state == State.RELU}
    assert {one.place for one in plan.removals} <= open_
    if plan.removals:
        assert plan.answer is not None
        assert isinstance(plan.answer.verdict, Proved)
        assert guarantee.text() in plan.guarantee
    if guarantee.exact and isinstance(guarantee, Outputs):
        assert not plan.removals
        assert "equals the original" in plan.guarantee


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ["within 0.5", "argmin", "argmax beyond 0.1"])
def test_removals_are_right_by_enumeration(seed, name):
    network, region = drawn(seed + 50, (2, 3, 2, 2))
    guarantee = GUARANTEES[name]
    plan = simplify(network, region, EFFORT, aim=Aim(guarantee))
    for after in (plan.linearised, plan.network):
        claim = guarantee.claim(network, after, region, Fraction(0))
        assert not met(ask(claim, [network, after]))


@pytest.mark.parametrize("name", ["within 0.5", "argmin"])
def test_a_seed_gives_one_plan_where_time_does_not_bind(name):
    network, region = drawn(7, (2, 4, 3, 2))
    aim = Aim(GUARANTEES[name])
    one, two = (simplify(network, region, ENDLESS, aim=aim) for _ in range(2))
    assert one.removals == two.removals
    assert [tally.removed for tally in one.steps] == [tally.removed for tally in two.steps]
    assert [tally.boxes for tally in one.steps] == [tally.boxes for tally in two.steps]


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("lines", Lines)
def test_every_order_and_line_keeps_the_guarantee(order, lines):
    network, region = drawn(3)
    for name in ("within 0.5", "argmax beyond 0.1"):
        guarantee = GUARANTEES[name]
        plan = simplify(network, region, EFFORT, aim=Aim(guarantee, order, lines))
        assert count_broken(network, plan.network, region, guarantee) == 0


def test_a_larger_tolerance_removes_no_less_on_a_network_that_is_easy():
    network, region = drawn(11)
    removed = [
        sum(tally.removed for tally in simplify(network, region, EFFORT, aim=Aim(keep)).steps)
        for keep in (Outputs(), Outputs(Fraction("0.01")), Outputs(Fraction(1000)))
    ]
    assert removed == sorted(removed)
    assert removed[-1] == network.neurons


def test_the_effect_of_the_removals_is_enclosed():
    network, region = drawn(3)
    plan = simplify(network, region, EFFORT, aim=Aim(GUARANTEES["within 0.5"]))
    assert plan.removals
    found = plan.error(Search(seconds=5.0, workers=1))
    points = places(network, region, plan.aim.guarantee)
    ends = [net.evaluate(points, exact=True) for net in (network, plan.linearised)]
    apart = max(np.abs(ends[0] - ends[1]).ravel())
    assert apart <= Fraction(found.searched) <= Fraction(found.difference)
    assert found.searched <= found.analytic
    assert found.attained <= min(found.searched, 0.5)


def test_removals_without_proof_leave_the_phases():
    network, region = drawn(3)
    plan = simplify(network, region, EFFORT, aim=Aim(GUARANTEES["within 0.5"]))
    again = without(plan.phases.linearised(), plan.removals)
    for one in again.piecewise:
        assert (one.layer.state == plan.linearised.by_name[one.name].layer.state).all()
    assert all(one.kind in (Kind.FORWARD, Kind.RELAXED) for one in plan.removals)


def test_no_time_removes_nothing_beyond_phases():
    network, region = drawn(3)
    for guarantee in (GUARANTEES["within 0.5"], GUARANTEES["argmin"]):
        plan = simplify(network, region, Effort(seconds=0.0, **QUICK), aim=Aim(guarantee))
        assert not plan.removals
        assert plan.answer is None


def test_what_cannot_be_asked_is_refused():
    network, region = drawn(0, (2, 3, 1))
    with pytest.raises(InputError, match="single output"):
        simplify(network, region, EFFORT, aim=Aim(SameBest(Best.MAX)))
    with pytest.raises(RegionError):
        simplify(network, Region.box([0.0], [1.0]), EFFORT, aim=Aim(Outputs(Fraction(1))))
    with pytest.raises(RegionError):
        simplify(network, Region.box([0, 0], [0, 0]), EFFORT, aim=Aim(Outputs(Fraction(1))))


@pytest.mark.parametrize("guarantee", [SameBest(Best.MAX), Outputs(Fraction(1, 100))])
def test_a_network_that_is_constant_on_its_region_loses_every_neuron(guarantee):
    weights = [np.array([[1.0, 0.0], [0.0, 1.0]]), np.ones((2, 2))]
    network = Network.dense(weights, [np.array([-5.0, -5.0]), np.array([1.0, 2.0])])
    plan = simplify(network, Region.box([0, 0], [1, 1]), EFFORT, aim=Aim(guarantee))
    assert plan.network.neurons == 0
    assert not plan.removals
    assert count_broken(network, plan.network, plan.phases.region, guarantee) == 0


@pytest.mark.parametrize("best", Best)
def test_where_one_output_always_leads_its_lead_pays_for_rounding(best):
    """Every neuron goes, and products of weights may be rounded: what is written is affine."""
    network, region = drawn(5)
    sign = 1.0 if best is Best.MAX else -1.0
    last = network.by_name[network.output]
    bias = last.layer.bias + sign * np.array([8.0, 0.0, 0.0])
    network = network.with_layers({last.name: replace(last.layer, bias=bias)})
    guarantee = SameBest(best)
    plan = simplify(network, region, EFFORT, aim=Aim(guarantee))
    assert plan.network.neurons == 0
    assert plan.removals
    assert plan.room > 0
    assert 0 < plan.fold.distance <= float(plan.room)
    assert plan.network.multiply_adds <= 6
    assert count_broken(network, plan.network, region, guarantee) == 0
    assert not met(
        ask(guarantee.claim(network, plan.network, region, Fraction(0)), [network, plan.network])
    )
