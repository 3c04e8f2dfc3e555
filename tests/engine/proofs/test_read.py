"""Two readers of one file see one function: real files, and all that secateur writes."""

import ast
import hashlib
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linearised import convolutional, linearised, stored_as
from readers import assert_same, both
from strategies import dense_networks, graph_networks

from secateur.engine import formats, proofs
from secateur.engine.network import Input, Network, Node, Origin, Piecewise, State
from secateur.engine.proofs.model import FormatError, Relu
from secateur.engine.proofs.read import digest, read_model

FOLDER = Path(proofs.__file__).parent
FILES = [FOLDER / "model.py", *sorted(FOLDER.glob("read*.py"))]
EXACT = Origin(dtype="float64")
examples = settings(max_examples=40)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("networks")


def saved(network, folder, ending="onnx"):
    path = folder / f"network.{ending}"
    formats.save(network, path)
    return path


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_reader_stands_on_the_standard_library_and_numpy_alone(path):
    allowed = {*sys.stdlib_module_names, "numpy"}
    ours = {other.stem for other in FILES}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            assert node.level == 1
            assert node.module in ours
        elif isinstance(node, ast.ImportFrom):
            assert node.module.split(".")[0] in allowed
        elif isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= allowed


def test_a_reader_brings_no_other_library():
    heavy = ("onnx", "google", "torch", "networkx", "onnxruntime", "scipy", "numba", "highspy")
    code = (
        f"import sys, secateur.engine.proofs.read\nprint(sorted(set(sys.modules) & set({heavy!r})))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


@examples
@given(graph_networks())
def test_graphs_that_are_saved_are_read_alike(folder, network):
    both(saved(replace(network, origin=EXACT), folder))


@examples
@given(st.one_of(dense_networks(), graph_networks()), st.integers(0, 2**31))
def test_networks_with_linear_neurons_are_read_alike(folder, network, seed):
    changed = linearised(network, np.random.default_rng(seed))
    both(saved(replace(changed, origin=EXACT), folder))


@pytest.mark.parametrize("kind", ["float16", "float32"])
@examples
@given(network=dense_networks())
def test_narrow_numbers_widen_exactly(folder, kind, network):
    both(saved(stored_as(network, kind), folder))


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_residual_convolutions_are_read_alike(folder, kind):
    both(saved(convolutional(np.random.default_rng(1), kind), folder), count=1)


@examples
@given(dense_networks())
def test_nnet_files_that_are_saved_are_read_alike(folder, network):
    model, network = both(saved(network, folder, "nnet"))
    assert model.names == tuple(node.name for node in network.nodes)


def test_a_linear_neuron_is_no_relu_and_every_tensor_keeps_its_name(folder):
    states = np.array([State.RELU, State.IDENTITY, State.ZERO, State.LINEAR], np.int8)
    layer = Piecewise(states, np.array([0, 0, 0, 2.0]), np.array([0, 0, 0, 1.0]))
    random = np.random.default_rng(0)
    first = Network.dense(
        [random.normal(size=(4, 3)), random.normal(size=(2, 4))], [np.ones(4), np.ones(2)], EXACT
    )
    mixed = first.with_layers({"relu1": layer})
    model, network = both(saved(mixed, folder))
    relus = [at for at, node in enumerate(model.nodes) if isinstance(node, Relu)]
    assert [model.sizes[at] for at in relus] == [1]
    assert {node.name for node in network.nodes} <= set(model.names)
    plain, network = both(saved(first, folder))
    assert plain.names == tuple(node.name for node in network.nodes)


def test_tensors_of_one_name_hold_the_same_numbers(folder):
    network = linearised(convolutional(np.random.default_rng(2)), np.random.default_rng(3))
    model, network = both(saved(replace(network, origin=EXACT), folder), count=1)
    points = np.random.default_rng(4).normal(size=(3, network.size_in))
    ours, theirs = model.floats(points), network.trace(points)
    shared = [name for name in model.names if name in theirs]
    assert len(shared) == len(network.nodes)
    for name in shared:
        found = ours[model.names.index(name)]
        np.testing.assert_allclose(found, theirs[name], rtol=1e-9, atol=1e-9)


def test_the_input_may_be_the_output(folder):
    model, _ = both(saved(Network((Node("x", Input((2,))),), "x"), folder))
    assert model.output == 0


REAL = [
    "acasxu/ACASXU_run2a_1_1_batch_2000.onnx",
    "acasxu/ACASXU_run2a_5_9_batch_2000.onnx",
    "pairs/nets/mnist_relu_3_100.onnx",
    "pairs/nets/acas_1_1_16bit.onnx",
    "pairs/nets/nnequiv_ACASXU_run2a_1_1_batch_2000-student-mirror.onnx",
]


@pytest.mark.parametrize("name", REAL)
def test_real_networks_are_read_alike(data, name):
    path = data / name
    if not path.exists():
        pytest.skip(f"there is no file {path}")
    model, network = both(path, count=1)
    assert digest(path.read_bytes()) == network.origin.digest
    assert {node.name for node in network.nodes} <= set(model.names)


def test_real_networks_are_read_quickly(data):
    found = (data / REAL[0]).read_bytes()
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        read_model(found, "a.onnx")
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.03


def test_what_a_file_holds_is_told_by_its_ending_or_else_by_its_start(folder):
    network = Network.dense([np.eye(2)], [np.ones(2)])
    onnx, nnet = saved(network, folder).read_bytes(), saved(network, folder, "nnet").read_bytes()
    for data, names in ((onnx, ("a.ONNX", "a", "a.bin")), (nnet, ("a.nnet", "a", "x/y.txt"))):
        for name in names:
            assert_same(read_model(data, name), network)
    for data, name in ((onnx, "a.nnet"), (nnet, "a.onnx")):
        with pytest.raises(FormatError, match=rf"^{name}: "):
            read_model(data, name)
    assert digest(onnx) == hashlib.sha256(onnx).hexdigest()
