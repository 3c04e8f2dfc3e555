"""The .nnet format as the checker reads it."""

import pytest
from readers import assert_same

from secateur.engine import formats
from secateur.engine.proofs.model import FormatError
from secateur.engine.proofs.read import read_model

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


def read(text):
    return read_model(text.encode(), "a.nnet")


def test_a_file_is_a_chain_in_network_units(tmp_path):
    path = tmp_path / "a.nnet"
    path.write_text(TEXT)
    model = read(TEXT)
    assert model.names == ("input", "affine1", "relu1", "affine2")
    assert model.nodes[1].weight.tolist() == [[1.0, -2.0], [0.1, 0.001], [-0.0, 4.0]]
    assert model.nodes[3].bias.tolist() == [-0.25]
    assert_same(model, formats.load(path))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace(",\n", "\n"),
        lambda text: text.replace(",", " , "),
        lambda text: text + "\n\n",
        lambda text: "\ufeff" + text,
        lambda text: text.split("//\n")[1],
        lambda text: "// \u00e9\x1f5\n" + text,
    ],
    ids=["crlf", "no comma", "spaces", "empty lines", "byte order mark", "no comment", "accent"],
)
def test_spellings_of_one_file_give_one_network(change):
    plain, other = read(TEXT), read(change(TEXT))
    for ours, theirs in zip(plain.nodes[1::2], other.nodes[1::2], strict=True):
        assert ours.weight.tobytes() == theirs.weight.tobytes()
        assert ours.bias.tobytes() == theirs.bias.tobytes()


def line(number, text):
    lines = TEXT.split("\n")
    lines[number - 1] = text
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("// nothing\n", "ends too soon"),
        (line(3, "2,2,1,"), "line 3 has 3 values where 4 belong"),
        (line(3, "2,2.0,1,3,"), "line 3 holds what is no whole number"),
        (line(3, "0,2,1,3,"), "line 3 holds what is no whole number"),
        (line(3, "999999999,2,1,3"), "line 4 has 3 values where 1000000000 belong"),
        (line(3, "2,5,1,3,"), "has 2 inputs and 1 outputs, or 5, 1"),
        (line(8, "1.0,2.0,"), "line 8 has 2 values where 3 belong"),
        (line(10, "1.0,nan,"), "line 10 holds what is no finite decimal number"),
        (line(10, "1.0,1_0,"), "line 10 holds what is no finite decimal number"),
        (line(10, "1.0,1e999,"), "line 10 holds what is no finite decimal number"),
        (line(10, "1.0,\u0661,"), "line 10 holds what is no finite decimal number"),
        (line(10, "1.0,,"), "line 10 holds what is no finite decimal number"),
        (line(13, "0.5,0.5,"), "line 13 has 2 values where 1 belong"),
        (TEXT.rsplit("\n", 2)[0] + "\n", "ends too soon"),
        (TEXT.rstrip(",\n"), "ends without a comma or a line break"),
        (TEXT + "1.0,\n", "line 18 stands after the last bias"),
    ],
)
def test_a_broken_file_gets_one_line_with_its_place(text, what):
    with pytest.raises(FormatError, match=rf"^a\.nnet: {what}"):
        read(text)


def test_a_file_cut_anywhere_is_refused():
    for end in range(len(TEXT) - 1):
        with pytest.raises(FormatError):
            read(TEXT[:end])


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(FormatError, match=r"a\.nnet: is no text"):
        read_model(b"\xac\xed,", "a.nnet")
