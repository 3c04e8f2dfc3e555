"""What the checker's reader of graphs keeps apart, and what it refuses because it rounds."""

from fractions import Fraction

import numpy as np
import onnx
import pytest
from onnx.helper import make_node
from readers import both, node, some, whole, writer

from secateur.engine.proofs.model import FormatError
from secateur.engine.proofs.read import read_model


@pytest.fixture(scope="module")
def save(tmp_path_factory):
    return writer(tmp_path_factory.mktemp("operators"))


def test_a_wider_type_is_no_step_and_a_narrower_one_is_refused(save):
    def model(first, to):
        return save([node("Cast", to=to)], [1, 2], {}, dtype=first).read_bytes()

    for first, to in (("float32", 11), ("float16", 1), ("float64", 11)):
        assert len(read_model(model(first, to), "a.onnx").nodes) == 1
    for first, to in (("float64", 1), ("float32", 10), ("float32", 7)):
        with pytest.raises(FormatError, match=r"rounds float|to element type"):
            read_model(model(first, to), "a.onnx")


THIRDS = np.full(3, 3, np.float32)
REFUSED = {
    "Div": ([node("Div", "c")], [1, 3], {"c": THIRDS}, "is no power of two"),
    "Div by 0": ([node("Div", "c")], [1, 3], {"c": 0 * THIRDS}, "is no power of two"),
    "Div by x": ([make_node("Div", ["c", "x"], ["y"])], [1, 3], {"c": THIRDS}, "input 0 is const"),
    "Mul": ([node("Mul", "x")], [1, 3], {}, "multiplies two tensors"),
    "MatMul": ([node("MatMul", "x")], [3, 3], {}, "no constant matrix"),
    "sizes": ([node("MatMul", "w")], [1, 3], {"w": some(2, 2)}, "by a matrix for 2 values"),
    "Add": ([node("Add", "c")], [1, 3], {"c": some(2)}, "do not broadcast"),
    "types": ([node("Add", "c")], [1, 3], {"c": some(3, dtype=np.float64)}, "mixes the element"),
    "integers": ([node("Add", "c")], [1, 3], {"c": whole(1, 2, 3)}, "numbers of type int64"),
    "BatchNormalization": (
        [node("BatchNormalization", "g", "g", "g", "g")],
        [1, 2, 2],
        {"g": np.array([1, 2], np.float32)},
        "has a scale that is no float64 number",
    ),
    "ReduceMean": ([node("ReduceMean", axes=[1])], [1, 3], {}, "divides by 3"),
    "AveragePool": (
        [node("AveragePool", kernel_shape=[2], pads=[1, 1])],
        [1, 1, 4],
        {},
        "different numbers of entries",
    ),
    "Clip": (
        [node("Clip", "a", "b")],
        [1, 3],
        {"a": np.float32(1), "b": np.float32(0)},
        "clips between 1.0 and 0.0",
    ),
    "Max": ([node("Max", "c")], [1, 3], {"c": np.full(3, np.inf, np.float32)}, "and infinity"),
    "constants": (
        [make_node("Mul", ["c", "c"], ["d"]), node("Add", "d")],
        [1, 3],
        {"c": some(3)},
        "that its element type rounds",
    ),
    "a matrix too large": ([node("Mul", "c")], [1, 9000], {"c": THIRDS[:1]}, "67108864 numbers"),
    "Gather": ([node("Gather", "i", axis=1)], [1, 3], {"i": whole(3)}, "gathers beyond the 3"),
    "Slice": (
        [node("Slice", "a", "b")],
        [1, 3],
        {"a": whole(5), "b": whole(9)},
        r"tensor of shape \[0, 3\]",
    ),
    "Reshape": ([node("Reshape", "s")], [1, 3], {"s": whole(2, -1)}, "of 3 entries"),
    "training": (
        [node("Dropout", "r", "t")],
        [1, 3],
        {"r": np.float32(0.5), "t": np.array(True)},
        "is in training mode",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_rounds_or_does_not_fit_is_refused(save, name):
    *model, what = REFUSED[name]
    with pytest.raises(FormatError, match=what) as caught:
        read_model(save(*model).read_bytes(), "a.onnx")
    assert str(caught.value).startswith("a.onnx: node '")


def test_a_bias_is_joined_with_its_product_and_other_tensors_stay(save):
    def names(*kinds, bias=0.0):
        nodes = [make_node("Gemm", ["x", "w", "b"], ["g"])]
        for step, kind in enumerate(kinds):
            nodes.append(make_node(kind, [nodes[-1].output[0], "c"], [f"t{step}"]))
        nodes[-1].output[0] = "y"
        constants = {"w": some(2, 2), "b": np.float32([bias] * 2), "c": some(2)}
        return both(save(nodes, [1, 2], constants))[0].names

    assert names("Add") == ("x", "y")
    assert names("Sub") == ("x", "y")
    assert names("Mul") == ("x", "g", "y")
    assert names("Add", "Mul") == ("x", "t0", "y")
    assert names("Add", bias=1e30) == ("x", "g", "y")


@pytest.mark.parametrize(("alpha", "nodes"), [(0.5, 1), (0.3, 2)])
def test_a_factor_is_joined_with_its_weight_only_where_float64_holds_the_products(
    save, alpha, nodes
):
    gemm = node("Gemm", "w", alpha=alpha)
    path = save([gemm], [1, 2], {"w": some(2, 2, dtype=np.float64)}, dtype="float64")
    assert len(both(path)[0].nodes) == 1 + nodes


def test_leaky_units_between_layers_agree_on_many_points(save):
    nodes = [
        make_node("Gemm", ["x", "w", "b"], ["g"]),
        make_node("LeakyRelu", ["g"], ["l"], alpha=0.1),
        make_node("Gemm", ["l", "v"], ["y"]),
    ]
    constants = {"w": some(3, 8), "b": some(8), "v": some(8, 2)}
    both(save(nodes, [1, 3], constants), count=20)


def test_a_slope_that_is_left_out_is_the_binary32_number_of_the_standard(save):
    model = read_model(save([node("LeakyRelu")], [1, 1]).read_bytes(), "a.onnx")
    default = onnx.defs.get_schema("LeakyRelu").attributes["alpha"].default_value.f
    assert model.evaluate([Fraction(-1)])[model.output] == [-Fraction(default)]
