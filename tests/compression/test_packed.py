"""The packed file: everything comes back, and nothing else is taken."""

import contextlib

import numpy as np
import pytest
from compressed_drawn import methods, networks, same
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.compression.compress import compress
from secateur.compression.form import Compressed, Fixed, Free, Grid, LayerForm, Masked
from secateur.compression.method import Float16, Int8Weights, Magnitude
from secateur.compression.packed import MAGIC, pack, unpack
from secateur.compression.packing import Packer, Unpacker
from secateur.compression.plain import narrow, plain
from secateur.engine.errors import FormatError, InputError
from secateur.engine.network import Network, Normalisation, Origin


@settings(max_examples=150)
@given(st.data())
def test_what_is_packed_comes_back_bit_for_bit(data):
    network = data.draw(networks)
    try:
        compressed = compress(network, data.draw(methods(network)))
    except InputError:
        return
    packed = pack(compressed)
    assert same(unpack(packed), compressed)
    assert pack(unpack(packed)) == packed


@given(networks)
def test_an_original_of_float64_comes_back_too(network):
    whole = Network(network.nodes, network.output, Origin(dtype="float64"))
    assert same(unpack(pack(plain(whole))), plain(whole))


@given(
    st.lists(st.integers(0, 2**62), max_size=20),
    st.lists(st.integers(-(2**60), 2**60), max_size=20),
    st.text(max_size=20),
)
def test_numbers_and_texts_come_back(wholes, signed, text):
    out = Packer()
    out.whole(*wholes)
    for value in signed:
        out.signed(value)
    out.text(text)
    back = Unpacker(bytes(out.parts))
    assert [back.whole() for _ in wholes] == wholes
    assert [back.signed() for _ in signed] == signed
    assert back.text() == text
    assert back.ended


@given(
    st.lists(st.sampled_from([0.0, -0.0, 1.0, 0.25, -2.5, 1e-30, 65504.0]), min_size=1),
    st.sampled_from(["<f4", "<f8"]),
)
def test_arrays_come_back_bit_for_bit(values, dtype):
    array = np.array(values, dtype)
    out = Packer()
    out.numbers(array, dtype)
    assert Unpacker(bytes(out.parts)).numbers(array.size, dtype).tobytes() == array.tobytes()
    assert len(out.parts) <= 1 + array.nbytes


def dense(seed=0, sizes=(5, 40, 30, 3), normalisation=None):
    rng = np.random.default_rng(seed)
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    return Network.dense(
        [rng.normal(size=shape) for shape in shapes],
        [rng.normal(size=shape[0]) for shape in shapes],
        normalisation=normalisation,
    )


def test_sizes_are_what_the_forms_promise():
    network = narrow(dense())
    weights = sum(layer.operator.weight.size for layer in (n.layer for n in network.nodes[1::2]))
    biases = network.parameters - weights
    structure = len(pack(plain(network))) - 4 * network.parameters
    assert 0 < structure < 200

    def size(method):
        return len(pack(compress(network, method)))

    assert abs(size(Float16()) - structure - 2 * network.parameters) < 20
    scales = 4 * biases  # one for each output
    assert size(Int8Weights()) <= structure + weights + 4 * biases + scales + 40
    for share in (0.1, 0.5, 0.9):
        left = (1 - share) * weights
        assert abs(size(Magnitude(share)) - structure - 4 * (left + biases) - weights / 8) < 20


def test_raw_units_come_back():
    normal = Normalisation(np.zeros(5), np.full(5, 10.0), np.full(5, 5.0), np.full(5, 0.1), 7.5, 3)
    back = unpack(pack(plain(narrow(dense(normalisation=normal))))).network.normalisation
    assert back.output_mean == 7.5
    assert (back.range == 0.1).all()


def test_masks_that_keep_a_zero_and_wide_grids_come_back():
    network = narrow(dense(1, (2, 3, 2)))
    kept = np.array([[True, False], [True, True], [False, True]])
    weight = np.where(kept, network.nodes[1].layer.operator.weight, 0.0)
    weight[0, 0] = 0.0
    layers = {
        "affine1": type(network.nodes[1].layer)(
            type(network.nodes[1].layer.operator)(weight), network.nodes[1].layer.bias
        ),
        "affine2": type(network.nodes[1].layer)(
            type(network.nodes[1].layer.operator)(np.array([[300.0, -5e4, 0.0], [1.0, 2.0, 3.0]])),
            np.array([2.0**31 - 1, -7.0]),
        ),
    }
    forms = {
        "affine1": LayerForm(Masked(kept), Free()),
        "affine2": LayerForm(Grid(np.ones(1), -70000, 70000), Fixed()),
    }
    compressed = Compressed(network.with_layers(layers), forms)
    assert same(unpack(pack(compressed)), compressed)


@settings(max_examples=200)
@given(st.data())
def test_a_changed_or_a_missing_byte_is_noticed(data):
    packed = PACKED
    place = data.draw(st.integers(0, len(packed) - 1))
    changed = bytearray(packed)
    changed[place] ^= 1 << data.draw(st.integers(0, 7))
    for wrong in (bytes(changed), packed[:place], packed + b"x"):
        with pytest.raises(FormatError) as error:
            unpack(wrong, "some.sec")
        assert str(error.value).startswith("some.sec: ")
        assert "\n" not in str(error.value)


PACKED = pack(plain(narrow(dense(0, (2, 3, 2)))))


@settings(max_examples=300)
@given(st.data())
def test_bytes_that_lie_under_a_right_digest_are_refused_or_make_a_network(data):
    """The digest guards against accidents; whoever makes it anew must not break the reader."""
    from secateur.compression.packed import DIGEST, _digest

    body = bytearray(PACKED[:-DIGEST])
    place = data.draw(st.integers(len(MAGIC), len(body) - 1))
    body[place] = data.draw(st.integers(0, 255))
    body = body[: data.draw(st.sampled_from([None, None, place]))]
    with contextlib.suppress(FormatError):
        assert unpack(bytes(body) + _digest(bytes(body))).network.nodes


@pytest.mark.parametrize("wrong", [b"", b"x", b"onnx file", MAGIC, MAGIC + bytes(16)])
def test_foreign_bytes_are_refused(wrong):
    with pytest.raises(FormatError):
        unpack(wrong)
