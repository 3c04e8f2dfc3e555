from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import boxes, dense_networks, graph_networks, networks, points

from secateur.engine.errors import InputError
from secateur.engine.network import (
    Affine,
    Input,
    Network,
    Node,
    Normalisation,
    Origin,
    Piecewise,
    State,
    Sum,
)
from secateur.engine.operators import Convolution, Dense, Diagonal
from secateur.engine.pair import align, asked, merge
from secateur.engine.stages import stages


@st.composite
def chains(draw, inputs=2, outputs=2):
    """Draw a chain of dense and diagonal layers and activations of every state, in any order."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    made = [Node("x", Input((inputs,)))]
    for number in range(draw(st.integers(0, 5))):
        size = made[-1].size
        match draw(st.sampled_from(["dense", "kinks", "diagonal"])):
            case "dense":
                width = draw(st.integers(1, 4))
                layer = Affine(
                    Dense(generator.normal(size=(width, size))), generator.normal(size=width)
                )
            case "diagonal":
                layer = Affine(Diagonal(generator.normal(size=size)), np.zeros(size))
            case _:
                state = generator.integers(0, 4, size).astype(np.int8)
                layer = Piecewise(state, generator.normal(size=size), generator.normal(size=size))
        made.append(Node(f"n{number}", layer, (made[-1].name,)))
    size = made[-1].size
    last = Affine(Dense(generator.normal(size=(outputs, size))), generator.normal(size=outputs))
    made.append(Node("out", last, (made[-1].name,)))
    if draw(st.booleans()):
        made.append(Node("kink", Piecewise.relu(outputs), ("out",)))
    return Network(tuple(made), made[-1].name)


def rationals(data, network, count=3):
    some = data.draw(points(data.draw(boxes(network.size_in)), count))
    return np.array([[Fraction(v) / 3 for v in row] for row in some.tolist()], dtype=object)


def agrees(merged, first, second, inputs):
    """Compare the difference, and every value of both networks with its place, in rationals."""
    out = merged.network.evaluate(inputs, exact=True)
    assert (out == first.evaluate(inputs, exact=True) - second.evaluate(inputs, exact=True)).all()
    trace = {name: v.fractions() for name, v in merged.network.trace_exact(inputs).items()}
    for network, places in ((first, merged.first), (second, merged.second)):
        for name, values in network.trace_exact(inputs).items():
            place = places[name]
            assert (trace[place.node][..., place.indices] == values.fractions()).all(), name


@settings(max_examples=40)
@given(st.data(), chains(), chains())
def test_chains_of_any_depth_and_width_are_merged_exactly(data, first, second):
    agrees(merge(first, second), first, second, rationals(data, first))


@settings(max_examples=40)
@given(st.data())
def test_any_two_graphs_are_merged_exactly(data):
    first = data.draw(networks)
    second = data.draw(networks.filter(lambda n: n.size_out == first.size_out))
    agrees(merge(first, second), first, second, rationals(data, first))


@settings(max_examples=40)
@given(st.data(), st.one_of(chains(), graph_networks()))
def test_a_network_minus_itself_is_computed_once(data, network):
    merged = merge(network, network)
    inputs = rationals(data, network)
    agrees(merged, network, network, inputs)
    assert merged.network.neurons == network.neurons
    assert not merged.network.evaluate(inputs, exact=True).any()


@settings(max_examples=40)
@given(st.data(), dense_networks(depth=3), st.integers(1, 3))
def test_the_common_prefix_is_shared(data, first, depth):
    name = f"affine{depth}"
    if name not in first.by_name:
        return
    layer = first.by_name[name].layer
    changed = Affine(layer.operator, layer.bias + 1.0)
    second = first.with_layers({name: changed})
    merged = merge(first, second)
    agrees(merged, first, second, rationals(data, first))
    before = sum(node.size for node in first.piecewise if node.name < f"relu{depth}")
    assert merged.network.neurons <= before + 2 * (first.neurons - before)
    for node in first.nodes:
        if node.name == name:
            break
        one, other = merged.first[node.name], merged.second[node.name]
        assert one.node == other.node == node.name
        assert one.indices.tolist() == other.indices.tolist() == list(range(node.size))


@settings(max_examples=40)
@given(st.data(), dense_networks(depth=2, width=5))
def test_permuted_neurons_are_recognised_and_change_nothing(data, network):
    order = data.draw(st.permutations(range(network.by_name["affine1"].size)))
    first, after = network.by_name["affine1"].layer, network.by_name["affine2"].layer
    second = network.with_layers(
        {
            "affine1": Affine(Dense(first.operator.weight[order]), first.bias[order]),
            "affine2": Affine(Dense(after.operator.weight[:, order]), after.bias),
        }
    )
    other = data.draw(dense_networks(depth=2))
    inputs = rationals(data, network)
    agrees(merge(network, second), network, second, inputs)
    assert merge(network, second).network.neurons == network.neurons
    outputs = [merge(other, one).network.evaluate(inputs, exact=True) for one in (network, second)]
    assert (outputs[0] == outputs[1]).all()


def test_only_neurons_whose_state_differs_are_doubled():
    network = Network.dense([np.eye(3), np.ones((1, 3))], [np.zeros(3), np.zeros(1)])
    state = np.array([State.RELU, State.IDENTITY, State.RELU], np.int8)
    other = network.with_layers({"relu1": Piecewise(state, np.zeros(3), np.zeros(3))})
    merged = merge(network, other)
    assert [node.size for node in merged.network.piecewise] == [4]
    assert merged.second["relu1"].indices.tolist() == [0, 3, 2]
    assert merged.network.evaluate([1.0, -2.0, 3.0]).tolist() == [2.0]


def test_convolutions_and_skips_stand_side_by_side():
    kernel = Convolution(np.arange(8.0).reshape(2, 1, 2, 2), (1, 2, 2))
    nodes = (
        Node("x", Input((1, 2, 2))),
        Node("conv", Affine(kernel, np.zeros(2)), ("x",)),
        Node("kink", Piecewise.relu(2), ("conv",)),
        Node("skip", Sum(2), ("kink", "conv")),
    )
    first = Network(nodes, "skip")
    second = Network.dense([np.ones((2, 4))], [np.zeros(2)])
    point = [Fraction(1, 3), Fraction(-2), Fraction(5), Fraction(1)]
    agrees(merge(first, second), first, second, np.array([point], dtype=object))
    agrees(merge(first, first), first, first, np.array([point], dtype=object))
    assert len(merge(first, first).network.piecewise) == 1


@settings(max_examples=40)
@given(st.data(), dense_networks(depth=2), dense_networks(depth=2, outputs=3))
def test_any_rows_of_both_outputs_can_be_asked_for(data, first, second):
    generator = np.random.default_rng(data.draw(st.integers(0, 99)))
    left, right = generator.integers(-99, 99, (4, 2)) / 64, generator.integers(-99, 99, (4, 3)) / 64
    bias = generator.normal(size=4)  # networks that share an output add up their coefficients
    network = asked(first, second, left, right, bias).network
    inputs = rationals(data, first, 1)[0]
    exact = [np.array([[Fraction(v) for v in row] for row in m]) for m in (left, right)]
    truth = exact[0] @ first.evaluate(inputs, exact=True)
    truth = truth + exact[1] @ second.evaluate(inputs, exact=True)
    wanted = truth + np.array([Fraction(v) for v in bias.tolist()])
    assert (network.evaluate(inputs, exact=True) == wanted).all()


def test_coefficients_of_a_shared_output_must_have_an_exact_sum():
    network = Network.dense([[[1.0]]], [[0.0]])
    with pytest.raises(InputError, match="no exact sum"):
        asked(network, network, np.array([[1.0]]), np.array([[1e-30]]), np.zeros(1))
    with pytest.raises(InputError, match="left rows have the shape"):
        asked(network, network, np.ones((1, 2)), np.ones((1, 1)), np.zeros(1))


def test_the_point_is_its_own_lift():
    network = Network.dense([[[1.0]]], [[0.0]])
    assert merge(network, network).lift([Fraction(1, 3)]) == (Fraction(1, 3),)


def named(network, path, dtype="float32", normalisation=None):
    return Network(network.nodes, network.output, Origin(path, "onnx", "", dtype), normalisation)


def test_witnesses_are_sought_among_inputs_that_both_files_take():
    network = Network.dense([[[1.0]]], [[0.0]])
    pair = [named(network, "a.onnx", "float32"), named(network, "b.onnx", "float16")]
    assert merge(*pair).network.origin.dtype == "float16"
    assert merge(*reversed(pair)).network.origin.dtype == "float16"


def test_units_are_kept():
    network = Network.dense([[[1.0]]], [[0.0]])
    units = Normalisation(-np.ones(1), np.ones(1), np.zeros(1), np.ones(1))
    first = named(network, "a.nnet", normalisation=units)
    assert merge(first, network).network.normalisation is units


def test_other_inputs_or_outputs_are_refused():
    small = named(Network.dense([np.ones((1, 2))], [np.zeros(1)]), "a.onnx")
    wide = named(Network.dense([np.ones((1, 3))], [np.zeros(1)]), "b.onnx")
    tall = named(Network.dense([np.ones((2, 2))], [np.zeros(2)]), "c.onnx")
    with pytest.raises(InputError, match=r"a\.onnx has 2 inputs, b\.onnx has 3"):
        merge(small, wide)
    with pytest.raises(InputError, match=r"a\.onnx has 1 outputs, c\.onnx has 2"):
        merge(small, tall)


class TestAlign:
    def chain(self, *sizes):
        pairs = list(zip(sizes[1:], sizes[:-1], strict=True))
        return Network.dense([np.ones(p) for p in pairs], [np.zeros(p[0]) for p in pairs])

    def test_chains_of_the_same_sizes_correspond_stage_by_stage(self):
        one, other = stages(self.chain(2, 5, 4, 3)), stages(self.chain(2, 5, 4, 3))
        assert align(one, other) == ((0, 0), (1, 1), (2, 2), (3, 3))

    @pytest.mark.parametrize("sizes", [(2, 5, 3), (2, 5, 5, 3), (2, 5, 4, 2)])
    def test_others_do_not(self, sizes):
        assert align(stages(self.chain(2, 5, 4, 3)), stages(self.chain(*sizes))) is None

    def test_graphs_with_skips_do_not(self):
        chain = self.chain(2, 2, 2)
        nodes = (*chain.nodes, Node("sum", Sum(2), (chain.output, "relu1")))
        skip = stages(replace(chain, nodes=nodes, output="sum"))
        assert align(skip, skip) is None
