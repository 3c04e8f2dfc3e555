"""A network without its zero neurons computes the same, and its neurons have their old places."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from strategies import dense_networks

from secateur.engine.network import Network, Piecewise, State
from secateur.redundancy.relus import activations
from secateur.redundancy.removal import Kind, Removal, without
from secateur.redundancy.slim import slim


@st.composite
def linearised(draw):
    """Return a dense network whose neurons are in states at random."""
    network = draw(dense_networks(outputs=2))
    layers = {}
    for node in network.piecewise:
        some = st.lists(st.sampled_from(list(State)), min_size=node.size, max_size=node.size)
        lines = np.full(node.size, 0.5)
        layers[node.name] = Piecewise(np.array(draw(some), np.int8), lines, lines)
    return network.with_layers(layers)


@given(linearised(), st.integers(0, 9))
def test_nothing_but_neurons_that_are_zero_is_gone(network, seed):
    made = slim(network)
    points = np.random.default_rng(seed).uniform(-1, 1, (4, network.size_in))
    exact = network.evaluate(points.astype(object), exact=True)
    assert (made.network.evaluate(points.astype(object), exact=True) == exact).all()
    for node in network.piecewise:
        state, left = activations(node).state, made.kept[node.name]
        assert set(np.flatnonzero(state != State.ZERO)) <= set(left.tolist())
        after = activations(made.network.by_name[node.name]).state
        assert (after == state[left]).all()
        assert (after != State.ZERO).all() or after.size == 1


@given(linearised(), st.data())
def test_a_removal_means_the_same_in_both(network, data):
    made = slim(network)
    places = [(name, at) for name, left in made.kept.items() for at in range(left.size)]
    layer, at = data.draw(st.sampled_from(places))
    one = Removal(layer, at, State.LINEAR, Kind.RELAXED, 0.25, -1.0)
    there = made.back(one)
    assert made.place(layer, there.neuron) == at
    assert there == replace(one, neuron=there.neuron)
    points = np.random.default_rng(0).uniform(-1, 1, (4, network.size_in)).astype(object)
    small, whole = without(made.network, [one]), without(network, [there])
    same = small.evaluate(points, exact=True) == whole.evaluate(points, exact=True)
    assert same.all()


def test_a_network_without_zero_neurons_stays_as_it_is():
    network = Network.dense([np.eye(2), np.eye(2)], [np.zeros(2)] * 2)
    assert slim(network).network is network
