"""Operators that only move values, lowered, equal onnxruntime's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.helper import make_node
from onnx_models import ALL, FLOAT, examples, kinds, seeds, small, whole

from secateur.engine.network import Affine, Concat, Input, Piecewise, Select


@examples
@given(st.sampled_from(ALL), st.integers(-3, 4))
def test_flatten(agree, opset, axis):
    if axis < 0 and opset < 11:
        axis = 1
    agree([make_node("Flatten", ["x"], ["y"], axis=axis)], [1, 2, 3, 2], (), opset)


@examples
@given(st.sampled_from(ALL), st.sampled_from([[1, 6], [0, -1], [3, 2, 1], [-1], [0, 3, 2], [6]]))
def test_reshape(agree, opset, target):
    nodes = [make_node("Reshape", ["x", "s"], ["t"]), make_node("Relu", ["t"], ["y"])]
    network = agree(nodes, [1, 2, 3], {"s": np.array(target)}, opset)
    assert kinds(network) == [Input, Piecewise]


@examples
@given(st.sampled_from(ALL), st.permutations([0, 1, 2, 3]))
def test_transpose(agree, opset, order):
    agree([make_node("Transpose", ["x"], ["y"], perm=order)], [1, 2, 3, 2], (), opset)


@examples
@given(st.sampled_from(ALL))
def test_squeeze_and_unsqueeze_are_nothing(agree, opset):
    if opset < 13:
        nodes = [
            make_node("Unsqueeze", ["x"], ["t"], axes=[0, 2]),
            make_node("Squeeze", ["t"], ["y"], axes=[0]),
        ]
        network = agree(nodes, [1, 4], (), opset)
    else:
        nodes = [make_node("Unsqueeze", ["x", "a"], ["t"]), make_node("Squeeze", ["t", "b"], ["y"])]
        network = agree(nodes, [1, 4], {"a": np.array([0, 2]), "b": np.array([0])}, opset)
    assert kinds(network) == [Input]


@examples
@given(st.data(), st.sampled_from(ALL))
def test_slice(agree, data, opset):
    first, last = data.draw(st.sampled_from([(0, 3), (1, -1), (-3, 99), (4, 5)]))
    if opset < 10:
        agree(
            [make_node("Slice", ["x"], ["y"], starts=[first], ends=[last], axes=[1])],
            [1, 5, 2],
            (),
            opset,
        )
        return
    step = data.draw(st.sampled_from([1, 2, -1, -2]))
    if step < 0:
        first, last = last, -99
    ranges = {"s": [first], "e": [last], "a": [1], "t": [step]}
    constants = {k: np.array(v) for k, v in ranges.items()}
    agree([make_node("Slice", ["x", *"seat"], ["y"])], [1, 5, 2], constants, opset)


@examples
@given(st.data(), st.sampled_from(ALL), st.sampled_from(["even", "stated"]))
def test_split(agree, data, opset, how):
    axis = data.draw(st.sampled_from([1, -1]))
    settings_, constants, inputs = {"axis": axis}, {}, ["x"]
    parts = [2, 2] if how == "even" else [1, 3]
    if how == "stated" and opset < 13:
        settings_["split"] = parts
    elif how == "stated":
        constants, inputs = {"p": np.array(parts)}, ["x", "p"]
    elif opset >= 18:
        settings_["num_outputs"] = 2
    nodes = [make_node("Split", inputs, ["a", "b"], **settings_)]
    if how == "even":
        nodes.append(make_node("Sub", ["b", "a"], ["y"]))
    else:
        nodes.append(make_node("Relu", ["b"], ["y"]))
    agree(nodes, [1, 4], constants, opset)


def test_split_into_uneven_parts(agree):
    nodes = [
        make_node("Split", ["x"], ["a", "b", "c"], axis=1, num_outputs=3),
        make_node("Concat", ["c", "a", "b"], ["y"], axis=1),
    ]
    agree(nodes, [1, 7], (), 18)


@examples
@given(st.data(), seeds, st.sampled_from(ALL))
def test_concat_with_constants_and_repeats(agree, data, seed, opset):
    axis = data.draw(st.sampled_from([1, 2, -1]))
    constant = whole(np.random.default_rng(seed), 1, 2, 3)
    names = data.draw(st.lists(st.sampled_from(["x", "c"]), min_size=0, max_size=3))
    node = make_node("Concat", ["x", *names], ["y"], axis=axis)
    agree([node], [1, 2, 3], {"c": constant}, opset)


@settings(examples, max_examples=100)
@given(st.data(), st.sampled_from(ALL), st.sampled_from(["constant", "edge", "reflect"]))
def test_pad(agree, data, opset, mode):
    low = -1 if mode == "constant" else 0
    pads = [0, 0, *(small(data, low, 2) for _ in range(2)), 0, 0]
    pads += [small(data, low, 2) for _ in range(2)]
    value = data.draw(st.sampled_from([0.0, 2.0, None]))
    if opset < 11:
        extra = {} if value is None else {"value": value}
        nodes = [make_node("Pad", ["x"], ["y"], pads=pads, mode=mode, **extra)]
        agree(nodes, [1, 2, 3, 4], (), opset)
        return
    constants, names = {"p": np.array(pads)}, ["x", "p"]
    if value is not None:
        constants["v"], names = np.float32(value), ["x", "p", "v"]
    agree([make_node("Pad", names, ["y"], mode=mode)], [1, 2, 3, 4], constants, opset)


def test_pad_of_named_axes(agree):
    constants = {"p": np.array([1, 2]), "a": np.array([-1])}
    network = agree([make_node("Pad", ["x", "p", "", "a"], ["y"])], [1, 2, 3], constants, 18)
    assert kinds(network) == [Input, Select, Affine, Concat, Select]
    agree([make_node("Pad", ["x", "p", "", "a"], ["y"], mode="wrap")], [1, 2, 3], constants, 19)


@examples
@given(st.sampled_from(ALL), st.sampled_from([0, [2, 0], [[1], [1]], -1]), st.sampled_from([1, 2]))
def test_gather(agree, opset, places, axis):
    if opset < 11 and places == -1:
        places = 2
    node = make_node("Gather", ["x", "i"], ["y"], axis=axis)
    agree([node], [1, 3, 3], {"i": np.array(places)}, opset)


def test_expand_tile_and_depth_to_space(agree):
    agree([make_node("Expand", ["x", "s"], ["y"])], [1, 2, 1], {"s": np.array([2, 1, 3])})
    agree([make_node("Tile", ["x", "s"], ["y"])], [1, 2], {"s": np.array([1, 3])})
    agree([make_node("DepthToSpace", ["x"], ["y"], blocksize=2)], [1, 4, 2, 1])
    agree([make_node("DepthToSpace", ["x"], ["y"], blocksize=2, mode="CRD")], [1, 4, 2, 1])
    agree([make_node("SpaceToDepth", ["x"], ["y"], blocksize=2)], [1, 1, 4, 2])


@pytest.mark.parametrize("opset", ALL)
def test_dropout_is_nothing(agree, opset):
    node = make_node("Dropout", ["x"], ["t", "mask"])
    network = agree([node, make_node("Relu", ["t"], ["y"])], [1, 3], (), opset)
    assert kinds(network) == [Input, Piecewise]


def test_cast_within_the_element_type_is_nothing(agree):
    network = agree([make_node("Cast", ["x"], ["y"], to=FLOAT)], [1, 3])
    assert kinds(network) == [Input]
