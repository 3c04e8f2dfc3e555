"""Signs at points are proved, and values are rationals, computed when they are asked for."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import boxes, graph_networks, points

from secateur.engine.network import Network
from secateur.engine.region import Region
from secateur.engine.witness import Witness, replay


@given(st.data())
@settings(max_examples=60)
def test_signs_and_values_are_those_of_exact_evaluation(data):
    network = data.draw(graph_networks())
    lower, upper = data.draw(boxes(network.size_in))
    lattice = Region.box(lower, upper).lattice(data.draw(st.sampled_from(["float16", "float64"])))
    some = lattice.snap(data.draw(points((lattice.lower, lattice.upper), count=3)))
    names = [node.name for node in network.nodes]
    shown = replay(network, lattice, some, names, None)
    trace = network.trace_exact(lattice.exact(some))
    for name in names:
        exact = trace[name].fractions()
        for at in np.ndindex(exact.shape):
            place, index = at
            value, (low, high) = exact[at], shown.bounds[name]
            assert low[at] <= value <= high[at]
            assert shown.sign(place, name, index) == (value > 0) - (value < 0)
            witness = shown.witness(place, name, index)
            assert witness.value == value
            assert witness == Witness(tuple(lattice.exact(some)[place]), value)
            assert hash(witness) == hash(Witness(tuple(lattice.exact(some)[place]), value))


def counted(monkeypatch):
    """Return the list that grows by one whenever a network is evaluated in rationals."""
    calls, trace = [], Network.trace_exact

    def slow(network, inputs):
        calls.append(inputs)
        return trace(network, inputs)

    monkeypatch.setattr(Network, "trace_exact", slow)
    return calls


def test_rationals_are_for_what_rounding_hides_and_for_values(monkeypatch):
    weight = np.array([[1.0, 1.0], [1.0, -1.0]])
    tiny = 2.0**-70  # below what bounds of x + y can tell at x = y = 1
    network = Network.dense(
        [weight, np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])],
        [np.zeros(2), np.array([-2.0, -2.0 + 2.0**-51, tiny])],
    )
    lattice = Region.box([0, 0], [2, 2]).lattice("float64")
    calls = counted(monkeypatch)
    shown = replay(network, lattice, np.array([[1.0, 1.0], [2.0, 0.0]]), ["affine2"], None)
    assert [shown.sign(1, "affine2", index) for index in (2,)] == [1]
    witness = shown.witness(1, "affine2", 2)
    assert not calls
    assert [shown.sign(0, "affine2", index) for index in range(3)] == [0, 1, 1]
    assert len(calls) == 1, "once for all entries of a point"
    assert witness.value == 2 + Fraction(tiny)
    assert len(calls) == 2
    assert witness != Witness(witness.point, witness.value, 0.5)


def test_an_input_without_a_float_is_bounded_and_computed_as_the_rational():
    network = Network.dense([np.array([[3.0]])], [np.array([-1.0])])
    lattice = Region.box([Fraction(1, 3)], [Fraction(1, 3)]).lattice("float32")
    shown = replay(network, lattice, lattice.lower[None], ["affine1"], None)
    assert shown.sign(0, "affine1", 0) == 0
    assert shown.witness(0, "affine1", 0).point == (Fraction(1, 3),)


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 600])
def test_any_number_of_points_is_replayed(count):
    network = Network.dense([np.array([[3.0]])], [np.array([-1.0])])
    lattice = Region.box([0], [1]).lattice("float32")
    some = lattice.snap(np.linspace(0, 1, count)[:, None])
    shown = replay(network, lattice, some, ["affine1"], None)
    signs = [shown.sign(place, "affine1", 0) for place in range(count)]
    assert signs == np.sign(3 * some[:, 0] - 1).astype(int).tolist()
