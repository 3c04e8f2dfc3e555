"""The two readers of network files side by side: the engine's and the checker's own."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx_models import model_of

from secateur.engine import formats
from secateur.engine.network import Network
from secateur.engine.proofs.model import Model
from secateur.engine.proofs.read import read_model


def points_of(size: int, count: int = 3, seed: int = 0) -> list[list[Fraction]]:
    """Return points of whole sevenths, so that inputs have no finite binary expansion."""
    draw = np.random.default_rng(seed).integers(-21, 22, (count, size)).tolist()
    return [[Fraction(number, 7) for number in point] for point in draw]


def assert_same(model: Model, network: Network, count: int = 3) -> None:
    """Compare the outputs, and each layer that both hold by name, in exact rationals."""
    for point in points_of(network.size_in, count):
        values = model.evaluate(point)
        expected = network.evaluate([point], exact=True)[0].tolist()
        assert values[model.output] == expected
        rounded = model.floats(np.array([point], dtype=np.float64))
        for exact, near in zip(values, rounded, strict=True):
            wide = np.array([float(value) for value in exact])
            np.testing.assert_allclose(near[0], wide, rtol=1e-6, atol=1e-6 + 1e-9 * abs(wide).max())


def both(path: Path, count: int = 3) -> tuple[Model, Network]:
    """Return what both readers make of a file, after comparing them."""
    network = formats.load(path)
    model = read_model(path.read_bytes(), path.name)
    assert_same(model, network, count)
    return model, network


RANDOM = np.random.default_rng(5)


def some(*shape: int, dtype: type | str = np.float32) -> NDArray[Any]:
    """Return numbers with all the digits of their type."""
    return RANDOM.normal(size=shape).astype(dtype)


def whole(*values: int) -> NDArray[np.int64]:
    """Return a setting."""
    return np.array(values, dtype=np.int64)


def node(kind: str, *names: str, outputs: Sequence[str] = ("y",), **given: Any) -> onnx.NodeProto:
    """Return a node that reads x first."""
    return onnx.helper.make_node(kind, ["x", *names], list(outputs), **given)


def writer(folder: Path) -> Callable[..., Path]:
    """Return a function that writes a model of a few nodes into a folder."""

    def write(
        nodes: Sequence[onnx.NodeProto],
        shape: Sequence[int],
        constants: Mapping[str, ArrayLike] | tuple[()] = (),
        opset: int = 13,
        dtype: str = "float32",
    ) -> Path:
        path = folder / "model.onnx"
        path.write_bytes(model_of(nodes, shape, constants, opset, dtype).SerializeToString())
        return path

    return write
