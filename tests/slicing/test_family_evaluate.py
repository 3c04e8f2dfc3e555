"""Each point is evaluated by its cell's network: in float64, in float32 bit for bit, in torch."""

import numpy as np
import pytest
import torch
from families_drawn import families, inside
from hypothesis import given, settings
from hypothesis import strategies as st
from linearised import linearised
from strategies import dense_networks

from secateur.engine.errors import InputError, RegionError, UnsupportedError
from secateur.engine.network import Affine, Network
from secateur.engine.region import Region
from secateur.slicing.evaluate import Evaluator, dense_chain, evaluate
from secateur.slicing.family import FamilyWriter, family_of
from secateur.slicing.route import Router
from secateur.slicing.single import evaluate_single
from secateur.slicing.slices import LEAF, Slices
from secateur.slicing.torch_family import FamilyModule


def chain(seed=0, cells=4):
    """Return a family of a chain on cells along its first input, with every state."""
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=s).astype(np.float32) for s in ((9, 2), (7, 9), (2, 7))]
    base = Network.dense(weights, [rng.normal(size=len(w)).astype(np.float32) for w in weights])
    axis, cut = np.array([0, 0, 1, *[LEAF] * 4]), np.array([0.5, 0.25, 0.5, *[0.0] * 4])
    slices = Slices(Region.box([0.0, 0.0], [1.0, 1.0], "unit"), axis, cut)
    return family_of(base, slices, [(cell, linearised(base, rng)) for cell in range(cells)])


@given(families(), st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_each_point_is_evaluated_by_the_network_of_its_cell(drawn, seed):
    family, networks = drawn
    rng = np.random.default_rng(seed)
    points = inside(family, rng)
    cells = Router(family.slices).route(points)
    found = evaluate(family, points)
    for point, cell, out in zip(points, cells, found, strict=True):
        expected = networks[cell].evaluate(point)
        scale = max(np.abs(value).max() for value in networks[cell].trace(point).values())
        assert np.allclose(out, expected, rtol=0.0, atol=1e-11 * (1.0 + scale))


@given(families(), st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_float32_has_the_bits_of_the_definition(drawn, seed):
    family, networks = drawn
    points = inside(family, np.random.default_rng(seed), dtype=np.float32)
    cells = Router(family.slices).route(points)
    found = evaluate(family, points, "float32")
    assert found.dtype == np.float32
    for point, cell, out in zip(points, cells, found, strict=True):
        assert out.tobytes() == evaluate_single(networks[cell], point).tobytes()


@pytest.mark.parametrize("element", ["float32", "float64"])
def test_a_point_does_not_depend_on_the_others(element):
    family = chain()
    points = np.random.default_rng(1).random((200, 2)).astype(np.float32)
    run = Evaluator(family, element)
    together = run(points)
    assert (together[::-1] == run(points[::-1])).all()
    assert (np.stack([run(point) for point in points]) == together).all()
    assert run(points.reshape(10, 20, 2)).tobytes() == together.tobytes()
    assert run(points[:0]).shape == (0, 2)


def test_values_beyond_float32_are_what_the_definition_gives():
    weights = [np.array([[1e38], [-1e38]]), np.array([[1e38, 1e38], [1.0, 0.0]]), np.ones((1, 2))]
    base = Network.dense(weights, [np.zeros(2), np.zeros(2), np.zeros(1)])
    slices = Slices(Region.box([-8.0], [8.0]), np.array([LEAF]), np.zeros(1))
    cell = linearised(base, np.random.default_rng(0))
    family = family_of(base, slices, [(0, cell)])
    points = np.array([[-8.0], [0.0], [8.0]], np.float32)
    expected = evaluate_single(cell, points)
    assert evaluate(family, points, "float32").tobytes() == expected.tobytes()


@given(dense_networks())
@settings(max_examples=20)
def test_chains_are_told_from_other_networks(network):
    layers = dense_chain(network)
    assert layers == [node.layer for node in network.nodes if isinstance(node.layer, Affine)]
    assert dense_chain(Network(network.nodes, network.nodes[2].name)) is None


def test_points_outside_the_region_are_refused():
    family = chain()
    for wrong, match in [([2.0, 0.5], "input 0 is 2, above"), ([0.5, np.nan], "input 1 is nan")]:
        for element in ("float32", "float64"):
            with pytest.raises(RegionError, match=match):
                evaluate(family, np.array([[0.5, 0.5], wrong]), element)
    for cell in (-1, 4):
        with pytest.raises(RegionError, match="none of the family's 4"):
            Evaluator(family).at(np.zeros((1, 2)), np.array([cell]))
    with pytest.raises(InputError, match="float32 does not hold"):
        evaluate(family, np.array([[0.1, 0.5]]), "float32")


def test_float32_of_a_network_beyond_it_is_refused():
    base = Network.dense([np.full((1, 1), 1e39)], [np.zeros(1)])
    slices = Slices(Region.box([0.0], [1.0]), np.array([LEAF]), np.zeros(1))
    family = FamilyWriter(base, slices).finish()
    assert evaluate(family, np.array([[0.5]]))[0, 0] == 5e38
    with pytest.raises(UnsupportedError, match="scale the network"):
        evaluate(family, np.array([[0.5]]), "float32")


@given(families(), st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_the_torch_module_gives_the_same_up_to_rounding(drawn, seed):
    family, networks = drawn
    points = inside(family, np.random.default_rng(seed), dtype=np.float32)
    kinds = ("float32", torch.float32, 2e-6), ("float64", torch.float64, 1e-13)
    for element, dtype, unit in kinds:
        module = FamilyModule(family, dtype)
        shape = (len(points), *family.base.input.shape)
        with torch.no_grad():
            found = module(torch.tensor(points.reshape(shape)).to(dtype)).numpy()
        expected = evaluate(family, points, element).reshape(found.shape)
        values = [value for network in networks for value in network.trace(points).values()]
        scale = max((float(np.abs(value).max(initial=0.0)) for value in values), default=0.0)
        assert found.dtype == np.dtype(element)
        assert np.allclose(found, expected, rtol=0.0, atol=100 * unit * (1.0 + scale))


@given(families(), st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_the_torch_module_finds_the_cells_that_the_router_finds(drawn, seed):
    family, _ = drawn
    rng = np.random.default_rng(seed)
    points = inside(family, rng)
    beside = points + rng.normal(size=points.shape) * (rng.random((len(points), 1)) < 0.3)
    beside[rng.random(beside.shape) < 0.05] = np.nan
    module, router = FamilyModule(family), Router(family.slices)
    for some in (points, beside):
        assert (module.cells(torch.tensor(some)).numpy() == router.locate(some)).all()
    outside = router.locate(beside) < 0
    with torch.no_grad():
        shape = (len(beside), *family.base.input.shape)
        found = module(torch.tensor(beside.reshape(shape))).numpy()
    assert np.isnan(found[outside]).all()
