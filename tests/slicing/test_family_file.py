"""A family's file gives the family back, and nothing at all where a byte of it is another one."""

import hashlib
import json
import re

import numpy as np
import pytest
from families_drawn import families
from hypothesis import given, settings
from hypothesis import strategies as st
from linearised import convolutional, linearised

from secateur.engine.errors import FileError, FormatError
from secateur.engine.network import Network, Normalisation, Origin, Piecewise
from secateur.engine.region import Region
from secateur.slicing.family import FamilyWriter, family_of
from secateur.slicing.family_file import MAGIC, family_bytes, load_family, save_family
from secateur.slicing.network_words import network_words, read_network
from secateur.slicing.slices import LEAF, Slices


@pytest.fixture(scope="module")
def family():
    """Return a family of two cells with every state, and a normalisation."""
    rng = np.random.default_rng(0)
    normal = Normalisation(-np.ones(2), np.ones(2), np.zeros(2), np.ones(2), 0.5, 2.0)
    origin = Origin("some.nnet", "nnet", "ab" * 32, "float64")
    weights = [rng.normal(size=s) for s in ((5, 2), (4, 5), (2, 4))]
    base = Network.dense(weights, [rng.normal(size=len(w)) for w in weights], origin, normal)
    whole = Region.box([0.0, 0.0], [1.0, 1.0], "unit")
    slices = Slices(whole, np.array([1, LEAF, LEAF]), np.array([0.25, 0.0, 0.0]))
    said = {"tolerance": "1/20", "keep": "outputs"}
    return family_of(base, slices, [(1, linearised(base, rng))], said)


def written(path, data):
    path.write_bytes(data)
    return path


def sealed(header, body):
    """Return a file whose digests are right, whatever its header says."""
    text = json.dumps(header).encode()
    front = MAGIC + len(text).to_bytes(8, "little") + text
    front += hashlib.sha256(front).digest()
    return front + bytes(-len(front) % 64) + body


def opened(data):
    """Return header and body of a family's bytes."""
    first = len(MAGIC) + 8
    length = int.from_bytes(data[len(MAGIC) : first], "little")
    end = first + length + 32
    return json.loads(data[first : first + length]), data[end + -end % 64 :]


def alike(one, other):
    """Return whether two networks say the same, numbers bit for bit."""
    words, arrays = network_words(one)
    twins, others = network_words(other)
    return words == twins and all(
        array.dtype == others[name].dtype and array.tobytes() == others[name].tobytes()
        for name, array in arrays.items()
    )


@given(families())
@settings(max_examples=25)
def test_a_family_is_read_as_it_was_written(tmp_path_factory, drawn):
    family, _ = drawn
    path = tmp_path_factory.mktemp("family") / "drawn.family"
    save_family(family, path)
    again = load_family(path)
    assert path.read_bytes() == family_bytes(family) == family_bytes(again)
    assert alike(again.base, family.base)
    assert again.slices.digest == family.slices.digest
    assert (again.mark == family.mark).all()
    for cell in range(family.count):
        assert alike(again.materialise(cell), family.materialise(cell))


def test_origin_normalisation_and_what_was_said_come_back(family, tmp_path):
    save_family(family, tmp_path / "some.family")
    again = load_family(tmp_path / "some.family")
    assert again.said == {"tolerance": "1/20", "keep": "outputs"}
    base = again.base
    assert base.origin == family.base.origin
    assert base.normalisation.output_range == 2.0
    assert (base.normalisation.minimum == -1.0).all()


def test_a_network_of_convolutions_comes_back():
    network = linearised(convolutional(np.random.default_rng(1)), np.random.default_rng(2))
    words, arrays = network_words(network)
    again = read_network(json.loads(json.dumps(words)), arrays)
    assert alike(network, again)
    some = np.random.default_rng(3).normal(size=(4, network.size_in))
    assert (network.evaluate(some) == again.evaluate(some)).all()


@pytest.mark.parametrize("said", [{"x": float("nan")}, {"x": {1, 2}}, {1: 2, "1": 3}])
def test_words_that_json_has_not_are_refused(family, said):
    with pytest.raises(FormatError, match="what is said of the family cannot be written"):
        family_bytes(FamilyWriter(family.base, family.slices, said).finish())


def test_arrays_are_mapped_not_read(family, tmp_path):
    save_family(family, tmp_path / "some.family")
    index = load_family(tmp_path / "some.family").codes.index
    assert not index.flags.owndata
    assert not index.flags.writeable


@given(st.data())
@settings(max_examples=150)
def test_a_byte_that_changes_anywhere_is_noticed(family, tmp_path_factory, data):
    whole = family_bytes(family)
    at = data.draw(st.integers(0, len(whole) - 1))
    wrong = bytearray(whole)
    wrong[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("flipped") / "some.family"
    with pytest.raises(FormatError, match=re.escape(str(path))):
        load_family(written(path, bytes(wrong)))


def test_a_file_that_is_cut_short_or_longer_is_noticed(family, tmp_path):
    whole = family_bytes(family)
    path = tmp_path / "some.family"
    for end in [0, 5, len(MAGIC), len(MAGIC) + 8, 100, len(whole) // 2, len(whole) - 1]:
        with pytest.raises(FormatError, match=r"no family|cut short"):
            load_family(written(path, whole[:end]))
    with pytest.raises(FormatError, match="cut short: it has"):
        load_family(written(path, whole + bytes(64)))


def test_foreign_newer_and_missing_files_are_told_apart(family, tmp_path):
    path = tmp_path / "some.family"
    with pytest.raises(FormatError, match="this is no family: name a file that"):
        load_family(written(path, b"SQLite format 3\0" + bytes(100)))
    newer = family_bytes(family).replace(MAGIC, b"secateur family 2\n", 1)
    with pytest.raises(FormatError, match="edition 2, 1 is read: update secateur"):
        load_family(written(path, newer))
    with pytest.raises(FileError, match="there is no such file"):
        load_family(tmp_path / "none.family")
    with pytest.raises(FileError, match="this is a folder"):
        load_family(tmp_path)
    with pytest.raises(FileError, match="there is no folder"):
        save_family(family, tmp_path / "none" / "some.family")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("cells",), 3),
        (("bytes",), "many"),
        (("neurons",), [5]),
        (("arrays",), []),
        (("arrays", "mark", "shape"), [2**40]),
        (("arrays", "mark", "shape"), [-2]),
        (("arrays", "mark", "dtype"), "O"),
        (("arrays", "mark", "offset"), 1),
        (("region", "limits"), [["0x0p+0", "nan"], ["0x1p+0", "0x1p+0"]]),
        (("region", "limits"), [["1/0", "0"], ["1", "1"]]),
        (("region",), None),
        (("network", "output"), "none"),
        (("network", "nodes", 1, "kind"), "magic"),
        (("network_sha256",), "0" * 64),
        (("said",), 1),
    ],
)
def test_a_header_that_says_what_is_not_so_is_refused(family, tmp_path, place, value):
    header, body = opened(family_bytes(family))
    at = header
    for part in place[:-1]:
        at = at[part]
    at[place[-1]] = value
    with pytest.raises(FormatError):
        load_family(written(tmp_path / "some.family", sealed(header, body)))
    deep = MAGIC + (10**5).to_bytes(8, "little") + b"[" * 10**5
    with pytest.raises(FormatError, match="nested too deeply"):
        load_family(written(tmp_path / "some.family", deep + hashlib.sha256(deep).digest()))


def test_codes_that_point_outside_of_the_tables_are_refused(family, tmp_path):
    header, body = opened(family_bytes(family))
    words = header["arrays"]["codes.index"]
    size = int(np.prod(words["shape"]))
    wrong = bytearray(body)
    wrong[words["offset"]] = 250
    new = bytes(wrong[words["offset"] : words["offset"] + size])
    words["sha256"] = hashlib.sha256(new).hexdigest()
    with pytest.raises(FormatError, match="a form of layer 0 that is not there"):
        load_family(written(tmp_path / "some.family", sealed(header, bytes(wrong))))


def test_the_file_of_a_wide_network_is_far_below_one_network_a_cell(tmp_path):
    rng = np.random.default_rng(4)
    weights = [rng.normal(size=s).astype(np.float32) for s in ((40, 2), (40, 40), (2, 40))]
    base = Network.dense(weights, [np.zeros(len(w)) for w in weights])
    whole, cells = Region.box([0.0, 0.0], [1.0, 1.0]), 64
    axis = np.array([0] * (cells - 1) + [LEAF] * cells)
    cut = [(2 * n + 1) / 2 ** (level + 1) for level in range(6) for n in range(2**level)]
    slices = Slices(whole, axis, np.array(cut + [0.0] * cells))
    writer = FamilyWriter(base, slices)
    for cell in range(cells):
        parts = [rng.integers(0, 3, 40).astype(np.int8) for _ in range(2)]
        writer.add_layers(cell, [Piecewise(part, np.zeros(40), np.zeros(40)) for part in parts])
    save_family(writer.finish(), tmp_path / "wide.family")
    alone = base.parameters * 4
    assert (tmp_path / "wide.family").stat().st_size < alone + 64 * cells + 8192
