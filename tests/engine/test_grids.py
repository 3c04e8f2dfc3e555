"""Questions about networks that round their activations: pairs, merged networks, refusals."""

from fractions import Fraction

import numpy as np
import pytest
from grids import chain, moved, places, rounded
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.engine.agreement import within
from secateur.engine.answer import Effort
from secateur.engine.assemble import assemble
from secateur.engine.attack import gradient
from secateur.engine.bounder import Paired, bounder
from secateur.engine.bounds.aligned import aligned
from secateur.engine.bounds.interval import interval
from secateur.engine.decide import decide
from secateur.engine.discrepancy import discrepancy
from secateur.engine.errors import UnsupportedError
from secateur.engine.legal import violations
from secateur.engine.network import Affine, Input, Network, Node, Piecewise, Quantize
from secateur.engine.operators import Dense
from secateur.engine.pair import merge
from secateur.engine.question import ask
from secateur.engine.region import Region
from secateur.engine.stages import stages
from secateur.engine.verdict import Proved, Refuted
from secateur.redundancy.phase import decide_phases

seeds = st.integers(0, 2**32 - 1)


def quantized(network, scale=2.0**-6, often=("input", "kink")):
    """Return a chain whose input and activations are rounded to grids of 8 bits."""
    nodes, last = [], {}
    for node in network.nodes:
        nodes.append(Node(node.name, node.layer, tuple(last[name] for name in node.sources)))
        last[node.name] = node.name
        if isinstance(node.layer, Input | Piecewise):
            grid = Quantize.uniform(node.size, scale, -128, 127)
            nodes.append(Node(f"{node.name}.grid", grid, (node.name,)))
            last[node.name] = nodes[-1].name
    return Network(tuple(nodes), last[network.output])


def dense(rng, sizes=(3, 6, 6, 2)):
    """Return a small chain of dense layers."""
    pairs = list(zip(sizes[1:], sizes, strict=False))
    weights = [rng.normal(size=pair) / np.sqrt(pair[1]) for pair in pairs]
    return Network.dense(weights, [0.1 * rng.normal(size=n) for n, _ in pairs])


def test_a_chain_and_its_quantized_copy_are_bounded_as_a_pair():
    plain = dense(np.random.default_rng(0))
    region = Region.box(-0.5 * np.ones(3), 0.5 * np.ones(3))
    for pair in ((plain, quantized(plain)), (quantized(plain), plain)):
        assert isinstance(bounder(ask(within(*pair, region, 0), list(pair)), 1), Paired)


def test_the_discrepancy_of_a_quantized_copy_is_enclosed():
    rng = np.random.default_rng(1)
    plain = dense(rng)
    copy = quantized(plain)
    region = Region.box(-0.1 * np.ones(3), 0.1 * np.ones(3))
    found = discrepancy(plain, copy, region, Effort(seconds=60.0, boxes=3000, workers=1))
    points = places(rng, region.lower, region.upper, 2000)
    apart = np.abs(plain.evaluate(points) - copy.evaluate(points)).max(axis=0)
    for span, seen in zip(found.outputs, apart, strict=True):
        assert seen <= span.proved
        assert 0.0 < span.attained <= span.proved < 0.1
        point = np.array([span.point], dtype=object)
        values = [network.evaluate(point, exact=True)[0] for network in (plain, copy)]
        assert max(abs(values[0] - values[1])) >= Fraction(span.attained)


@pytest.mark.parametrize("epsilon", [Fraction(1, 10), Fraction(1, 1000)])
def test_agreement_with_a_quantized_copy_is_decided(epsilon):
    plain = dense(np.random.default_rng(2))
    copy = quantized(plain)
    region = Region.box(-0.1 * np.ones(3), 0.1 * np.ones(3))
    question = ask(within(plain, copy, region, epsilon), [plain, copy])
    answer = decide(question, Effort(seconds=60.0, boxes=5000, workers=1))
    assert isinstance(answer.verdict, Proved if epsilon > Fraction(1, 20) else Refuted)


def test_many_inputs_are_decided_by_boxes_where_phases_cannot_be():
    plain = dense(np.random.default_rng(3), (20, 6, 2))
    copy = quantized(plain)
    region = Region.box(-0.1 * np.ones(20), 0.1 * np.ones(20))
    question = ask(within(plain, copy, region, Fraction(1)), [plain, copy])
    answer = decide(question, Effort(seconds=60.0, boxes=500, workers=1))
    assert isinstance(answer.verdict, Proved)


@given(seeds)
@settings(max_examples=40, deadline=None)
def test_merged_networks_compute_the_difference(seed):
    rng = np.random.default_rng(seed)
    plain = chain(rng)
    other = rounded(rng, moved(rng, plain, 0.1))
    first = plain if rng.random() < 0.5 else rounded(rng, plain)
    merged = merge(first, other).network
    assert violations(merged) == []
    points = places(rng, -np.ones(plain.size_in), np.ones(plain.size_in), 6)
    x, y = (one.evaluate(points, exact=True) for one in (first, other))
    assert (merged.evaluate(points, exact=True) == x - y).all()


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_stages_and_aligned_chains_compute_the_network(seed):
    rng = np.random.default_rng(seed)
    plain = chain(rng)
    networks = [rounded(rng, plain), rounded(rng, plain, 0.4)]
    chains = aligned(*(stages(network, grids=True) for network in networks))
    assert chains is not None
    points = places(rng, -np.ones(plain.size_in), np.ones(plain.size_in), 5)
    for network, staged in zip(networks, chains, strict=True):
        values = points
        for stage in staged.stages:
            z = values if not stage.edges else values @ stage.edges[0].weight.T + stage.bias
            values = stage.layer(z)
            values = values if stage.grid is None else stage.grid(values)
        assert np.allclose(z, network.evaluate(points), atol=1e-9) or _tie(network, points)


def _tie(network, points):
    """Return whether a value is beside a tie, where sums in another order may round otherwise."""
    trace = network.trace(points)
    for node in network.nodes:
        if isinstance(node.layer, Quantize):
            ratio = trace[node.sources[0]] / node.layer.scale
            if (np.abs(ratio - np.floor(ratio) - 0.5) < 1e-9).any():
                return True
    return False


def test_the_gradient_passes_through_a_grid_inside_its_limits():
    grid = Quantize.uniform(2, 0.25, -4, 4)
    layer = Affine(Dense(np.array([[1.0, 2.0], [0.0, 3.0]])), np.zeros(2))
    network = Network(
        (
            Node("input", Input((2,))),
            Node("affine", layer, ("input",)),
            Node("grid", grid, ("affine",)),
        ),
        "grid",
    )
    points = np.array([[0.1, 0.1], [0.1, 0.9]])
    found = gradient(network, network.trace(points), "grid", np.ones((2, 2)))
    assert found.tolist() == [[1.0, 5.0], [0.0, 0.0]]


def test_what_knows_no_grids_says_so():
    network = quantized(dense(np.random.default_rng(4)))
    region = Region.box(-np.ones(3), np.ones(3))
    with pytest.raises(UnsupportedError, match=r"rounds its activations \(layer input.grid\)"):
        stages(network)
    with pytest.raises(UnsupportedError, match="search for neurons"):
        decide_phases(network, region)
    bounds = {
        name: (low[0], high[0])
        for name, (low, high) in interval(network, region.lower[None], region.upper[None]).items()
    }
    with pytest.raises(UnsupportedError, match="mixed-integer"):
        assemble(network, region.lower, region.upper, bounds, network.output)
