"""Model files with several tensors, hidden tensors, and how declared networks meet their files."""

from fractions import Fraction

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.helper import make_node, make_opsetid, make_tensor_value_info

from secateur.engine.claim import Atom, Claim, Declared, Part, Polynomial, Tensor
from secateur.engine.errors import InputError, SecateurError, UnsupportedError
from secateur.engine.formats import load, save
from secateur.engine.formats.bind import bind, match_files
from secateur.engine.formats.models import read_model, signature_of
from secateur.engine.formats.onnx_runtime import Runtime
from secateur.engine.formats.reorder import reordered
from secateur.engine.formats.sexpr import parse
from secateur.engine.formats.vnnlib_claims import claim_of
from secateur.engine.network import Network

KINDS = {
    "float16": onnx.TensorProto.FLOAT16,
    "float32": onnx.TensorProto.FLOAT,
    "float64": onnx.TensorProto.DOUBLE,
    "int64": onnx.TensorProto.INT64,
}
W = np.array([[1.0, -2, 3], [0, 1, 1]])
TWO_WAYS = (
    make_node("Add", ["a", "b"], ["sum"]),
    make_node("MatMul", ["sum", "w"], ["product"]),
    make_node("Add", ["product", "c"], ["dense"]),
    make_node("Relu", ["dense"], ["up"]),
    make_node("Sub", ["a", "b"], ["down"]),
    make_node("Flatten", ["up"], ["flat"]),
)
CONSTANTS = {"w": W, "c": np.array([1.0, 0, -1])}
ENDS = {"a": [1, 2], "b": [1, 2]}


@pytest.fixture
def write(tmp_path):
    def write(nodes, inputs, outputs, constants=(), dtype="float32", name="model"):
        info = make_tensor_value_info
        kinds = dict.fromkeys((*inputs, *outputs), KINDS[dtype])
        graph = onnx.helper.make_graph(
            nodes,
            "test",
            [info(end, kinds[end], shape) for end, shape in inputs.items()],
            [info(end, kinds[end], shape) for end, shape in outputs.items()],
            [onnx.numpy_helper.from_array(v.astype(dtype), k) for k, v in dict(constants).items()],
        )
        opsets = [make_opsetid("", 13)]
        path = tmp_path / f"{name}.onnx"
        onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
        return path

    return write


@pytest.fixture
def two_ways(write):
    return write(TWO_WAYS, ENDS, {"flat": [1, 3], "down": [1, 2]}, CONSTANTS)


def parts(points):
    a, b = points[:, :2], points[:, 2:]
    up = np.maximum((a + b) @ W + CONSTANTS["c"], 0)
    return {"flat": up, "down": a - b, "dense": (a + b) @ W + CONSTANTS["c"]}


POINTS = np.array([[1.0, 2, -1, 0.5], [0, 0, 0, 0], [3, -4, 0.25, 8]])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("open_batch", [False, True])
def test_several_tensors_are_one_flat_input_and_one_flat_output(write, dtype, open_batch):
    first = "batch" if open_batch else 1
    ends = {"a": [first, 2], "b": [first, 2]}
    path = write(TWO_WAYS, ends, {"flat": [first, 3], "down": [first, 2]}, CONSTANTS, dtype)
    model = read_model(path)
    expected = parts(POINTS)
    both = np.concatenate([expected["flat"], expected["down"]], axis=1)
    np.testing.assert_array_equal(model.network.evaluate(POINTS), both)
    np.testing.assert_array_equal(model.runtime.outputs(POINTS), both)
    np.testing.assert_array_equal(Runtime(path, several=True).outputs(POINTS), both)
    assert [(i.name, i.element, i.shape) for i in model.inputs] == [
        ("a", dtype, (1, 2)),
        ("b", dtype, (1, 2)),
    ]
    assert [(i.name, i.shape) for i in model.outputs] == [("flat", (1, 3)), ("down", (1, 2))]
    assert model.opset == 13


def test_hidden_tensors_are_nodes_and_agree_with_the_runtime(two_ways):
    model = read_model(two_ways, hidden=("dense", "product", "up"))
    trace = model.network.trace(POINTS)
    for name in ("dense", "product", "up", "sum", "a"):
        node = model.hidden[name].node
        if name != "a":
            seen = model.runtime.hidden(POINTS, [name])[name]
            np.testing.assert_array_equal(trace[node], seen)
    np.testing.assert_array_equal(trace[model.hidden["a"].node], POINTS[:, :2])
    assert "product" not in read_model(two_ways).hidden


def test_hidden_tensors_that_are_folded_away_are_named(write):
    nodes = (
        make_node("Relu", ["x"], ["y"]),
        make_node("Neg", ["x"], ["aside"]),
        make_node("Add", ["c", "c"], ["constant"]),
        make_node("Add", ["y", "constant"], ["z"]),
        make_node("Identity", ["x"], ["same"]),
        make_node("Add", ["z", "same"], ["out"]),
    )
    path = write(nodes, {"x": [3]}, {"out": [3]}, {"c": np.ones(3)})
    for name in ("aside", "constant", "same", "nowhere"):
        with pytest.raises(UnsupportedError, match=f"tensor '{name}' is no part"):
            read_model(path, hidden=(name,))
    assert read_model(path, hidden=("z",)).hidden["z"].node == "z"


def test_a_constant_output_and_an_unused_input_are_kept(write):
    nodes = (make_node("Relu", ["a"], ["y"]), make_node("Add", ["w", "w"], ["k"]))
    path = write(nodes, {"a": [2], "b": [2]}, {"y": [2], "k": [2, 3]}, {"w": W})
    model = read_model(path)
    expected = np.concatenate([np.maximum(POINTS[:, :2], 0), [2 * W.ravel()] * 3], axis=1)
    np.testing.assert_array_equal(model.network.evaluate(POINTS), expected)
    np.testing.assert_array_equal(model.runtime.outputs(POINTS), expected)
    assert model.network.size_in == 4


@pytest.mark.parametrize("ending", [".onnx", ".nnet"])
def test_plain_files_load_as_ever(tmp_path, ending):
    path = tmp_path / f"net{ending}"
    network = Network.dense([W.T, np.ones((2, 3))], [np.ones(3), np.zeros(2)])
    save(network, path)
    model, plain = read_model(path), load(path)
    assert [n.name for n in model.network.nodes] == [n.name for n in plain.nodes]
    points = POINTS[:, :2]
    np.testing.assert_array_equal(model.network.evaluate(points), plain.evaluate(points))
    assert [len(side) for side in (model.inputs, model.outputs)] == [1, 1]
    assert signature_of(path).inputs[0].shape is not None


def test_inputs_of_two_element_types_are_refused(write):
    path = write(TWO_WAYS[:1], ENDS, {"sum": [1, 2]})
    proto = onnx.load(path)
    proto.graph.input[1].type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    onnx.save(proto, path)
    with pytest.raises(UnsupportedError, match="input 'b' has element type float64, input 'a' flo"):
        read_model(path)


@settings(max_examples=20)
@given(st.lists(st.integers(1, 3), min_size=2, max_size=4))
def test_any_split_of_the_inputs_gives_the_same_numbers(tmp_path_factory, sizes):
    total = sum(sizes)
    names = [f"x{i}" for i in range(len(sizes))]
    info, kind = make_tensor_value_info, onnx.TensorProto.FLOAT
    weight = np.arange(total * 2, dtype=np.float32).reshape(total, 2) - total
    nodes = [
        make_node("Concat", names, ["x"], axis=1),
        make_node("MatMul", ["x", "w"], ["z"]),
        make_node("Relu", ["z"], ["y"]),
    ]
    inputs = [info(n, kind, ["n", s]) for n, s in zip(names, sizes, strict=True)]
    weights = [onnx.numpy_helper.from_array(weight, "w")]
    graph = onnx.helper.make_graph(nodes, "g", inputs, [info("y", kind, ["n", 2])], weights)
    path = tmp_path_factory.mktemp("split") / "m.onnx"
    opsets = [make_opsetid("", 13)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    model = read_model(path)
    points = np.arange(3.0 * total).reshape(3, total) - 4
    expected = np.maximum(points @ weight, 0)
    np.testing.assert_array_equal(model.network.evaluate(points), expected)
    np.testing.assert_array_equal(model.runtime.outputs(points), expected)


# --- declared networks meet their files -----------------------------------------------------------

DECLARED = """\
(vnnlib-version <2.0>)
(declare-network f
    (declare-input A float32 [1,2])
    (declare-input B float32 [1,2])
    (declare-hidden H real [1,3] "product")
    (declare-output U float32 [1,3])
    (declare-output D float32 [1,2])
)
(assert (<= A[0,0] 1.0))
"""
NAMED = (
    DECLARED.replace("A float32 [1,2]", 'A float32 [1,2] "b"')
    .replace("B float32 [1,2]", 'B float32 [1,2] "a"')
    .replace("U float32 [1,3]", 'U real [1,3] "flat"')
    .replace("D float32 [1,2]", 'D real [1,2] "down"')
)


def claim(text):
    return claim_of(parse(text, "query.vnnlib"))


def test_tensors_are_found_by_order(two_ways):
    files = match_files(claim(DECLARED), [f"f={two_ways}"])
    assert files.claim is files.stated
    assert [info.name for info in files.tensors] == ["a", "b", "product", "flat", "down"]
    bound = bind(files)
    assert [t.node for t in bound.claim.tensors] == [None, None, "product", None, None]
    assert bound.models[0].network.by_name["product"].size == 3


def test_tensors_are_found_by_name(two_ways):
    text = NAMED.replace("(assert", "(assert (>= D[0,1] 7.0))(assert")
    files = match_files(claim(text), [str(two_ways)])
    names = [tensor.name for tensor in files.claim.tensors]
    assert names == ["B", "A", "H", "U", "D"]
    assert [info.name for info in files.tensors] == ["a", "b", "product", "flat", "down"]
    seven, one = files.claim.cases[0]
    assert seven.form.slopes == {11: -1}
    assert one.form.slopes == {2: 1}
    assert bind(files).claim.tensors[2].node == "product"


@given(st.data())
def test_a_reordered_claim_says_the_same(data):
    tensors, first = [], 0
    for name in "ABCD":
        size = data.draw(st.integers(1, 3))
        tensors.append(Tensor(name, 0, Part.INPUT, "real", (size,), first))
        first += size
    keys = st.lists(st.integers(0, first - 1), max_size=2).map(lambda k: tuple(sorted(k)))
    values = st.integers(-3, 3).map(Fraction)
    forms = st.dictionaries(keys, values, max_size=4).map(Polynomial)
    atoms = st.lists(st.builds(Atom, forms, st.booleans()), max_size=3).map(tuple)
    cases = tuple(data.draw(st.lists(atoms, max_size=3)))
    whole = Claim((Declared("f"),), tuple(tensors), cases)
    order = data.draw(st.permutations(range(4)))
    point = data.draw(st.lists(values, min_size=first, max_size=first))
    parts = {t.name: point[t.first : t.first + t.size] for t in tensors}
    found = reordered(whole, order)
    moved = [value for tensor in found.tensors for value in parts[tensor.name]]
    assert found.holds(moved) == whole.holds(point)


def test_copies_share_a_network_and_isomorphic_ones_do_not(write):
    nodes = (make_node("Relu", ["x"], ["y"]),)
    first = write(nodes, {"x": [2]}, {"y": [2]}, name="first")
    second = write(nodes, {"x": [2]}, {"y": [2]}, name="second")
    other = write((make_node("Neg", ["x"], ["y"]),), {"x": [2]}, {"y": [2]}, name="other")
    net = "(declare-network {0} {1} (declare-input X{0} float32 [2])(declare-output Y{0} real [2]))"
    text = net.format("a", "") + net.format("b", "(equal-to a)") + "(assert (<= Xa[0] Xb[1]))"
    bound = bind(match_files(claim(text), [f"a={first}"]))
    assert bound.models[0] is bound.models[1]
    with pytest.raises(InputError, match="b is declared equal-to a and takes its file"):
        match_files(claim(text), [f"a={first}", f"b={first}"])
    text = text.replace("equal-to", "isomorphic-to")
    bound = bind(match_files(claim(text), [f"b={second}", f"a={first}"]))
    assert bound.models[0].network.origin.path == str(first)
    assert bound.models[1].network.origin.path == str(second)
    with pytest.raises(InputError, match="differ in their operators"):
        match_files(claim(text), [f"b={other}", f"a={first}"])
    with pytest.raises(InputError, match="declares several networks: write NAME=FILE"):
        match_files(claim(text), [str(first)])


def test_version_one_compares_sizes_alone(write):
    nodes = (make_node("Relu", ["x"], ["y"]),)
    path = write(nodes, {"x": ["n", 1, 2]}, {"y": ["n", 1, 2]})
    text = "".join(f"(declare-const {v} Real)" for v in ("X_0", "X_1", "Y_0", "Y_1"))
    text += "(assert (<= X_0 Y_0))"
    assert bind(match_files(claim(text), [str(path)])).models[0].network.size_in == 2
    with pytest.raises(InputError, match=r"declares 3 inputs, the file .* has 2: name the file"):
        match_files(claim("(declare-const X_2 Real)" + text), [str(path)])


@pytest.mark.parametrize(
    ("text", "given", "what"),
    [
        (DECLARED, [], "network f has no file: add --network f=FILE"),
        (DECLARED, ["g={}"], "--network g={}: query.vnnlib declares no network 'g': name one of f"),
        (DECLARED, ["f={}", "f={}"], "--network f={}: network f has the file {} already"),
        (DECLARED, ["f="], "--network f=: names no file"),
        (DECLARED, ["f=none.onnx"], "none.onnx: there is no such file"),
        (
            DECLARED.replace("A float32", "A float16"),
            ["f={}"],
            "query.vnnlib: input A is declared float16, tensor 'a' of {} is float32: declare it",
        ),
        (
            DECLARED.replace("U float32 [1,3]", "U float32 [3]"),
            ["f={}"],
            "query.vnnlib: output U is declared [3], tensor 'flat' of {} is [1, 3]: declare it so",
        ),
        (
            DECLARED.replace("H real [1,3]", "H real [1,4]"),
            ["f={}"],
            "query.vnnlib: hidden H is declared [1, 4], tensor 'product' of {} is [1, 3]",
        ),
        (
            DECLARED.replace('"product"', '"nowhere"'),
            ["f={}"],
            "query.vnnlib: hidden H stands for 'nowhere', which {} does not hold: name one",
        ),
        (
            DECLARED.replace("    (declare-output D float32 [1,2])\n", ""),
            ["f={}"],
            "query.vnnlib: network f declares 1 outputs, the file {} has 2",
        ),
        (
            NAMED.replace('"a"', '"b"'),
            ["f={}"],
            "query.vnnlib: two inputs of network f stand for one tensor of {}",
        ),
        (
            NAMED.replace('"flat"', '"up"'),
            ["f={}"],
            "query.vnnlib: output U stands for 'up', which {} does not hold",
        ),
    ],
)
def test_what_does_not_fit_gets_one_line(two_ways, text, given, what):
    with pytest.raises(SecateurError) as caught:
        match_files(claim(text), [g.replace("{}", str(two_ways)) for g in given])
    assert str(caught.value).replace(str(two_ways), "{}").startswith(what) or what in str(
        caught.value
    ).replace(str(two_ways), "{}")
    assert "\n" not in str(caught.value)


def test_files_that_the_importer_does_not_handle_still_show_their_outside(write):
    nodes = (make_node("Softmax", ["x"], ["y"]),)
    path = write(nodes, {"x": ["n", 2]}, {"y": ["n", 2]})
    signature = signature_of(path)
    assert [(i.name, i.element, i.shape) for i in signature.outputs] == [
        ("y", "float32", (None, 2))
    ]
    with pytest.raises(UnsupportedError, match="Softmax"):
        read_model(path)
