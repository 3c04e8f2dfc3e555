"""Heads of networks: simplified alone, put back, and near to the original at their layer."""

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from secateur.engine.agreement import Best
from secateur.engine.errors import InputError
from secateur.engine.network import Affine, Network, Node, Normalisation, Piecewise, State, Sum
from secateur.engine.operators import Dense
from secateur.engine.region import Region
from secateur.engine.verdict import Proved
from secateur.redundancy.aim import Aim
from secateur.redundancy.fold import fold
from secateur.redundancy.guarantee import Outputs, SameBest
from secateur.redundancy.head import head, joined, layer_named, put_back
from secateur.redundancy.phase import Effort
from secateur.redundancy.plan import simplify

EFFORT = Effort(seconds=20.0, samples=500, starts=8, climbs=10, boxes=2000, programs=20, workers=1)


def chain(seed=0, sizes=(2, 6, 5, 4, 3)):
    """Return a random network of dense layers, its numbers those of float32."""
    rng = np.random.default_rng(seed)
    shapes = list(itertools.pairwise(sizes))
    weights = [rng.normal(size=(b, a)).astype(np.float32) / np.sqrt(a) for a, b in shapes]
    return Network.dense(weights, [0.3 * rng.normal(size=b).astype(np.float32) for b in sizes[1:]])


def passed_by():
    """Return a network whose second hidden layer is passed by; the third is not."""

    def dense(name, source):
        return Node(name, Affine(Dense(np.eye(2)), np.zeros(2)), (source,), (2,))

    def relu(name, source):
        return Node(name, Piecewise.relu(2), (source,), (2,))

    given = Network.dense([np.eye(2)], [np.zeros(2)]).input
    nodes = [
        given,
        dense("a", given.name),
        relu("one", "a"),
        dense("b", "one"),
        relu("two", "b"),
        Node("sum", Sum(2), ("one", "two"), (2,)),
        dense("c", "sum"),
        relu("three", "c"),
        dense("out", "three"),
    ]
    return Network(tuple(nodes), "out")


def exact_points(network, region, count=40):
    lattice = region.lattice("float64")
    part = np.random.default_rng(5).random((count, network.size_in))
    return lattice.exact(lattice.snap(lattice.lower + part * (lattice.upper - lattice.lower)))


def test_a_layer_is_found_by_its_name_or_its_number():
    network = passed_by()
    assert layer_named(network, "one") == layer_named(network, " 1 ") == "one"
    assert layer_named(network, "3") == "three"
    assert layer_named(network, "sum") == "sum"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("four", "has no layer 'four'"),
        ("4", "has no layer '4'"),
        ("0", "up to 3"),
        ("-1", "has no layer"),
        ("", "has no layer ''"),
        ("input", "input is the input"),
        ("out", "out is the output"),
        ("two", "sum reads one, past two"),
        ("2", "sum reads one, past two"),
    ],
)
def test_a_layer_that_cannot_end_a_head_is_refused(text, said):
    with pytest.raises(InputError, match=said):
        layer_named(passed_by(), text)


def test_a_head_computes_the_values_of_its_layer_and_has_no_raw_outputs():
    normal = Normalisation(*(np.full(2, x) for x in (0.0, 1.0, 0.0, 1.0)), 3.0, 2.0)
    network = replace(chain(), normalisation=normal)
    some = np.random.default_rng(1).uniform(0, 1, (9, 2))
    for node in network.nodes[1:-1]:
        front = head(network, node.name)
        assert (front.evaluate(some) == network.trace(some)[node.name]).all()
        assert front.normalisation is not None
        assert (front.normalisation.output_mean, front.normalisation.output_range) == (0.0, 1.0)


@pytest.mark.parametrize("layer", ["one", "sum", "three"])
def test_a_head_put_back_is_the_whole(layer):
    network = passed_by()
    front, region = head(network, layer), Region.box([-1, -1], [1, 1])
    some = exact_points(network, region)
    wanted = network.evaluate(some, exact=True)
    for whole in (
        joined(front, network, layer),
        joined(network_named_like(front), network, layer),
        put_back(fold(front, region), network, layer, region),
        put_back(fold(front, region), network, layer, region, chain=True),
    ):
        assert (whole.evaluate(some, exact=True) == wanted).all()


def network_named_like(front):
    """Return a head with a node that is named like one behind it."""
    names = {front.nodes[1].name: "out"}
    nodes = [
        replace(
            node,
            name=names.get(node.name, node.name),
            sources=tuple(names.get(one, one) for one in node.sources),
        )
        for node in front.nodes
    ]
    return Network(tuple(nodes), names.get(front.output, front.output))


@pytest.mark.parametrize("tolerance", ["0", "1/100", "1/2", "1000"])
@pytest.mark.parametrize("layer", ["1", "2", "3"])
def test_values_of_the_layer_stay_within_the_tolerance(layer, tolerance):
    network, region = chain(3), Region.box([-0.5, -0.5], [0.5, 0.3])
    keep = Outputs(Fraction(tolerance))
    plan = simplify(network, region, EFFORT, aim=Aim(keep, until=layer))
    name = network.piecewise[int(layer) - 1].name
    assert plan.aim.until == name
    assert plan.original is network
    assert {one.layer for one in plan.phases.findings} <= {
        node.name for node in network.piecewise[: int(layer)]
    }
    some = exact_points(network, region)
    wanted, got = network.trace_exact(some)[name].fractions(), plan.part.evaluate(some, exact=True)
    apart = np.abs(wanted - got).max()
    assert apart <= max(keep.tolerance, Fraction(plan.fold.distance))
    behind = joined(plan.part, network, name).evaluate(some, exact=True)
    assert (plan.network.evaluate(some, exact=True) == behind).all()
    assert plan.network.neurons <= network.neurons
    assert plan.network.multiply_adds <= network.multiply_adds
    if plan.removals:
        assert f"values of layer {name} that are each within" in plan.guarantee
        assert plan.answer is not None
        assert isinstance(plan.answer.verdict, Proved)


def test_neurons_of_the_layer_itself_leave_the_whole_network():
    weights = [np.eye(2), [[1, 0], [-1, -1], [0, 1]], [[1, 1, 1]]]
    network = Network.dense(weights, [[1, 1], [0, -1, 1], [0]])
    region = Region.box([0, 0], [1, 1])
    plan = simplify(network, region, EFFORT, aim=Aim(Outputs(), until="2"))
    assert [f.state for f in plan.phases.findings[2:]] == [
        State.IDENTITY,
        State.ZERO,
        State.IDENTITY,
    ]
    assert (plan.network.neurons, plan.network.multiply_adds) == (0, 2)
    some = exact_points(network, region)
    assert (plan.network.evaluate(some, exact=True) == network.evaluate(some, exact=True)).all()


def test_what_removals_do_to_the_layer_is_bounded_by_the_proof():
    from secateur.engine.answer import Effort as Search

    network, region = chain(3), Region.box([-0.5, -0.5], [0.5, 0.3])
    plan = simplify(network, region, EFFORT, aim=Aim(Outputs(Fraction(1, 2)), until="2"))
    assert plan.removals
    error = plan.error(Search(seconds=0.1, workers=1))
    assert error.attained <= error.searched <= 0.5


def test_the_best_value_of_a_hidden_layer_is_refused():
    with pytest.raises(InputError, match="no best one to keep"):
        simplify(
            chain(), Region.box([0, 0], [1, 1]), EFFORT, aim=Aim(SameBest(Best.MAX), until="1")
        )
