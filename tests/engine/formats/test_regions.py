"""Regions as people write them: exact numbers, units, and one clear line for what is wrong."""

import json
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur.engine.errors import FileError, FormatError, InputError, RegionError, UnsupportedError
from secateur.engine.formats.nnet import WIDEST
from secateur.engine.formats.regions import parse_region, write_region
from secateur.engine.network import Network, Normalisation
from secateur.engine.region import Region

NORMALISATION = Normalisation(
    np.array([-10.0, 0.5]), np.array([10.0, 8.5]), np.array([1.0, 2.0]), np.array([2.0, 4.0])
)
BARE = Network.dense([np.ones((1, 2))], [np.zeros(1)])
SCALED = Network.dense([np.ones((1, 2))], [np.zeros(1)], normalisation=NORMALISATION)
NUMBERS = st.fractions(-(10**6), 10**6) | st.floats(-1e9, 1e9).map(Fraction)


def corners(region):
    return [
        [str(value) for value in pair]
        for pair in zip(region.exact_lower, region.exact_upper, strict=True)
    ]


UNIT = [["0", "1/10"], ["-1/2", "1/2"]]


@pytest.mark.parametrize(
    "text",
    ["0:0.1,-0.5:0.5", " 0 : 1e-1 , -.5:+0.5 ", "0/7:1/10,-1/2:1/2", "0:0.1,-5e-1:0.50"],
)
def test_limits_on_the_command_line_mean_what_they_say(text):
    assert corners(parse_region(text, BARE)) == UNIT


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"lower": [0, -0.5], "upper": [0.1, 0.5]}'),
        ("a.json", '{"box": [[0, 0.1], ["-1/2", "0.5"]], "units": "network", "name": "a"}'),
        ("a.JSON", '\ufeff{"box": [[0, 0.1], [-5e-1, 0.5]]}'),
        ("a.csv", "0,0.1\n-0.5,0.5\n"),
        ("a.csv", "Lower, upper\r\n0,0.1\r\n\r\n-0.5,0.5\r\n"),
        (
            "a.vnnlib",
            "(declare-const X_0 Real)(declare-const X_1 Real)"
            "(assert (<= 0 X_0 0.1))(assert (<= -0.5 X_1 0.5))",
        ),
    ],
)
def test_files_mean_what_they_say(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(text.encode())
    found = parse_region(path, BARE)
    assert corners(found) == UNIT
    assert found.name == ("a" if "name" in text else str(path))


def test_one_number_is_both_limits():
    assert corners(parse_region("0.1,-2", BARE)) == [["1/10", "1/10"], ["-2", "-2"]]


def test_raw_units_become_network_units_exactly(tmp_path):
    wanted = [["-1/2", "1"], ["-3/8", "1/4"]]
    assert corners(parse_region("0:3,0.5:3", SCALED, "raw")) == wanted
    (tmp_path / "raw.json").write_text('{"box": [[0, 3], [0.5, 3]], "units": "raw"}')
    assert corners(parse_region(tmp_path / "raw.json", SCALED)) == wanted
    (tmp_path / "net.json").write_text('{"box": [[-0.5, 1], [-0.375, 0.25]], "units": "network"}')
    assert corners(parse_region(tmp_path / "net.json", SCALED, "raw")) == wanted


def test_net_is_the_box_that_the_header_states():
    assert corners(parse_region("net", SCALED)) == [["-11/2", "9/2"], ["-3/8", "13/8"]]
    assert parse_region("net", SCALED, "raw").name == "net"


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=2), st.sampled_from("jc"))
def test_a_written_region_comes_back_as_the_same_rationals(tmp_path_factory, pairs, kind):
    pairs = [sorted(pair) for pair in pairs]
    wanted = Region.box([low for low, _ in pairs], [high for _, high in pairs], 'a "b"')
    path = tmp_path_factory.mktemp("region") / ("r.json" if kind == "j" else "r.csv")
    write_region(wanted, path)
    found = parse_region(path, BARE)
    assert found.exact_lower == wanted.exact_lower
    assert found.exact_upper == wanted.exact_upper
    assert found.name == (wanted.name if kind == "j" else str(path))


@given(st.fractions(-10, 10), st.fractions(0, 1), st.fractions(-9, 9))
def test_every_raw_point_of_a_region_lies_in_it_in_network_units(low, share, mean):
    high = low + share * (10 - low)
    normal = Normalisation(*(np.array([v]) for v in (-10.0, 10.0, float(mean), 3.0)))
    network = Network.dense([np.ones((1, 1))], [np.zeros(1)], normalisation=normal)
    found = parse_region(f"{low}:{high}", network, "raw")
    for raw in (low, high, (low + high) / 2):
        assert found.contains([(raw - Fraction(float(mean))) / 3])


def test_a_region_is_written_only_under_a_known_ending(tmp_path):
    with pytest.raises(FormatError, match=r"a\.txt: \.txt is no form of region files"):
        write_region(Region.box([0], [1]), tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("text", "kind", "what"),
    [
        ("0:1", RegionError, "region '0:1' limits 1 inputs, the network built has 2"),
        ("0:1,0:1,0:1", RegionError, "region '0:1,0:1,0:1' limits 3 inputs"),
        ("0:1,2:1", RegionError, "region '0:1,2:1': input 1 has lower limit 2 above its upper"),
        ("0:1,0:", RegionError, "region '0:1,0:', input 1: the upper limit is missing"),
        ("0:1,:1", RegionError, "region '0:1,:1', input 1: the lower limit is missing"),
        ("0:1,", RegionError, "region '0:1,', input 1: the lower limit is missing"),
        ("", RegionError, "region '', input 0: the lower limit is missing"),
        ("0:1,0:inf", RegionError, "region '0:1,0:inf', input 1: inf is no limit"),
        ("-Infinity:1,0", RegionError, "region '-Infinity:1,0', input 0: -Infinity is no limit"),
        ("0:1,nan", FormatError, "region '0:1,nan', input 1: 'nan' is no number"),
        ("0:1,0:1:2", FormatError, "region '0:1,0:1:2', input 1: '1:2' is no number"),
        ("0:1,0;1", FormatError, "region '0:1,0;1', input 1: '0;1' is no number"),
        ("0:1,0x10", FormatError, "region '0:1,0x10', input 1: '0x10' is no number"),
        ("0:1,1_0", FormatError, "region '0:1,1_0', input 1: '1_0' is no number"),
        ("0:1,1/0", FormatError, "region '0:1,1/0', input 1: 1/0 divides by zero"),
        ("0:1,1e200", RegionError, "region '0:1,1e200', input 1: '1e200' is beyond 2.58e+120"),
        ("0:1,1e-5000", RegionError, "region '0:1,1e-5000', input 1: '1e-5000' has an exponent"),
        ("0," + "1" * 5000, FormatError, "region '0,11111"),
        ("box.txt", FormatError, "region 'box.txt': this is neither limits, nor net, nor the name"),
        ("net", InputError, "net: the network built states no normalisation"),
        ("none.json", FileError, "none.json: there is no such file"),
        ("none.csv", FileError, "none.csv: there is no such file"),
        ("none.vnnlib", FileError, "none.vnnlib: there is no such file"),
        ("no\0ne.json", FileError, "'no\\x00ne.json': this is no file name"),
    ],
)
def test_a_bad_text_gets_one_line(text, kind, what):
    with pytest.raises(InputError) as caught:
        parse_region(text, BARE)
    assert str(caught.value).startswith(what)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "kind", "what"),
    [
        ("a.json", "", FormatError, "{}:1:1: this is no JSON"),
        ("a.json", '{"lower": [0,', FormatError, "{}:1:14: this is no JSON"),
        ("a.json", "[" * 100_000, FormatError, "{}: the lists nest too deep"),
        ("a.json", "[[0, 1]]", FormatError, "{}: this holds no object"),
        ("a.json", '{"lo": [0]}', FormatError, "{}: this has the key 'lo'"),
        ("a.json", "{}", FormatError, "{}: limits are missing: give lower and upper, or box"),
        ("a.json", '{"lower": [0, 0]}', FormatError, "{}: limits are missing"),
        ("a.json", '{"box": [], "lower": []}', FormatError, "{}: the limits are given twice"),
        ("a.json", '{"box": [], "box": []}', FormatError, "{}: the key 'box' stands twice"),
        ("a.json", '{"box": []}', RegionError, "{}: there are no limits"),
        ("a.json", '{"box": 7}', FormatError, "{}: box: this is no list"),
        ("a.json", '{"box": [7]}', FormatError, "{}: box[0]: this is no list"),
        ("a.json", '{"box": [[7]]}', FormatError, "{}: box[0]: 1 values where 2 belong"),
        ("a.json", '{"box": [[0, NaN]]}', FormatError, "{}: box[0][1]: 'NaN' is no number"),
        ("a.json", '{"box": [[0, Infinity]]}', RegionError, "{}: box[0][1]: Infinity is no limit"),
        ("a.json", '{"box": [[0, null]]}', RegionError, "{}: box[0][1]: null is no limit"),
        ("a.json", '{"box": [[0, true]]}', FormatError, "{}: box[0][1]: this is no number"),
        ("a.json", '{"box": [[0, "a"]]}', FormatError, "{}: box[0][1]: 'a' is no number"),
        ("a.json", '{"box": [[0, 1]]}', RegionError, "{} limits 1 inputs, the network built has 2"),
        ("a.json", '{"lower": [0], "upper": []}', RegionError, "{}: 1 lower and 0 upper limits"),
        (
            "a.json",
            '{"box": [[1, 0], [0, 1]], "name": "b"}',
            RegionError,
            "{}: input 0 has lower limit 1 above",
        ),
        ("a.json", '{"box": [[0, 1]], "units": "SI"}', FormatError, "{}: units: 'SI' is unknown"),
        ("a.json", '{"box": [[0, 1]], "name": [1]}', FormatError, "{}: name: this is no text"),
        ("a.csv", "", RegionError, "{}: there are no limits"),
        ("a.csv", "lower,upper\n", RegionError, "{}: there are no limits"),
        ("a.csv", "0,1\n0,0.25", FormatError, "{}: the last line does not end"),
        ("a.csv", "0,1\n0\n", FormatError, "{}:2: 1 values where 2 belong"),
        ("a.csv", "0,1\n0,5;1,0\n", FormatError, "{}:2: 3 values where 2 belong"),
        ("a.csv", "0,1\n0,\n", RegionError, "{}:2: the upper limit is missing"),
        ("a.csv", "upper,lower\n0,1\n", FormatError, "{}:1: 'upper' is no number"),
        ("a.csv", "0,1\nlower,upper\n", FormatError, "{}:2: 'lower' is no number"),
        ("a.csv", "0,1\n0,nan\n", FormatError, "{}:2: 'nan' is no number"),
        ("a.csv", "0,1\n0,inf\n", RegionError, "{}:2: inf is no limit"),
        ("a.csv", "0,1\n1,0\n", RegionError, "{}: input 1 has lower limit 1 above"),
        ("a.csv", "PK\x03\x04", FormatError, "{}: the last line does not end"),
        ("a.vnnlib", "<html>", FormatError, "{}:1:1: '<html>' stands outside parentheses"),
    ],
)
def test_a_bad_file_gets_one_line_with_its_place(tmp_path, name, text, kind, what):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        parse_region(path, BARE)
    assert str(caught.value).startswith(what.format(path))
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text_says_so(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\x89PNG")
    with pytest.raises(FormatError, match=r"a\.json: byte 0 is not UTF-8"):
        parse_region(tmp_path / "a.json", BARE)
    (tmp_path / "b.json").mkdir()
    with pytest.raises(FileError, match=r"b\.json: this is a folder"):
        parse_region(tmp_path / "b.json", BARE)


def test_raw_units_outside_the_stated_range_are_refused():
    with pytest.raises(RegionError, match=r"input 1 asks for 0 to 1 .* states 0\.5 to 8\.5"):
        parse_region("0:1,0:1", SCALED, "raw")
    assert parse_region("0:1,-99:99", SCALED).size == 2


def test_raw_units_need_a_normalisation():
    with pytest.raises(InputError, match=r"region '0,0': the network built states no normalis"):
        parse_region("0,0", BARE, "raw")


def test_net_needs_limits():
    free = Normalisation(np.full(2, -WIDEST), np.full(2, WIDEST), np.zeros(2), np.ones(2))
    network = Network.dense([np.ones((1, 2))], [np.zeros(1)], normalisation=free)
    with pytest.raises(RegionError, match="does not limit every input"):
        parse_region("net", network)


def test_several_boxes_in_a_vnnlib_file_are_refused(tmp_path):
    text = "(declare-const X_0 Real)(assert (or (<= X_0 0) (>= X_0 1)))"
    (tmp_path / "a.vnnlib").write_text(text)
    network = Network.dense([np.ones((1, 1))], [np.zeros(1)])
    with pytest.raises(UnsupportedError, match=r"a\.vnnlib:1:33: 'or' joins 2 .* several regions"):
        parse_region(tmp_path / "a.vnnlib", network)


@given(st.text(max_size=12) | st.text("0123456789.:,-+e/ni", max_size=12))
def test_any_text_ends_in_a_region_or_in_one_line(text):
    message = ""
    try:
        parse_region(text, BARE)
    except InputError as error:
        message = str(error)
    assert "\n" not in message


@given(st.integers(0, 60), st.sampled_from(list('{}[]",:019eE.-nul\n ')))
def test_a_damaged_file_ends_in_a_region_or_in_one_line(tmp_path_factory, at, wrong):
    text = json.dumps({"box": [[0, 0.1], [-0.5, 0.5]], "units": "network", "name": "a"})
    path = tmp_path_factory.mktemp("damaged") / "a.json"
    path.write_text(text[:at] + wrong + text[at + 1 :])
    message = ""
    try:
        parse_region(path, BARE)
    except InputError as error:
        message = str(error)
    assert "\n" not in message


def test_regions_and_the_face_of_the_formats_need_neither_torch_nor_onnx():
    code = (
        "import sys, secateur.engine.formats, secateur.engine.formats.regions, "
        "secateur.engine.formats.nnet; "
        "print([name for name in ('torch', 'onnx', 'onnxruntime') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
