"""Models of a few ONNX nodes, and what hypothesis draws for them."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import onnx
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

from secateur.engine.network import Layer, Network

ALL = (7, 9, 11, 13, 17, 20)
FLOAT = onnx.TensorProto.FLOAT
KINDS = {"float16": onnx.TensorProto.FLOAT16, "float32": FLOAT, "float64": onnx.TensorProto.DOUBLE}
examples = settings(max_examples=50, deadline=None, derandomize=True, database=None)
seeds = st.integers(0, 2**31)


def model_of(
    nodes: Sequence[onnx.NodeProto],
    shape: Iterable[int | str],
    constants: Mapping[str, ArrayLike] | tuple[()] = (),
    opset: int = 13,
    dtype: str = "float32",
    output: str = "y",
) -> onnx.ModelProto:
    """Return a model with input x; ``constants`` become initializers."""
    graph = onnx.helper.make_graph(
        nodes,
        "test",
        [onnx.helper.make_tensor_value_info("x", KINDS[dtype], list(shape))],
        [onnx.helper.make_tensor_value_info(output, KINDS[dtype], None)],
        [onnx.numpy_helper.from_array(np.asarray(v), k) for k, v in dict(constants).items()],
    )
    return onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=8
    )


def whole(
    random: np.random.Generator, *shape: int, low: int = -3, high: int = 4
) -> NDArray[np.float32]:
    """Return whole numbers from low up to, not including, high."""
    return random.integers(low, high, shape).astype(np.float32)


def small(data: st.DataObject, low: int = 1, high: int = 4) -> int:
    """Draw a size."""
    return data.draw(st.integers(low, high))


def kinds(network: Network) -> list[type[Layer]]:
    """Return the kinds of the layers, in order."""
    return [type(node.layer) for node in network.nodes]
