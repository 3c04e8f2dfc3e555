"""Compressed files: read as they were written, and run as they say."""

import numpy as np
import pytest
from compressed_drawn import chains, methods, same
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from secateur.compression.compress import compress, nonzero
from secateur.compression.files import load_compressed, save_compressed
from secateur.compression.form import Fixed, Free, Grid, Half, LayerForm, Masked, affine_layers
from secateur.compression.method import (
    Fit,
    Float16,
    Int8,
    Int8Weights,
    LowRank,
    Magnitude,
    Random,
    Rows,
    SeenRanges,
)
from secateur.compression.plain import narrow, plain
from secateur.engine.errors import InputError
from secateur.engine.formats import load, save
from secateur.engine.formats.onnx_runtime import Runtime
from secateur.engine.network import Network


def distinct(compressed):
    """Return whether no two arrays on grids hold the same numbers: files are told by those."""
    held = []
    for node, layer in affine_layers(compressed.network):
        form = compressed.forms[node.name]
        for kind, values in ((form.weight, layer.operator.weight), (form.bias, layer.bias)):
            if isinstance(kind, Grid | Half):
                held.append(frozenset(values.ravel().tolist()))
    return len(set(held)) == len(held)


@settings(max_examples=60)
@given(data=st.data())
def test_a_file_is_read_as_what_was_written(tmp_path_factory, data):
    network = data.draw(chains)
    try:
        compressed = compress(network, data.draw(methods(network)))
    except InputError:
        return
    assume(distinct(compressed))
    path = tmp_path_factory.mktemp("files") / "small.onnx"
    save_compressed(compressed, path)
    assert same(load_compressed(path), compressed, shapes=False)


def acas(data):
    return load(data / "acasxu" / "ACASXU_run2a_1_1_batch_2000.onnx")


def points_of(network, count=300):
    return np.random.default_rng(1).uniform(-0.5, 0.5, (count, network.size_in)).astype(np.float32)


METHODS = {
    "magnitude": Magnitude(0.3),
    "random": Random(0.3),
    "rows": Rows(0.2),
    "float16": Float16(),
    "int8-weights": Int8Weights(),
    "lowrank": LowRank(share=0.8),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_stored_network_runs_as_one_of_plain_floats(data, tmp_path, name):
    network = acas(data)
    compressed = compress(network, METHODS[name])
    save_compressed(compressed, tmp_path / "stored.onnx")
    assert same(load_compressed(tmp_path / "stored.onnx"), compressed, shapes=False)
    save(compressed.network, tmp_path / "plain.onnx")
    points = points_of(network)
    outputs = [Runtime(tmp_path / f"{one}.onnx").outputs(points) for one in ("stored", "plain")]
    assert outputs[0].tobytes() == outputs[1].tobytes()
    assert np.abs(outputs[0] - compressed.network.evaluate(points)).max() < 1e-4


@pytest.mark.parametrize("fit", list(Fit))
def test_fixed_point_runs_bit_for_bit(data, tmp_path, fit):
    network = acas(data)
    points = points_of(network)
    compressed = compress(network, Int8(SeenRanges(points[:200].astype(float)), fit))
    save_compressed(compressed, tmp_path / "stored.onnx")
    assert same(load_compressed(tmp_path / "stored.onnx"), compressed, shapes=False)
    outputs = Runtime(tmp_path / "stored.onnx").outputs(points)
    assert (outputs == compressed.network.evaluate(points)).all()
    exact = compressed.network.evaluate(points[:3], exact=True)
    assert (outputs[:3] == exact.astype(float)).all()


@settings(max_examples=25)
@given(data=st.data())
def test_fixed_point_runs_bit_for_bit_on_images_too(tmp_path_factory, data):
    network = data.draw(chains)
    rng = np.random.default_rng(0)
    seen = rng.uniform(-1, 1, (50, network.size_in))
    compressed = compress(network, Int8(SeenRanges(seen)))
    path = tmp_path_factory.mktemp("files") / "stored.onnx"
    save_compressed(compressed, path)
    points = rng.uniform(-2, 2, (50, network.size_in)).astype(np.float32)
    assert (Runtime(path).outputs(points) == compressed.network.evaluate(points)).all()


def test_stored_files_are_smaller(data, tmp_path):
    network = acas(data)
    sizes = {}
    seen = SeenRanges(points_of(network).astype(float))
    for name, method in {**METHODS, "int8": Int8(seen)}.items():
        save_compressed(compress(network, method), tmp_path / "out.onnx")
        sizes[name] = (tmp_path / "out.onnx").stat().st_size
    save_compressed(plain(narrow(network)), tmp_path / "out.onnx")
    before = (tmp_path / "out.onnx").stat().st_size
    assert sizes["magnitude"] <= before  # zeros are stored in .onnx
    assert sizes["float16"] < 0.6 * before
    assert sizes["int8-weights"] < 0.4 * before
    assert sizes["int8"] < 0.45 * before


def test_forms_are_told_by_how_weights_are_stored(tmp_path):
    rng = np.random.default_rng(0)
    network = Network.dense([rng.normal(size=(4, 4)) for _ in "ab"], [np.ones(4), np.zeros(4)])
    save_compressed(plain(narrow(network)), tmp_path / "net.onnx")
    found = load_compressed(tmp_path / "net.onnx")
    names = [node.name for node in found.network.nodes if node.name in found.forms]
    assert [found.forms[name] for name in names] == [
        LayerForm(Free(), Free()),
        LayerForm(Free(), Fixed()),
    ]
    for method, kind in (
        (Float16(), Half),
        (Int8Weights(), Grid),
        (Magnitude(0.1), Masked),
        (Magnitude(0.03), Free),
    ):
        save_compressed(compress(network, method), tmp_path / "net.onnx")
        found = load_compressed(tmp_path / "net.onnx")
        assert isinstance(found.forms[names[0]].weight, kind)


def test_another_ending_is_refused(tmp_path):
    network = narrow(Network.dense([np.eye(2) + 0.5], [np.ones(2)]))
    with pytest.raises(InputError, match="end the name"):
        save_compressed(plain(network), tmp_path / "net.nnet")
    assert not list(tmp_path.iterdir())


def test_what_is_not_zero_is_counted_as_it_is_stored():
    network = Network.dense([np.array([[1.0, 0.0], [2.0, 3.0]])], [np.array([0.0, 1.0])])
    assert nonzero(network) == 4
    assert nonzero(compress(network, Magnitude(0.5)).network) == 3


def test_a_network_without_weights_is_refused():
    network = Network.dense([np.eye(2)], [np.zeros(2)])
    for method in METHODS.values():
        with pytest.raises(InputError):
            compress(network, method)
