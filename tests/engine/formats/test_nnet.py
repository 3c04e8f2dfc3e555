"""The .nnet format: the same bits come back, raw units, and what a broken file says."""

import hashlib
import os
import re
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur.engine import formats
from secateur.engine.errors import (
    FileError,
    FormatError,
    InputError,
    MismatchError,
    UnsupportedError,
)
from secateur.engine.formats import nnet
from secateur.engine.formats.nnet import WIDEST, evaluate_raw, read_nnet, write_nnet
from secateur.engine.network import Affine, Input, Network, Node, Normalisation, Piecewise, Sum
from secateur.engine.operators import Convolution, Dense, Diagonal

TEXT = """\
// A network, written by hand.
//
2,2,1,3,
2,3,1,
0,
-10.0,0.5,
10.0,8.5,
1.0,2.0,7.0,
2.0,4.0,3.0,
1.0,-2.0,
0.1,1e-3,
-0.0,4.0,
0.5,
-1.0,
0.0,
1.0,2.0,3.0,
-0.25,
"""

REALS = st.floats(-1e6, 1e6, allow_subnormal=True)


def vectors(size, elements=REALS):
    return st.lists(elements, min_size=size, max_size=size).map(np.array)


@st.composite
def chains(draw):
    """Return a chain of dense layers with or without a normalisation."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=5))
    weights = [draw(vectors(out * read)).reshape(out, read) for read, out in pairwise(sizes)]
    biases = [draw(vectors(size)) for size in sizes[1:]]
    normalisation = None
    if draw(st.booleans()):
        ends = np.sort([draw(vectors(sizes[0])), draw(vectors(sizes[0]))], axis=0)
        scale = draw(vectors(sizes[0], st.floats(1e-3, 1e6)))
        outer = draw(REALS), draw(st.floats(1e-3, 1e6))
        normalisation = Normalisation(*ends, draw(vectors(sizes[0])), scale, *outer)
    return Network.dense(weights, biases, normalisation=normalisation)


def bits(array):
    return np.asarray(array, dtype=np.float64).view(np.int64).tolist()


def affine(network):
    return [node.layer for node in network.nodes if isinstance(node.layer, Affine)]


@given(chains())
def test_a_written_network_comes_back_bit_for_bit(tmp_path_factory, network):
    path = tmp_path_factory.mktemp("nnet") / "network.nnet"
    write_nnet(network, path)
    back = read_nnet(path)
    for ours, theirs in zip(affine(network), affine(back), strict=True):
        assert bits(ours.operator.weight) == bits(theirs.operator.weight)
        assert bits(ours.bias) == bits(theirs.bias)
    wanted = network.normalisation
    if wanted is not None:
        for name in ("minimum", "maximum", "mean", "range", "output_mean", "output_range"):
            assert bits(getattr(wanted, name)) == bits(getattr(back.normalisation, name))
    point = [[Fraction(1, 3)] * network.size_in]
    assert (network.evaluate(point, exact=True) == back.evaluate(point, exact=True)).all()
    first = path.read_bytes()
    write_nnet(back, path)
    assert path.read_bytes() == first


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "hand.nnet"
    path.write_text(TEXT)
    return path


def test_decimals_become_the_nearest_float64(file):
    network = read_nnet(file)
    first, second = affine(network)
    assert first.operator.weight.tolist() == [[1.0, -2.0], [0.1, 0.001], [-0.0, 4.0]]
    assert first.bias.tolist() == [0.5, -1.0, 0.0]
    assert second.operator.weight.tolist() == [[1.0, 2.0, 3.0]]
    assert second.bias.tolist() == [-0.25]
    assert network.origin.dtype == "float64"
    assert network.origin.format == "nnet"
    assert network.origin.path == str(file)
    assert network.origin.digest == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace(",\n", "\n"),
        lambda text: text.replace(",", " , "),
        lambda text: text + "\n\n",
        lambda text: "\ufeff" + text,
        lambda text: text.split("//\n")[1],
        lambda text: "// one\x0btwo\x1fthree\x85four\u2028five\n" + text,
    ],
    ids=[
        "crlf",
        "no last comma",
        "spaces",
        "empty lines",
        "byte order mark",
        "no comment",
        "odd ends of lines in a comment",
    ],
)
def test_spellings_of_the_same_file_give_the_same_network(file, tmp_path, change):
    other = tmp_path / "other.nnet"
    other.write_bytes(change(TEXT).encode())
    points = np.random.default_rng(0).normal(size=(20, 2))
    assert (read_nnet(other).evaluate(points) == read_nnet(file).evaluate(points)).all()


def test_raw_units_are_clipped_and_normalised_as_the_format_says(file):
    network = read_nnet(file)
    # raw (3, 6) is (1, 1) in network units; the first neuron is relu(1 - 2 + 0.5) = 0
    second = max(0.0, 0.1 + 0.001 - 1.0)
    inner = 2.0 * second + 3.0 * 4.0 - 0.25
    assert network.evaluate([1.0, 1.0]).tolist() == [inner]
    assert evaluate_raw(network, [3.0, 6.0]).tolist() == [inner * 3.0 + 7.0]
    assert (evaluate_raw(network, [99.0, -99.0]) == evaluate_raw(network, [10.0, 0.5])).all()
    assert evaluate_raw(network, np.zeros((4, 3, 2))).shape == (4, 3, 1)


def test_raw_units_need_a_normalisation():
    network = Network.dense([np.ones((1, 2))], [np.zeros(1)])
    with pytest.raises(InputError, match="states no normalisation"):
        evaluate_raw(network, [0.0, 0.0])


def test_without_a_normalisation_raw_units_are_network_units(tmp_path):
    network = Network.dense([np.array([[2.0, -3.0]])], [np.array([1.0])])
    write_nnet(network, tmp_path / "plain.nnet")
    back = read_nnet(tmp_path / "plain.nnet")
    points = np.array([[0.5, 1e30], [-1e9, 3.0]])
    assert (evaluate_raw(back, points) == network.evaluate(points)).all()
    assert back.normalisation.maximum.tolist() == [WIDEST, WIDEST]


def test_a_diagonal_layer_is_written_as_a_dense_one(tmp_path):
    nodes = (
        Node("x", Input((2,))),
        Node("y", Affine(Diagonal(np.array([2.0, 3.0])), np.array([1.0, -1.0])), ("x",)),
    )
    write_nnet(Network(nodes, "y"), tmp_path / "diagonal.nnet")
    assert read_nnet(tmp_path / "diagonal.nnet").evaluate([1.0, 1.0]).tolist() == [3.0, 2.0]


def dense(rows, columns):
    return Affine(Dense(np.ones((rows, columns))), np.zeros(rows))


@pytest.mark.parametrize(
    ("nodes", "what"),
    [
        ([("y", Piecewise.relu(2), "x")], "y is a Piecewise layer out of turn"),
        ([("h", dense(2, 2), "x"), ("y", dense(1, 2), "h")], "y is a Affine layer out of turn"),
        ([("h", dense(2, 2), "x"), ("y", Piecewise.relu(2), "h")], "y is the output"),
        (
            [
                ("h", dense(2, 2), "x"),
                ("r", Piecewise(np.array([0, 2]), np.zeros(2), np.zeros(2)), "h"),
                ("y", dense(1, 2), "r"),
            ],
            "r has neuron 1, which is no ReLU",
        ),
        ([("h", dense(2, 2), "x"), ("y", Sum(2), "h x")], "y is no link of a chain"),
        (
            [("y", Affine(Convolution(np.ones((1, 1, 1, 1)), (1, 1, 2)), np.zeros(2)), "x")],
            "y is a convolution",
        ),
    ],
)
def test_other_shapes_are_refused_and_nothing_is_written(tmp_path, nodes, what):
    built = [Node("x", Input((2,)))]
    built += [Node(name, layer, tuple(sources.split())) for name, layer, sources in nodes]
    path = tmp_path / "other.nnet"
    with pytest.raises(UnsupportedError, match=re.escape(what)) as caught:
        write_nnet(Network(tuple(built), built[-1].name), path)
    assert str(caught.value).endswith("write ONNX instead")
    assert list(tmp_path.iterdir()) == []


def line(number, text):
    lines = TEXT.split("\n")
    lines[number - 1] = text
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "{}:0: the file ends here, next come layers, inputs"),
        ("// nothing\n", "{}:1: the file ends here, next come layers, inputs"),
        (line(3, "2,2,1,"), "{}:3: 3 values where 4 belong (layers, inputs, outputs"),
        (line(3, "2,2.0,1,3,"), "{}:3: '2.0' is no whole number above 0"),
        (line(3, "0,2,1,3,"), "{}:3: '0' is no whole number above 0"),
        (line(3, "999999999,2,1,3"), "{}:4: 3 values where 1000000000 belong"),
        (line(3, "2,5,1,3,"), "{}:4: the sizes run from 2 to 1, the first line states 5 inputs"),
        (line(4, "2,3,2,1,"), "{}:4: 4 values where 3 belong (the sizes of the input and of 2"),
        (line(6, "-10.0,0.5,1.0,"), "{}:6: 3 values where 2 belong (smallest values"),
        (line(6, "11.0,0.5,"), "{}:7: input 0 has the smallest value 11.0 above its largest 10.0"),
        (line(7, "inf,8.5,"), "{}:7: 'inf' is no finite number"),
        (line(8, "1.0,2.0,"), "{}:8: 2 values where 3 belong (means"),
        (line(9, "2.0,0.0,3.0,"), "{}:9: the range 0.0 is not positive"),
        (line(10, "1.0,nan,"), "{}:10: 'nan' is no finite number"),
        (line(10, "1.0,1_0,"), "{}:10: '1_0' is no finite number"),
        (line(10, "1.0,1e999,"), "{}:10: '1e999' is no finite number"),
        (line(10, "1.0,,"), "{}:10: '' is no finite number"),
        (line(10, "1.0,// here"), "{}:10: '// here' is no finite number"),
        (line(13, "0.5,0.5,"), "{}:13: 2 values where 1 belong (layer 1, bias of row 1)"),
        (TEXT.rsplit("\n", 2)[0], "{}:16: the file ends here, next come layer 2, bias of row 1"),
        (TEXT.rstrip(",\n"), "{}:17: the file ends without a comma or a line break"),
        (TEXT + "1.0,\n", "{}:18: '1.0,' stands after the last bias"),
        ("<html>\n<body>", "{}:1: 1 values where 4 belong"),
    ],
)
def test_a_broken_file_gets_one_line_with_its_place(tmp_path, text, what):
    path = tmp_path / "broken.nnet"
    path.write_text(text)
    with pytest.raises(FormatError) as caught:
        read_nnet(path)
    assert str(caught.value).startswith(what.format(path))
    assert "\n" not in str(caught.value)


def test_files_that_are_missing_or_no_text_say_so(tmp_path):
    with pytest.raises(FileError, match="there is no such file"):
        read_nnet(tmp_path / "none.nnet")
    with pytest.raises(FileError, match="this is a folder"):
        read_nnet(tmp_path)
    (tmp_path / "java.nnet").write_bytes(b"\xac\xed\x00\x05sr")
    with pytest.raises(FormatError, match=r"byte 0 is not UTF-8"):
        read_nnet(tmp_path / "java.nnet")


def test_a_file_cut_anywhere_is_refused(tmp_path):
    path = tmp_path / "cut.nnet"
    for end in range(len(TEXT) - 1):
        path.write_text(TEXT[:end])
        with pytest.raises(FormatError):
            read_nnet(path)


def test_an_import_that_disagrees_with_the_plain_evaluation_is_refused(file, monkeypatch):
    monkeypatch.setattr(nnet, "_plain_evaluation", lambda text: lambda x: x[:, :1] * 1e3)
    with pytest.raises(MismatchError, match="disagrees"):
        read_nnet(file)


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_behind(file, monkeypatch):
    def fail(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(FileError, match=r"hand\.nnet: the disk is full"):
        write_nnet(Network.dense([np.ones((1, 1))], [np.zeros(1)]), file)
    assert file.read_text() == TEXT
    assert list(file.parent.iterdir()) == [file]


def test_a_write_into_no_folder_or_onto_a_folder_says_so(tmp_path):
    network = Network.dense([np.ones((1, 1))], [np.zeros(1)])
    with pytest.raises(FileError, match="there is no folder"):
        write_nnet(network, tmp_path / "none" / "a.nnet")
    with pytest.raises(FileError, match="this is a folder"):
        write_nnet(network, tmp_path)


def test_a_link_stays_a_link_and_its_target_changes(file, tmp_path):
    link = tmp_path / "link.nnet"
    link.symlink_to(file)
    write_nnet(Network.dense([np.ones((1, 1))], [np.zeros(1)]), link)
    assert link.is_symlink()
    assert file.read_text() != TEXT


def test_a_pipe_is_written_straight(tmp_path):
    pipe = tmp_path / "pipe.nnet"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_nnet(Network.dense([np.ones((1, 1))], [np.zeros(1)]), pipe)
    assert os.read(reader, 1000).startswith(b"// Fully connected")
    os.close(reader)
    assert pipe.is_fifo()


def test_load_and_save_go_by_the_ending(file, tmp_path):
    network = formats.load(file)
    formats.save(network, tmp_path / "copy.NNET")
    points = np.random.default_rng(0).normal(size=(9, 2))
    copy = formats.load(str(tmp_path / "copy.NNET"))
    assert (copy.evaluate(points) == network.evaluate(points)).all()
    for act in (lambda name: formats.load(name), lambda name: formats.save(network, name)):
        with pytest.raises(FormatError, match=r"a\.pb: \.pb is no format.*\.onnx or \.nnet"):
            act("a.pb")
        with pytest.raises(FormatError, match="no ending is no format"):
            act("a")


def test_the_real_networks_survive_a_round_trip(data, tmp_path):
    network = formats.load(data / "acasxu" / "ACASXU_run2a_1_1_batch_2000.onnx")
    formats.save(network, tmp_path / "acas.nnet")
    back = formats.load(tmp_path / "acas.nnet")
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (50, 5))
    assert (back.evaluate(points) == network.evaluate(points)).all()
    exact = [[Fraction(1, 10)] * 5]
    assert (back.evaluate(exact, exact=True) == network.evaluate(exact, exact=True)).all()
