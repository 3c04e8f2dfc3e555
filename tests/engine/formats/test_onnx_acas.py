"""The published ACAS Xu networks, where the data are at hand."""

import time

import numpy as np
import pytest

from secateur.engine.formats.onnx_read import read_onnx
from secateur.engine.formats.onnx_runtime import Runtime
from secateur.engine.formats.onnx_write import write_onnx
from secateur.engine.network import Affine, Input, Piecewise
from secateur.engine.operators import Dense


@pytest.fixture(scope="module")
def files(data):
    found = sorted((data / "acasxu").glob("*.onnx"))
    assert len(found) == 45
    return found


def test_all_45_are_chains_of_six_hidden_layers(files):
    for path in files:
        network = read_onnx(path)
        assert [type(n.layer) for n in network.nodes] == [Input, *[Affine, Piecewise] * 6, Affine]
        assert all(
            b.sources == (a.name,) for a, b in zip(network.nodes, network.nodes[1:], strict=False)
        )
        assert [n.size for n in network.nodes] == [5, *[50] * 12, 5]
        assert network.neurons == 300
        assert all(
            isinstance(n.layer.operator, Dense)
            for n in network.nodes
            if isinstance(n.layer, Affine)
        )
        assert network.input.shape == (1, 1, 5)
        assert network.input.name == "input"


def test_an_import_with_its_check_is_quick(files):
    read_onnx(files[0])
    seconds = []
    for path in files[:10]:
        start = time.perf_counter()
        read_onnx(path)
        seconds.append(time.perf_counter() - start)
    assert np.median(seconds) < 0.1


def test_hidden_tensors_agree_with_the_runtime(files):
    network, runtime = read_onnx(files[13]), Runtime(files[13])
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (20, 5)).astype(np.float32).astype(float)
    trace = network.trace(points)
    names = [node.name for node in network.nodes[1:]]
    for name, values in runtime.hidden(points, names).items():
        np.testing.assert_allclose(values, trace[name], rtol=1e-4, atol=1e-5)
    assert 0 < runtime.latency(points[0], repeats=10) < 0.1


def test_writing_and_reading_changes_no_weight(files, tmp_path):
    network = read_onnx(files[44])
    write_onnx(network, tmp_path / "copy.onnx")
    again = read_onnx(tmp_path / "copy.onnx")
    assert [n.name for n in again.nodes] == [n.name for n in network.nodes]
    assert again.input.shape == (1, 1, 5)
    for old, new in zip(network.nodes, again.nodes, strict=True):
        if isinstance(old.layer, Affine):
            assert (old.layer.operator.weight == new.layer.operator.weight).all()
            assert (old.layer.bias == new.layer.bias).all()


def test_other_networks_at_hand_are_read(data):
    found = sorted((data / "pairs" / "nets").glob("*.onnx"))
    if not found:
        pytest.skip("data/pairs/nets holds no network")
    for path in found[::4]:
        network = read_onnx(path)
        assert {type(n.layer) for n in network.nodes} == {Input, Affine, Piecewise}
