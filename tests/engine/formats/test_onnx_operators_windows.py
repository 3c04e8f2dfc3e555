"""Convolutions, pools and reductions, lowered, equal onnxruntime's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.helper import make_node
from onnx_models import ALL, examples, seeds, small, whole


@examples
@given(st.data(), seeds, st.sampled_from(ALL), st.booleans())
def test_convolution(agree, data, seed, opset, flat):
    random, groups = np.random.default_rng(seed), data.draw(st.sampled_from([1, 2]))
    n = 1 if flat else 2
    per, outs, kernel = small(data, 1, 2), small(data, 1, 2), [small(data, 1, 3) for _ in range(n)]
    shape = [1, groups * per, *(small(data, 5, 7) for _ in range(n))]
    settings_ = {
        "strides": [small(data, 1, 3) for _ in range(n)],
        "dilations": [small(data, 1, 2) for _ in range(n)],
        "group": groups,
    }
    mode = data.draw(st.sampled_from(["pads", "VALID", "SAME_UPPER", "SAME_LOWER", "none"]))
    if mode == "pads":
        settings_["pads"] = [small(data, 0, 2) for _ in range(2 * n)]
    elif mode != "none":
        settings_["auto_pad"] = mode
    if "SAME" in mode:
        settings_["dilations"] = [1] * n  # onnxruntime runs no other
    constants = {"w": whole(random, groups * outs, per, *kernel)}
    if bias := data.draw(st.booleans()):
        constants["b"] = whole(random, groups * outs)
    inputs = ["x", "w", "b"] if bias else ["x", "w"]
    agree([make_node("Conv", inputs, ["y"], **settings_)], shape, constants, opset)


@settings(examples, max_examples=100)
@given(st.data(), st.sampled_from(ALL), st.booleans(), st.sampled_from(["Max", "Average"]))
def test_pools(agree, data, opset, flat, kind):
    n = 1 if flat else 2
    kernel = [small(data, 1, 3) for _ in range(n)]
    settings_ = {"kernel_shape": kernel, "strides": [small(data, 1, 3) for _ in range(n)]}
    mode = data.draw(st.sampled_from(["pads", "VALID", "SAME_UPPER", "SAME_LOWER", "none"]))
    if mode == "pads":
        settings_["pads"] = [data.draw(st.integers(0, k - 1)) for k in kernel * 2]
    elif mode != "none":
        settings_["auto_pad"] = mode
    if "SAME" in mode:  # onnxruntime runs no strides beyond the kernel there
        settings_["strides"] = [
            min(s, k) for s, k in zip(settings_["strides"], kernel, strict=True)
        ]
    if opset >= 10 and mode in ("pads", "none"):
        settings_["ceil_mode"] = data.draw(st.integers(0, 1))
    if opset >= (10 if kind == "Max" else 19) and "auto_pad" not in settings_:
        settings_["dilations"] = [small(data, 1, 2) for _ in range(n)]
    if kind == "Average":
        settings_["count_include_pad"] = data.draw(st.integers(0, 1))
    shape = [1, small(data, 1, 2), *(small(data, 5, 6) for _ in range(n))]
    node = make_node(f"{kind}Pool", ["x"], ["y"], **settings_)
    agree([node], shape, (), opset, tolerance=0.0 if kind == "Max" else 1e-6)


def test_pools_compare_shared_pairs_once(agree):
    network = agree([make_node("MaxPool", ["x"], ["y"], kernel_shape=[2])], [1, 1, 6])
    assert network.neurons == 5
    network = agree(
        [make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2])], [1, 1, 4, 4]
    )
    assert network.neurons == 12


@examples
@given(st.data(), st.sampled_from(ALL), st.booleans(), st.sampled_from(["ReduceSum", "ReduceMean"]))
def test_reductions(agree, data, opset, keep, kind):
    shape = [1, 2, 3, 4][: small(data, 2, 4)]
    options = st.lists(st.integers(-len(shape), len(shape) - 1), max_size=3)
    axes = list({axis % len(shape): axis for axis in data.draw(options)}.values())
    as_input = opset >= (13 if kind == "ReduceSum" else 18)
    settings_ = {"keepdims": int(keep)}
    constants, inputs = {}, ["x"]
    if axes and as_input:
        constants, inputs = {"axes": np.array(axes)}, ["x", "axes"]
    elif axes:
        settings_["axes"] = axes
    agree([make_node(kind, inputs, ["y"], **settings_)], shape, constants, opset, tolerance=1e-6)


@pytest.mark.parametrize("kind", ["GlobalAveragePool", "GlobalMaxPool"])
@pytest.mark.parametrize("shape", [[1, 2, 3], [1, 2, 3, 2], [1, 1, 1, 1]])
def test_global_pools(agree, kind, shape):
    agree([make_node(kind, ["x"], ["y"])], shape, tolerance=1e-6)
