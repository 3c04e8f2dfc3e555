"""Each operator: the checker's reader gives what the engine's gives."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.helper import make_node
from readers import both, node, some, whole, writer

from secateur.engine.proofs.read import read_model

SECOND = make_node("Relu", ["x"], ["r"])
"""Something else than x to combine x with."""

CASES = {
    "Gemm": ([node("Gemm", "w", "b")], [1, 3], {"w": some(3, 4), "b": some(4)}),
    "Gemm alpha beta": (
        [node("Gemm", "w", "b", alpha=0.3, beta=-0.7, transB=1)],
        [1, 3],
        {"w": some(4, 3), "b": some(1, 4)},
    ),
    "Gemm turned": ([node("Gemm", "w", transA=1)], [3, 2], {"w": some(3, 4)}),
    "Gemm left": (
        [make_node("Gemm", ["w", "x", "b"], ["y"], transA=1)],
        [3, 2],
        {"w": some(3, 4), "b": some(4, 1)},
    ),
    "Gemm left turned": (
        [make_node("Gemm", ["w", "x"], ["y"], transB=1)],
        [2, 3],
        {"w": some(4, 3)},
    ),
    "Gemm plus tensor": (
        [make_node("Relu", ["x"], ["r"]), make_node("Gemm", ["x", "w", "r"], ["y"], beta=0.3)],
        [1, 3],
        {"w": some(3, 3)},
    ),
    "MatMul": ([node("MatMul", "w")], [1, 3], {"w": some(3, 4)}),
    "MatMul vector": ([node("MatMul", "w")], [2, 3], {"w": some(3)}),
    "MatMul rows": ([node("MatMul", "w")], [1, 2, 3], {"w": some(3, 4)}),
    "MatMul left": ([make_node("MatMul", ["w", "x"], ["y"])], [1, 3, 2], {"w": some(4, 3)}),
    "MatMul left vector": ([make_node("MatMul", ["w", "x"], ["y"])], [3, 2], {"w": some(3)}),
    "MatMul of a vector": ([make_node("MatMul", ["w", "x"], ["y"])], [3], {"w": some(4, 3)}),
    "Add": ([node("Add", "c")], [1, 2, 3], {"c": some(2, 1)}),
    "Add grows": ([node("Add", "c")], [1, 3], {"c": some(2, 3)}),
    "Add tensors": ([SECOND, node("Add", "r")], [1, 3], {}),
    "Add to itself": ([node("Add", "x")], [1, 3], {}),
    "Sum": ([SECOND, node("Sum", "c", "r", "d")], [1, 3], {"c": some(3), "d": some(1)}),
    "MatMul Add Mul": (
        [
            make_node("MatMul", ["x", "w"], ["m"]),
            make_node("Add", ["m", "b"], ["a"]),
            make_node("Mul", ["a", "c"], ["y"]),
        ],
        [1, 3],
        {"w": some(3, 4), "b": some(4), "c": some(4)},
    ),
    "Sub": ([node("Sub", "c")], [1, 3], {"c": some(3)}),
    "Sub from": ([make_node("Sub", ["c", "x"], ["y"])], [1, 3], {"c": some(3)}),
    "Sub tensors": ([SECOND, make_node("Sub", ["r", "x"], ["y"])], [1, 3], {}),
    "Mul": ([make_node("Mul", ["c", "x"], ["y"])], [1, 3], {"c": some(3)}),
    "Mul twice": (
        [make_node("Mul", ["x", "c"], ["m"]), make_node("Mul", ["m", "d"], ["y"])],
        [1, 3],
        {"c": some(3), "d": some(3)},
    ),
    "Div": ([node("Div", "c")], [1, 3], {"c": np.array([2, -0.25, 1024], np.float32)}),
    "Neg": ([node("Neg")], [1, 3], {}),
    "Relu": ([node("Relu")], [1, 3], {}),
    "Abs": ([node("Abs")], [1, 3], {}),
    "LeakyRelu": ([node("LeakyRelu", alpha=0.3)], [1, 3], {}),
    "LeakyRelu exact": ([node("LeakyRelu", alpha=0.25)], [1, 3], {}),
    "LeakyRelu 0": ([node("LeakyRelu", alpha=0.0)], [1, 3], {}),
    "PRelu": ([node("PRelu", "c")], [1, 3], {"c": some(3)}),
    "Max": ([node("Max", "c")], [1, 3], {"c": some(3)}),
    "Max open": (
        [node("Max", "c")],
        [1, 4],
        {"c": np.array([0, -np.inf, 0.3, -np.inf], np.float32)},
    ),
    "Max of all open": ([node("Max", "c")], [1, 3], {"c": np.full(3, -np.inf, np.float32)}),
    "Max tensors": (
        [SECOND, node("Neg", outputs=["n"]), node("Max", "r", "n", "c")],
        [1, 3],
        {"c": some(1)},
    ),
    "Min": ([node("Min", "c")], [1, 4], {"c": np.array([0, np.inf, 0.3, -1], np.float32)}),
    "Min tensors": ([node("Neg", outputs=["n"]), node("Min", "n")], [1, 3], {}),
    "Clip": ([node("Clip", "a", "b")], [1, 3], {"a": np.float32(-0.3), "b": np.float32(0.7)}),
    "Clip below": ([node("Clip", "a")], [1, 3], {"a": np.float32(-0.3)}),
    "Clip above": ([node("Clip", "", "b")], [1, 3], {"b": np.float32(0.7)}),
    "Clip nowhere": ([node("Clip")], [1, 3], {}),
    "Flatten": ([node("Flatten", axis=2)], [1, 2, 3, 2], {}),
    "Flatten last": ([node("Flatten", axis=-1)], [2, 3, 2], {}),
    "Reshape": ([node("Reshape", "s")], [1, 2, 6], {"s": whole(0, 3, -1)}),
    "Transpose": ([node("Transpose", perm=[0, 2, 1])], [1, 2, 3], {}),
    "Transpose all": ([node("Transpose")], [2, 3], {}),
    "Squeeze": ([node("Squeeze", "s")], [1, 1, 3], {"s": whole(-2)}),
    "Squeeze all": ([node("Squeeze")], [1, 1, 3], {}),
    "Unsqueeze": ([node("Unsqueeze", "s")], [1, 3], {"s": whole(-1, 1)}),
    "Identity": ([node("Identity")], [1, 3], {}),
    "Concat": ([SECOND, node("Concat", "r", "c", axis=1)], [1, 3], {"c": some(1, 2)}),
    "Concat first": ([SECOND, node("Concat", "r", axis=0)], [2, 3], {}),
    "Slice": (
        [node("Slice", "a", "b", "c", "d")],
        [1, 5, 4],
        {"a": whole(-1, 1), "b": whole(-(2**63), 3), "c": whole(1, 2), "d": whole(-2, 1)},
    ),
    "Slice two": ([node("Slice", "a", "b")], [2, 4], {"a": whole(0, 1), "b": whole(1, 2**63 - 1)}),
    "Split": ([node("Split", "s", outputs=["a", "y"], axis=1)], [1, 5], {"s": whole(2, 3)}),
    "Split equal": ([node("Split", outputs=["a", "y", "b"], axis=-1)], [1, 6], {}),
    "Gather": ([node("Gather", "i", axis=1)], [1, 4, 2], {"i": np.array([[3, -4], [0, 0]])}),
    "Gather one": ([node("Gather", "i", axis=1)], [1, 4], {"i": np.array(2)}),
    "Expand": ([node("Expand", "s")], [1, 3], {"s": whole(2, 2, 1)}),
    "Tile": ([node("Tile", "s")], [1, 3, 2], {"s": whole(2, 1, 3)}),
    "Pad": ([node("Pad", "s", "c")], [1, 3, 2], {"s": whole(0, 1, 2, 0, 0, 1), "c": some()}),
    "Pad edge": ([node("Pad", "s", mode="edge")], [1, 3], {"s": whole(0, 1, 0, 2)}),
    "Pad reflect": ([node("Pad", "s", mode="reflect")], [1, 3], {"s": whole(0, 2, 0, 1)}),
    "Cast": ([node("Cast", to=1)], [1, 3], {}),
    "Dropout": ([node("Dropout", "p", outputs=["y", "m"])], [1, 3], {"p": np.float32(0.5)}),
    "ReduceSum": ([node("ReduceSum", "s", keepdims=0)], [1, 3, 2], {"s": whole(1)}),
    "ReduceMean": ([node("ReduceMean", axes=[1])], [1, 4, 2], {}),
    "Conv": (
        [node("Conv", "w", "b", pads=[1, 0, 2, 1], strides=[2, 1], dilations=[1, 2])],
        [1, 2, 5, 6],
        {"w": some(3, 2, 2, 3), "b": some(3)},
    ),
    "Conv groups": ([node("Conv", "w", group=2)], [1, 4, 3, 3], {"w": some(6, 2, 2, 2)}),
    "Conv same": (
        [node("Conv", "w", auto_pad="SAME_LOWER", strides=[2, 2])],
        [1, 1, 5, 4],
        {"w": some(1, 1, 2, 3)},
    ),
    "Conv line": ([node("Conv", "w", pads=[1, 1])], [1, 2, 5], {"w": some(2, 2, 3)}),
    "MaxPool": (
        [node("MaxPool", kernel_shape=[2, 3], pads=[1, 1, 0, 1], strides=[2, 2])],
        [1, 2, 4, 5],
        {},
    ),
    "MaxPool ceil": ([node("MaxPool", kernel_shape=[2], strides=[2], ceil_mode=1)], [1, 1, 5], {}),
    "GlobalMaxPool": ([node("GlobalMaxPool")], [1, 2, 3, 1], {}),
    "AveragePool": ([node("AveragePool", kernel_shape=[2, 2])], [1, 2, 3, 4], {}),
    "AveragePool padded": (
        [node("AveragePool", kernel_shape=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1)],
        [1, 1, 3, 3],
        {},
    ),
    "GlobalAveragePool": ([node("GlobalAveragePool")], [1, 2, 2, 4], {}),
    "BatchNormalization": (
        [node("BatchNormalization", "g", "b", "m", "v", epsilon=0.25)],
        [1, 2, 2],
        {"g": some(2), "b": some(2), "m": some(2), "v": np.array([0.75, 3.75], np.float32)},
    ),
    "constants": (
        [
            make_node("Constant", [], ["c"], value_float=0.25),
            make_node("Transpose", ["w"], ["v"]),
            make_node("Mul", ["v", "c"], ["u"]),
            make_node("Neg", ["u"], ["t"]),
            make_node("Gemm", ["x", "t"], ["y"]),
        ],
        [1, 3],
        {"w": some(4, 3)},
    ),
    "shapes": (
        [
            SECOND,
            make_node("Shape", ["r"], ["s"]),
            make_node("Gather", ["s", "zero"], ["n"], axis=0),
            make_node("Unsqueeze", ["n", "axes"], ["u"]),
            make_node("Concat", ["u", "rest"], ["shape"], axis=0),
            make_node("Reshape", ["r", "shape"], ["y"]),
        ],
        [1, 3, 2],
        {"zero": np.array(0), "axes": whole(0), "rest": whole(-1)},
    ),
    "a constant output": ([SECOND, make_node("Identity", ["c"], ["y"])], [1, 2], {"c": some(1, 3)}),
}

OLDER = {
    "Clip 7": (7, [node("Clip", min=-0.5, max=0.5)], [1, 3], {}),
    "Clip 7 open": (7, [node("Clip", min=-0.5)], [1, 3], {}),
    "Slice 9": (9, [node("Slice", starts=[1], ends=[-1], axes=[1])], [1, 5], {}),
    "Split 11": (11, [node("Split", outputs=["y", "b"], split=[2, 1], axis=1)], [1, 3], {}),
    "Split 18": (18, [node("Split", outputs=["y", "b"], num_outputs=2, axis=1)], [1, 3], {}),
    "Squeeze 11": (11, [node("Squeeze", axes=[1])], [1, 1, 3], {}),
    "Unsqueeze 11": (11, [node("Unsqueeze", axes=[0, 2])], [1, 3], {}),
    "Pad 10": (10, [node("Pad", pads=[0, 1, 0, 2], value=0.3)], [1, 3], {}),
    "Pad 18": (18, [node("Pad", "s", "", "a")], [1, 3], {"s": whole(1, 2), "a": whole(-1)}),
    "Dropout 7": (7, [node("Dropout", ratio=0.25)], [1, 3], {}),
    "ReduceSum 11": (11, [node("ReduceSum", axes=[1])], [1, 3, 2], {}),
    "ReduceMean 18": (18, [node("ReduceMean", "s")], [1, 4], {"s": whole(1)}),
}


@pytest.fixture(scope="module")
def save(tmp_path_factory):
    return writer(tmp_path_factory.mktemp("operators"))


@pytest.mark.parametrize("name", CASES)
def test_an_operator_is_read_alike(save, name):
    both(save(*CASES[name]))


@pytest.mark.parametrize("name", OLDER)
def test_settings_lie_where_the_opset_has_them(save, name):
    opset, *rest = OLDER[name]
    both(save(*rest, opset))


@settings(max_examples=60)
@given(st.data())
def test_convolutions_of_any_settings_are_read_alike(save, data):
    def pair(low, high):
        return data.draw(st.lists(st.integers(low, high), min_size=2, max_size=2))

    groups, parts, out = (data.draw(st.integers(1, 2)) for _ in range(3))
    kernel, size = pair(1, 3), pair(5, 6)
    conv = node(
        "Conv",
        "w",
        strides=pair(1, 3),
        dilations=pair(1, 2),
        pads=pair(0, 2) + pair(0, 2),
        group=groups,
    )
    weight = some(groups * out, parts, *kernel)
    both(save([conv], [1, groups * parts, *size], {"w": weight}), count=1)


@settings(max_examples=60)
@given(st.data())
def test_chains_of_layouts_are_read_alike(save, data):
    shape, nodes, constants = (1, 2, 3, 4), [], {}
    for step in range(data.draw(st.integers(1, 5))):
        names = [f"t{step - 1}" if step else "x"]
        rank, kind = (
            len(shape),
            data.draw(st.sampled_from(["Transpose", "Gather", "Slice", "Reshape"])),
        )
        axis = data.draw(st.integers(0, rank - 1))
        settings_ = {}
        match kind:
            case "Transpose":
                order = data.draw(st.permutations(range(rank)))
                settings_, shape = {"perm": order}, tuple(shape[a] for a in order)
            case "Gather":
                picks = st.integers(-shape[axis], shape[axis] - 1)
                chosen = data.draw(st.lists(picks, min_size=1, max_size=3))
                constants[f"c{step}"], settings_ = np.array(chosen), {"axis": axis}
                names.append(f"c{step}")
                shape = (*shape[:axis], len(chosen), *shape[axis + 1 :])
            case "Slice":
                stride = data.draw(st.sampled_from([-2, -1, 1, 2]))
                start = data.draw(st.integers(-shape[axis], shape[axis] - 1))
                end = 2**40 * stride
                for label, value in (("a", start), ("b", end), ("c", axis), ("d", stride)):
                    constants[f"{label}{step}"] = whole(value)
                    names.append(f"{label}{step}")
                left = len(range(shape[axis])[start:end:stride])
                shape = (*shape[:axis], left, *shape[axis + 1 :])
            case _:
                shape = (1, shape[-1], int(np.prod(shape[:-1])))
                constants[f"c{step}"] = whole(*shape)
                names.append(f"c{step}")
        nodes.append(make_node(kind, names, [f"t{step}"], **settings_))
    nodes.append(make_node("Relu", [nodes[-1].output[0]], ["y"]))
    both(save(nodes, [1, 2, 3, 4], constants), count=1)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_typed_fields_hold_the_same_numbers_as_raw_data(save, dtype):
    values = some(2, 3, dtype=dtype)
    path = save([node("MatMul", "w")], [1, 2], {"w": values}, dtype=dtype)
    raw = read_model(path.read_bytes(), "raw.onnx")
    model = onnx.load(path)
    flat = values.view(np.uint16) if dtype == "float16" else values
    typed = (
        onnx.helper.make_tensor(
            "w", model.graph.initializer[0].data_type, [2, 3], flat.ravel().tolist()
        )
        if dtype != "float16"
        else onnx.TensorProto(
            name="w",
            data_type=onnx.TensorProto.FLOAT16,
            dims=[2, 3],
            int32_data=flat.ravel().tolist(),
        )
    )
    assert not typed.raw_data
    model.graph.initializer[0].CopyFrom(typed)
    other = read_model(model.SerializeToString(), "typed.onnx")
    assert other.nodes[1].weight.tolist() == raw.nodes[1].weight.tolist() == values.T.tolist()
