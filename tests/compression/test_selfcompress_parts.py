"""What self-compression is made of: rounding, size, removal, the packed file."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.compression.form import Grid
from secateur.compression.selfcompress_chain import fresh, links_of, network_of
from secateur.compression.selfcompress_file import load_packed, pack, save_packed, unpack
from secateur.compression.selfcompress_form import Coded, CodedNetwork
from secateur.compression.selfcompress_module import (
    Stack,
    covering,
    levels,
    quantised,
)
from secateur.compression.selfcompress_removal import in_order, remove_silent
from secateur.engine.errors import FileError, FormatError, InputError, UnsupportedError
from secateur.engine.formats import load, save
from secateur.engine.layers import Piecewise, Sum
from secateur.engine.network import Affine, Input, Network, Node, Normalisation
from secateur.engine.operators import Convolution, Dense, Diagonal

SHAPES = (
    ((5,), (), (4,)),
    ((9,), (), (7, 3)),
    ((1, 6, 6), (3,), ()),
    ((2, 7, 5), (3, 4), (5,)),
    ((50,), (), (64, 33)),
)


def network(shape, channels, hidden, seed=0, classes=3):
    """Return a random chain with biases of both signs and some zeros."""
    rng = np.random.default_rng(seed)
    links = links_of(fresh(shape, classes, channels, hidden, rng))
    biased = []
    for link in links:
        bias = (rng.normal(size=link.channels) * rng.integers(0, 2, link.channels)).astype("f4")
        biased.append(type(link)(link.operator, bias.astype(float), link.relu, link.run))
    return network_of(biased, shape, "drawn")


def stack_of(net, seed, bits=4.0):
    """Return a stack with drawn bits, some of them 0."""
    stack = Stack(links_of(net), net.input.shape, bits)
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for layer in stack.every():
            depth = rng.uniform(0.0, 9.0, layer.link.channels) * rng.integers(
                0, 2, layer.bits.size(0)
            )
            layer.bits.copy_(torch.tensor(depth, dtype=torch.float32))
            layer.exponent.copy_(covering(layer.weight, layer.bits))
    return stack


def formula(x, b, e):
    """Return 2^e round(min(max(2^-e x, -2^(b-1)), 2^(b-1) - 1)) in float64, ties to even."""
    low, high = -(2.0 ** (b - 1)), 2.0 ** (b - 1) - 1
    return 2.0**e * np.rint(min(max(2.0**-e * x, low), high))


@given(st.floats(-8, 8, width=32), st.integers(0, 80).map(lambda n: n / 8), st.integers(-6, 3))
def test_quantised_is_the_formula(x, b, e):
    given_ = [torch.tensor(v, dtype=torch.float32) for v in ([[x]], [b], [e])]
    assert quantised(*given_).item() == formula(x, b, e)


@given(st.floats(0, 12), st.floats(-5, 3), st.integers(0, 1000))
def test_levels_fit_the_bits_rounded_up(b, e, seed):
    x = torch.tensor(np.random.default_rng(seed).normal(size=(1, 20)) * 10, dtype=torch.float32)
    depth = torch.tensor([b], dtype=torch.float32)
    whole = levels(x, depth, torch.tensor([e], dtype=torch.float32))
    count = int(torch.ceil(depth))
    low, high = (-(2 ** (count - 1)), 2 ** (count - 1) - 1) if count else (0, 0)
    assert low <= whole.min() <= whole.max() <= high
    assert torch.equal(whole, torch.round(whole))


def test_ties_go_to_even_and_no_bits_give_zero():
    x = torch.tensor([[0.5, 1.5, 2.5, -0.5, -1.5, -2.5]])
    got = quantised(x, torch.tensor([8.0]), torch.tensor([0.0]))
    assert got.tolist() == [[0.0, 2.0, 2.0, 0.0, -2.0, -2.0]]
    none = quantised(x, torch.tensor([0.0]), torch.tensor([0.0]))
    assert not none.any()
    assert not torch.signbit(none).any()


def test_the_gradient_is_the_formulas_but_for_the_rounding():
    """Where a weight is not cut: 1, and nothing for b; where it is: the limit's slope."""
    x = torch.tensor([[0.3, 9.0, -9.0]], requires_grad=True)
    b = torch.tensor([3.0], requires_grad=True)
    e = torch.tensor([0.0], requires_grad=True)
    out = quantised(x, b, e)
    (inner,) = torch.autograd.grad(out[0, 0], x, retain_graph=True)
    assert inner.tolist() == [[1.0, 0.0, 0.0]]
    for place, slope in ((0, 0.0), (1, 4 * np.log(2)), (2, -4 * np.log(2))):
        (got,) = torch.autograd.grad(out[0, place], b, retain_graph=True)
        assert got.item() == pytest.approx(slope)
    # d/de of 2^e round(2^-e x): ln 2 (q - x) inside, ln 2 q where it is cut
    for place, slope in ((0, -0.3), (1, 3.0), (2, -4.0)):
        (got,) = torch.autograd.grad(out[0, place], e, retain_graph=True)
        assert got.item() == pytest.approx(np.log(2) * slope)


def test_size_is_equation_five():
    net = network((2, 7, 5), (3, 4), (5,))
    stack = stack_of(net, 1)
    depths = [layer.bits.detach().double().numpy() for layer in stack.every()]
    taps = [9, 9, 2 * 2, 1]
    total = 9 * 2 * depths[0].sum()
    for at in range(1, 4):
        own, before = depths[at], depths[at - 1]
        total += taps[at] * ((before > 0).sum() * own.sum() + (own > 0).sum() * before.sum())
    count = sum(
        node.layer.operator.weight.size for node in net.nodes if isinstance(node.layer, Affine)
    )
    assert stack.size().item() == pytest.approx(total / count, rel=1e-6)
    (slope,) = torch.autograd.grad(stack.size(), stack.every()[0].bits)
    assert torch.allclose(
        slope, torch.full((3,), (9 * 2 + 9 * float((depths[1] > 0).sum())) / count)
    )


@settings(max_examples=30)
@given(st.sampled_from(SHAPES), st.integers(0, 10**6))
def test_removal_keeps_every_bit_of_the_output(shape, seed):
    """Sums taken term by term, in one order, are equal bit for bit; rationals are equal too."""
    net = network(*shape, seed)
    stack = stack_of(net, seed)
    inputs = torch.tensor(
        np.random.default_rng(seed).normal(size=(7, net.size_in)), dtype=torch.float32
    )
    before, raw = stack.coded(), stack(inputs).detach()
    gone = remove_silent(stack, torch.optim.Adam(stack.parameters()))
    after, cut = stack.coded(), stack(inputs).detach()
    assert sum(before.channels) - sum(after.channels) == gone
    links = [[layer.link for layer in one.layers] for one in (before, after)]
    assert torch.equal(in_order(links[0], inputs), in_order(links[1], inputs))
    assert torch.allclose(raw, cut, rtol=1e-4, atol=1e-4 * float(raw.abs().max()))
    assert after.same(before.without_dead())
    point = inputs[0].double().numpy()
    exact = [one.network().evaluate(point, exact=True).tolist() for one in (before, after)]
    assert exact[0] == exact[1]


def test_removal_takes_the_moments_along():
    """A training goes on after a removal as it would have gone on without."""
    net = network((6,), (), (8, 5), seed=3)
    rng = np.random.default_rng(0)
    inputs = torch.tensor(rng.normal(size=(40, 6)), dtype=torch.float64)
    labels = torch.tensor(rng.integers(0, 3, 40))
    ends = []
    for removing in (False, True):
        stack = stack_of(net, 5).double()
        adam = torch.optim.Adam(stack.parameters(), lr=1e-3)
        for step in range(12):
            loss = torch.nn.functional.cross_entropy(stack(inputs), labels)
            adam.zero_grad()
            loss.backward()
            adam.step()
            stack.hold()
            stack.shrink_biases(10.0)
            if removing and step == 4:
                assert remove_silent(stack, adam) > 0
                for group in adam.param_groups:
                    for parameter in group["params"]:
                        assert adam.state[parameter]["exp_avg"].shape == parameter.shape
        ends.append(stack(inputs).detach())
    assert torch.allclose(*ends, rtol=1e-9, atol=1e-12)


def test_a_layer_keeps_a_channel():
    stack = Stack(links_of(network((4,), (), (3,))), (4,), 4.0)
    with torch.no_grad():
        for layer in stack.every():
            layer.bits.zero_()
            layer.bias.zero_()
    assert remove_silent(stack, torch.optim.Adam(stack.parameters())) == 2
    coded = stack.coded()
    assert coded.channels == (1, 3)
    assert not coded.network().evaluate(np.ones(4)).any()
    assert unpack(pack(coded)).same(coded)


def test_a_channel_with_a_bias_stays_until_the_bias_is_gone():
    stack = Stack(links_of(network((4,), (), (3,))), (4,), 4.0)
    adam = torch.optim.Adam(stack.parameters())
    first = stack.every()[0]
    with torch.no_grad():
        first.bits[0] = first.bits[1] = 0.0
        first.bias.copy_(torch.tensor([0.5, -0.5, 0.0]))
    assert remove_silent(stack, adam) == 1  # behind a ReLU the second is 0 everywhere
    stack.shrink_biases(0.3)
    assert first.bias[0].item() == pytest.approx(0.2)
    assert remove_silent(stack, adam) == 0
    stack.shrink_biases(0.3)
    assert remove_silent(stack, adam) == 1


@settings(max_examples=30)
@given(st.sampled_from(SHAPES), st.integers(0, 10**6))
def test_the_packed_file_gives_every_number_back(shape, seed):
    coded = stack_of(network(*shape, seed), seed).coded().without_dead()
    data = pack(coded)
    back = unpack(data)
    assert back.same(coded)
    assert pack(back) == data
    one, two = coded.compressed(), back.compressed()
    for first, second in zip(one.network.nodes, two.network.nodes, strict=True):
        if isinstance(first.layer, Affine):
            assert np.array_equal(first.layer.operator.weight, second.layer.operator.weight)
            assert np.array_equal(first.layer.bias, second.layer.bias)


def test_the_network_is_what_was_trained():
    """The weights that ship are, bit for bit, those that the training computed with."""
    stack = stack_of(network((2, 7, 5), (3, 4), (5,)), 8)
    for layer, one in zip(stack.every(), stack.coded().layers, strict=True):
        held = layer.quantised().detach().double().numpy()
        assert np.array_equal(held, one.link.operator.weight)
        assert isinstance(one.form.weight, Grid)


def test_the_length_is_what_the_numbers_take():
    rng = np.random.default_rng(0)
    whole = rng.integers(-4, 4, (16, 100))
    link = links_of(network((100,), (), (16,)))[0]
    plain = type(link)(link.operator, np.zeros(16), True)
    bits = np.full(16, 3)
    head = len(
        pack(
            CodedNetwork(
                (Coded(plain, whole[:, :1] * np.zeros((1, 100), int), np.ones(16), bits),), (100,)
            )
        )
    )
    full = len(pack(CodedNetwork((Coded(plain, whole, np.ones(16), bits),), (100,))))
    assert full == head  # bits are as stated, whatever the numbers are
    wider = len(pack(CodedNetwork((Coded(plain, whole, np.ones(16), bits + 1),), (100,))))
    assert wider - full == 16 * 100 // 8
    assert full == 16 * 100 * 3 // 8 + 16 + 2 * 4 * 16 + 8 + 1 + 4 + 4 + 2 + 1 + 8 + 4 + 8


def test_units_and_files_are_kept(tmp_path):
    ends = np.arange(5.0)
    normal = Normalisation(ends, ends + 1, ends, ends + 2, 0.5, 2.0)
    net = network((5,), (), (4,))
    stack = Stack(links_of(net), (5,), 5.0, normal)
    coded = stack.coded().without_dead()
    path = tmp_path / "net.sec"
    assert save_packed(coded, path) == path.stat().st_size
    back = load_packed(path)
    assert back.normalisation is not None
    assert back.normalisation.output_range == 2.0
    assert np.array_equal(back.normalisation.maximum, ends + 1)
    save(back.network(), tmp_path / "net.onnx")
    read = load(tmp_path / "net.onnx")
    points = np.random.default_rng(0).normal(size=(6, 5)).astype("f4").astype(float)
    assert np.allclose(read.evaluate(points), coded.network().evaluate(points), rtol=1e-12)
    with pytest.raises(FileError):
        load_packed(tmp_path / "none.sec")


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.data())
def test_damaged_files_are_refused(seed, draw):
    data = pack(stack_of(network((5,), (), (4,), seed), seed).coded())
    at = draw.draw(st.integers(0, len(data) - 1))
    bad = bytearray(data)
    bad[at] ^= 1 << draw.draw(st.integers(0, 7))
    for wrong in (bytes(bad), data[:at], data + b"\0", b"", b"sc-bits\x01"):
        with pytest.raises(FormatError):
            unpack(wrong)


def test_other_networks_are_refused_by_layer():
    dense = Affine(Dense(np.ones((2, 2))), np.zeros(2))
    chain = (Node("input", Input((2,))), Node("a", dense, ("input",)))
    scaled = Affine(Diagonal(np.ones(2)), np.zeros(2))
    cases = {
        "c scales": Node("c", scaled, ("a",)),
        "c reads more": Node("c", Sum(2), ("a", "input")),
        "c is no affine": Node("c", Piecewise(np.array([0, 1]), np.zeros(2), np.zeros(2)), ("a",)),
        "c is a convolution that": Node(
            "c", Affine(Convolution(np.ones((1, 1, 1, 1)), (1, 2, 1)), np.zeros(2)), ("a",)
        ),
    }
    for words, node in cases.items():
        with pytest.raises(UnsupportedError, match=words):
            links_of(Network((*chain, node), "c"))
    grouped = Affine(Convolution(np.ones((2, 1, 1, 1)), (2, 1, 1), groups=2), np.zeros(2))
    with pytest.raises(UnsupportedError, match="2 groups"):
        links_of(Network((Node("input", Input((2, 1, 1))), Node("a", grouped, ("input",))), "a"))
    uneven = Affine(Convolution(np.ones((1, 1, 1, 1)), (1, 2, 1)), np.array([1.0, 2.0]))
    with pytest.raises(UnsupportedError, match="differs within"):
        links_of(Network((Node("input", Input((1, 2, 1))), Node("a", uneven, ("input",))), "a"))


def test_codes_that_do_not_fit_are_refused():
    link = links_of(network((3,), (), ()))[0]
    ones, zeros = np.ones(3), np.zeros((3, 3), int)
    for whole, scale, bits in (
        (zeros + 2, ones, np.full(3, 2)),
        (zeros + 1, ones, np.zeros(3, int)),
        (zeros, np.zeros(3), np.full(3, 2)),
        (zeros, ones, np.full(3, 25)),
        (zeros, ones[:2], np.full(3, 2)),
    ):
        with pytest.raises(InputError):
            Coded(link, whole, scale, bits)
