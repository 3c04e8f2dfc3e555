"""Files and comparisons that the tests of ONNX operators share."""

import numpy as np
import pytest
from onnx_models import model_of

from secateur.engine.formats.onnx_read import read_onnx
from secateur.engine.formats.onnx_runtime import Runtime


@pytest.fixture(scope="module")
def save(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")

    def write(model):
        path = folder / "model.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    return write


@pytest.fixture(scope="module")
def agree(save):
    """Import a model and compare it with onnxruntime, exactly unless a tolerance is given."""

    def compare(nodes, shape, constants=(), opset=13, dtype="float32", tolerance=0.0, output="y"):
        path = save(model_of(nodes, shape, constants, opset, dtype, output))
        network, runtime = read_onnx(path), Runtime(path)
        random = np.random.default_rng(7)
        points = random.integers(-4, 5, (6, network.size_in)).astype(float)
        expected, found = runtime.outputs(points), network.evaluate(points)
        assert expected.shape == found.shape
        if tolerance:
            np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(found, expected)
            exact = network.evaluate(points[:2], exact=True)
            assert (exact == expected[:2]).all()
        hidden = [n.name for n in network.nodes if n.name in {o for p in nodes for o in p.output}]
        for name, values in runtime.hidden(points, hidden).items():
            np.testing.assert_allclose(
                network.trace(points)[name], values, rtol=tolerance, atol=tolerance
            )
        return network

    return compare
