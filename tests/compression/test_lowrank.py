"""Low rank: two factors, smaller together, and the nearest of their rank."""

import numpy as np
import pytest
from compressed_drawn import image_networks, ordinary
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from secateur.compression.lowrank import low_rank
from secateur.compression.method import LowRank
from secateur.compression.plain import narrow, weighted
from secateur.engine.errors import InputError
from secateur.engine.network import Network


def dense(seed, sizes=(6, 20, 16, 3)):
    rng = np.random.default_rng(seed)
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    return Network.dense(
        [rng.normal(size=shape) for shape in shapes],
        [rng.normal(size=shape[0]) for shape in shapes],
    )


def flat(layer):
    return layer.operator.weight.reshape(len(layer.operator.weight), -1)


@given(st.integers(0, 999), st.one_of(st.integers(1, 8), st.floats(0.2, 0.95)))
def test_two_factors_are_smaller_and_the_nearest_of_their_rank(seed, size):
    network = dense(seed)
    method = LowRank(size) if isinstance(size, int) else LowRank(share=size)
    made = low_rank(network, method).network
    names = {node.name for node in made.nodes}
    split = [(n, a) for n, a in weighted(narrow(network)) if f"{n.name}/factor" in names]
    assert split
    for node, before in split:
        low, high = (flat(made.by_name[name].layer) for name in (f"{node.name}/factor", node.name))
        assert low.size + high.size < before.operator.weight.size
        if method.share is not None:
            assert low.size + high.size <= method.share * before.operator.weight.size
        values = np.linalg.svd(flat(before), compute_uv=False)
        apart = np.linalg.norm(high @ low - flat(before), 2)
        assert apart <= values[len(low)] + 1e-5 * values[0]
        for factor in (low, high):
            assert (factor.astype(np.float32) == factor).all()
    points = np.random.default_rng(seed).normal(size=(2, 6))
    layers = {name: made.by_name[name].layer for name, _ in ((n.name, a) for n, a in split)}
    assert layers
    assert made.evaluate(points, exact=True).shape == (2, 3)
    assert made.parameters < network.parameters


@settings(max_examples=40)
@given(image_networks().filter(ordinary))
def test_a_convolution_becomes_a_narrow_one_and_one_of_single_pixels(network):
    try:
        made = low_rank(network, LowRank(share=0.9)).network
    except InputError:  # too small for two
        return
    network = narrow(network)
    merged = {}
    for node, layer in weighted(network):
        factor = made.by_name.get(f"{node.name}/factor")
        if factor is not None:
            low, high = flat(factor.layer), flat(made.by_name[node.name].layer)
            product = (high @ low).reshape(layer.operator.weight.shape)
            merged[node.name] = type(layer)(
                type(layer.operator)(product)
                if layer.operator.weight.ndim == 2
                else layer.operator.__class__(
                    product,
                    layer.operator.shape_in,
                    layer.operator.strides,
                    layer.operator.padding,
                ),
                layer.bias,
            )
    assume(merged)
    points = np.random.default_rng(0).normal(size=(5, network.size_in))
    wanted = network.with_layers(merged).evaluate(points)
    assert made.evaluate(points) == pytest.approx(wanted, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"rank": 0}, "rank 0"),
        ({"rank": -1}, "rank -1"),
        ({"rank": 2, "share": 0.5}, "give one of them"),
        ({}, "give one of them"),
        ({"share": 1.0}, "share 1"),
        ({"share": 0.0}, "share 0"),
        ({"rank": 17}, "more than 16"),
        ({"rank": 16}, "no layer of built is smaller"),
        ({"share": 0.01}, "no layer of built is smaller"),
    ],
)
def test_a_rank_that_makes_no_sense_is_refused(words, said):
    with pytest.raises(InputError, match=said):
        low_rank(dense(0), LowRank(**words))
