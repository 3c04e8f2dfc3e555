"""Pruned, parametrized and quantized torch modules: read as what they compute."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrize, prune

from secateur.engine.errors import FormatError, UnsupportedError
from secateur.engine.formats.torch_module import read_torch, write_torch
from secateur.engine.network import Affine, Network, Node, Quantize

pytestmark = pytest.mark.filterwarnings("ignore")


def outputs(module, points):
    with torch.no_grad():
        return module(torch.tensor(points, dtype=torch.float32)).double().numpy()


@pytest.mark.parametrize("final", [False, True])
def test_a_pruned_module_has_the_masked_weights(final):
    torch.manual_seed(1)
    module = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    for layer in (module[0], module[2]):
        prune.l1_unstructured(layer, "weight", amount=0.5)
        prune.random_unstructured(layer, "bias", amount=0.5)
        if final:
            prune.remove(layer, "weight")
    network = read_torch(module, (4,))
    weights = [n.layer.operator.weight for n in network.nodes if isinstance(n.layer, Affine)]
    assert np.array_equal(weights[0], module[0].weight.detach().double().numpy())
    assert (weights[0] == 0).sum() == 12


def test_a_pruned_convolution_is_read():
    torch.manual_seed(2)
    module = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2))
    prune.ln_structured(module[0], "weight", amount=1, n=2, dim=0)
    network = read_torch(module, (1, 4, 4))
    kernel = next(n.layer.operator.weight for n in network.nodes if isinstance(n.layer, Affine))
    assert (kernel == 0).reshape(3, -1).all(axis=1).sum() == 1


class Masked(nn.Module):
    def __init__(self, mask):
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight):
        return weight * self.mask


def test_a_parametrized_module_has_the_parametrized_weights():
    torch.manual_seed(3)
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    parametrize.register_parametrization(module[0], "weight", Masked(torch.eye(4)[:, :3]))
    network = read_torch(module, (3,))
    weight = next(n.layer.operator.weight for n in network.nodes if isinstance(n.layer, Affine))
    assert np.array_equal(weight != 0, np.eye(4)[:, :3] != 0)


def quantized(module, shape, *, engine="x86", channels=True):
    """Return a module that torch.ao.quantization made, with int8 weights and activations."""
    from torch.ao import quantization as ao

    torch.backends.quantized.engine = engine
    whole = nn.Sequential(ao.QuantStub(), *module, ao.DeQuantStub()).eval()
    whole.qconfig = ao.get_default_qconfig(engine if channels else "qnnpack")
    pairs = [
        [str(i), str(i + 1)]
        for (i, one), (_, two) in pairwise(enumerate(whole))
        if isinstance(one, nn.Linear | nn.Conv2d) and isinstance(two, nn.ReLU)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fused = ao.fuse_modules(whole, pairs) if pairs else whole
        ready = ao.prepare(fused)
        for _ in range(3):
            ready(torch.randn(16, *shape))
        return ao.convert(ready)


@pytest.mark.parametrize("channels", [False, True])
@pytest.mark.parametrize("engine", ["x86", "fbgemm"])
def test_a_quantized_module_is_read(engine, channels):
    torch.manual_seed(4)
    layers = [nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 8), nn.Linear(8, 3)]
    module = quantized(layers, (5,), engine=engine, channels=channels)
    network = read_torch(module, (5,))
    assert sum(isinstance(node.layer, Quantize) for node in network.nodes) == 4
    points = np.random.default_rng(0).normal(size=(500, 5)).astype(np.float32)
    expected, found = outputs(module, points), network.evaluate(points)
    step = network.nodes[-1].layer.scale[0]
    assert np.mean(np.abs(expected - found) < 1e-6) > 0.99
    assert np.abs(expected - found).max() < 2 * step


def test_a_quantized_convolution_is_read():
    torch.manual_seed(5)
    layers = [nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    module = quantized([*layers, nn.Linear(12, 2)], (1, 4, 4))
    network = read_torch(module, (1, 4, 4))
    points = np.random.default_rng(1).normal(size=(300, 16)).astype(np.float32)
    expected = outputs(module, points.reshape(300, 1, 4, 4))
    assert np.mean(np.abs(expected - network.evaluate(points)) < 1e-6) > 0.99


def test_what_rounds_in_another_way_is_refused():
    module = quantized([nn.Conv2d(1, 2, 3), nn.AvgPool2d(2), nn.Flatten()], (1, 4, 4))
    with pytest.raises(UnsupportedError, match="rounds quantized values"):
        read_torch(module, (1, 4, 4))


def test_a_scale_that_is_none_is_refused():
    module = quantized([nn.Linear(2, 2)], (2,))
    module[1].scale = 0.0
    with pytest.raises((FormatError, UnsupportedError)):
        read_torch(module, (2,))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_a_grid_is_written_as_a_module_that_can_be_trained(seed):
    rng = np.random.default_rng(seed)
    grid = Quantize(2.0 ** -rng.integers(0, 5, 4), np.full(4, -3.0), np.full(4, 4.0))
    plain = Network.dense([rng.integers(-8, 8, (4, 3)) / 8.0], [np.zeros(4)])
    network = Network((*plain.nodes, Node("grid", grid, ("affine1",))), "grid")
    module = write_torch(network)
    points = rng.integers(-32, 33, (30, 3)) / 16.0
    assert np.array_equal(outputs(module, points), network.evaluate(points))
    given_ = torch.tensor(points, dtype=torch.float32, requires_grad=True)
    module(given_).sum().backward()
    z = points @ plain.nodes[1].layer.operator.weight.T
    inside = (z >= grid.scale * grid.low) & (z <= grid.scale * grid.high)
    expected = inside.astype(float) @ plain.nodes[1].layer.operator.weight
    assert np.allclose(given_.grad.numpy(), expected)
