"""Torch modules written: they compute the network, and read back they are the same function."""

from fractions import Fraction

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.engine.formats.torch_module import read_torch, write_torch
from secateur.engine.network import (
    Affine,
    Concat,
    Input,
    Network,
    Node,
    Origin,
    Piecewise,
    Select,
    State,
    Sum,
)
from secateur.engine.operators import Convolution, Dense, Diagonal

torch.set_num_threads(1)


def built(dtype="float64"):
    """Return a network with every kind of layer, whose float64 arithmetic is exact."""
    random = np.random.default_rng(0)

    def whole(*shape):
        return random.integers(-4, 5, shape) / 4

    states = np.array([0, 1, 2, 3] * 3, dtype=np.int8)
    convolution = Convolution(whole(2, 1, 2, 2), (2, 2, 3), (1, 2), (1, 0, 0, 2), groups=2)
    nodes = (
        Node("x", Input((3, 4))),
        Node("half", Affine(Diagonal(whole(12)), whole(12)), ("x",)),
        Node("state", Piecewise(states, whole(12), whole(12)), ("half",), (2, 2, 3)),
        Node("conv", Affine(convolution, whole(convolution.size_out)), ("state",)),
        Node("relu", Piecewise.relu(convolution.size_out), ("conv",)),
        Node("some", Select(np.array([3, 3, 0, 7]), convolution.size_out), ("relu",)),
        Node("dense", Affine(Dense(whole(4, 12)), whole(4)), ("x",)),
        Node("sum", Sum(4), ("some", "dense", "some")),
        Node("all", Concat((4, 12)), ("sum", "state"), (4, 4)),
    )
    return Network(nodes, "all", Origin(dtype=dtype))


def test_a_written_module_computes_the_network_exactly_in_float64():
    network = built()
    module = write_torch(network)
    points = np.random.default_rng(1).integers(-8, 9, (50, 12)) / 8
    with torch.no_grad():
        found = module(torch.from_numpy(points).reshape(50, 3, 4))
    assert found.shape == (50, 4, 4)
    assert (found.reshape(50, -1).numpy() == network.evaluate(points)).all()


def test_the_state_of_a_written_module_moves_to_another():
    network = built()
    module, other = write_torch(network), write_torch(network)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    other.load_state_dict(module.state_dict())
    points = torch.randn(5, 3, 4, dtype=torch.float64)
    assert torch.equal(other(points), module(points))
    assert all(parameter.requires_grad for parameter in module.parameters())


def test_the_element_type_is_that_of_the_network_or_the_one_asked_for():
    assert {p.dtype for p in write_torch(built("float32")).parameters()} == {torch.float32}
    asked = write_torch(built("float32"), torch.float64)
    assert {p.dtype for p in asked.parameters()} == {torch.float64}


def test_writing_leaves_the_random_numbers_of_torch_alone():
    torch.manual_seed(3)
    wanted = torch.rand(1)
    torch.manual_seed(3)
    write_torch(built())
    assert torch.equal(torch.rand(1), wanted)


WHOLE = st.integers(-8, 8).map(lambda n: n / 4)


@st.composite
def chains(draw):
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    nodes = [Node("x", Input((sizes[0],)))]
    for index, size in enumerate(sizes[1:]):
        count = size * sizes[index]
        weight = np.array(draw(st.lists(WHOLE, min_size=count, max_size=count)))
        bias, slope, intercept = (
            np.array(draw(st.lists(WHOLE, min_size=size, max_size=size))) for _ in range(3)
        )
        dense = Affine(Dense(weight.reshape(size, -1)), bias)
        nodes.append(Node(f"z{index}", dense, (nodes[-1].name,)))
        states = draw(st.lists(st.sampled_from(State), min_size=size, max_size=size))
        layer = Piecewise(np.array(states), slope, intercept)
        nodes.append(Node(f"h{index}", layer, (nodes[-1].name,)))
    return Network(tuple(nodes), nodes[-1].name, Origin(dtype="float64"))


@settings(max_examples=25)
@given(chains())
def test_a_written_module_is_read_back_as_the_same_function(network):
    back = read_torch(write_torch(network), network.input.shape)
    random = np.random.default_rng(0)
    points = random.integers(-16, 17, (8, network.size_in)) / 16
    assert (back.evaluate(points) == network.evaluate(points)).all()
    rationals = [[Fraction(int(n), 7) for n in row] for row in random.integers(-9, 9, points.shape)]
    wanted = network.evaluate(rationals, exact=True)
    assert (back.evaluate(rationals, exact=True) == wanted).all()
