"""The words of `secateur simplify`: how they are read, and which are refused."""

import json
from fractions import Fraction

import pytest
from eighths import HIGH, LOW, REGION, apart, tiny
from hypothesis import given
from hypothesis import strategies as st

import secateur
from secateur.commands.aim import Wish, tolerance_of
from secateur.commands.options import Keep, Side
from secateur.engine.agreement import Best
from secateur.engine.formats import load, save
from secateur.engine.region import Region
from secateur.redundancy.guarantee import Outputs, SameBest
from secateur.redundancy.phase import Effort


@given(st.fractions(min_value=0, max_value=10**6), st.integers(1, 30))
def test_a_tolerance_is_read_exactly(value, digits):
    scaled = Fraction(int(value * 10**digits), 10**digits)
    text = f"{int(value * 10**digits)}e-{digits}"
    assert tolerance_of(text) == scaled
    assert tolerance_of(str(value)) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("-1", "0 or more"),
        ("-1e-300", "0 or more"),
        ("nan", "finite"),
        ("inf", "finite"),
        ("-inf", "finite"),
        ("1e999999", "exponent"),
        ("", "is no number"),
        ("0,5", "is no number"),
        ("5%", "is no number"),
        ("1/0", "divides by zero"),
    ],
)
def test_a_tolerance_that_makes_no_sense_is_refused(net, tmp_path, refused, text, said):
    words = ("--region", REGION, "-o", tmp_path / "out.onnx", f"--tolerance={text}")
    err = refused("simplify", net, *words)
    assert "--tolerance" in err
    assert said in err


@pytest.mark.parametrize("keep", ["argmin", "argmax"])
def test_the_best_of_one_output_is_refused_by_the_name_of_the_file(tmp_path, refused, keep):
    path = tmp_path / "one.onnx"
    save(tiny(sizes=(3, 4, 1)), path)
    words = ("--region", REGION, "-o", tmp_path / "out.onnx", "--keep", keep)
    assert str(path) in refused("simplify", path, *words)


def test_a_raw_tolerance_without_a_normalisation_is_refused(net, tmp_path, refused):
    words = ("--region", REGION, "-o", tmp_path / "out.onnx", "--tolerance", "1")
    said = refused("simplify", net, *words, "--tolerance-units", "raw")
    assert "states no normalisation" in said
    assert str(net) in said


@pytest.mark.parametrize(
    "words", [("--order", "best"), ("--lines", "any"), ("--tolerance-units", "feet")]
)
def test_unknown_words_are_refused(net, tmp_path, refused, words):
    good = ("simplify", net, "--region", REGION, "-o", tmp_path / "out.onnx")
    assert words[0] in refused(*good, *words)


def test_a_network_and_a_region_have_to_be_named(net, tmp_path, refused):
    assert "NET" in refused("simplify", "--region", REGION, "-o", tmp_path / "out.onnx")
    assert "--region" in refused("simplify", net, "-o", tmp_path / "out.onnx")


# The Python face


def test_the_public_simplify_takes_the_same_words(net):
    plan = secateur.simplify(
        net, REGION, Effort(seconds=10.0, workers=1), keep="outputs", tolerance="0.25"
    )
    assert plan.aim.guarantee == Outputs(Fraction(1, 4))
    assert apart(load(net), plan.network) <= Fraction(1, 4)
    network = load(net)
    plan = secateur.simplify(network, Region.box(LOW, HIGH), Effort(seconds=10.0), keep="argmin")
    assert plan.aim.guarantee == SameBest(Best.MIN)


@pytest.mark.parametrize(
    "wrong",
    [
        {"keep": "all"},
        {"order": "best"},
        {"lines": "any"},
        {"units": "feet"},
        {"tolerance_units": "feet"},
        {"tolerance": -1},
        {"tolerance": float("nan")},
        {"tolerance": float("inf")},
        {"tolerance": "much"},
        {"tolerance": 1, "tolerance_units": "raw"},
    ],
)
def test_the_public_simplify_refuses_the_same(net, wrong):
    with pytest.raises(ValueError, match=r"tolerance|keep|order|lines|units|normalisation"):
        secateur.simplify(load(net), Region.box(LOW, HIGH), **wrong)


def test_a_wish_divides_raw_tolerances_exactly(nnet):
    network = load(nnet)
    wish = Wish(Keep.ARGMIN, Fraction(1, 3), Side.RAW)
    assert wish.aim(network).guarantee == SameBest(Best.MIN, Fraction(1, 12))


def test_a_layers_values_can_take_the_place_of_the_outputs(net, simplified):
    record, after, said = simplified(net, "--until", "2", "--tolerance", "0.25")
    before = load(net)
    one, name = (node.name for node in before.piecewise)
    assert record["until"] == name
    (cut,) = record["cuts"]
    assert [layer["layer"] for layer in cut["layers"]] == [one, name]
    assert cut["before"]["neurons"] == before.neurons
    assert cut["after"]["neurons"] == after.neurons < before.neurons
    assert cut["replayed"]["exact_difference"] <= 0.25
    assert f"values of layer {name}" in said
    assert cut["distance"] <= 0.25


def test_a_batch_takes_the_layer_for_all_its_rows(net, call, tmp_path):
    jobs, folder = tmp_path / "jobs.csv", tmp_path / "out"
    jobs.write_text(f'network,region,tolerance\n{net},"{REGION}",\n{net},"{REGION}",0.25\n')
    words = ("--until", "2", "--timeout", 20, "--json", tmp_path / "r.json")
    assert call("simplify", "--batch", jobs, "-o", folder, *words) == 0
    rows = json.loads((tmp_path / "r.json").read_text())["rows"]
    assert {row["until"] for row in rows} == {load(net).piecewise[1].name}
    assert [row["tolerance"] for row in rows] == [0.0, 0.25]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--until", "3"), "has no layer '3'"),
        (("--until", "nowhere"), "has no layer 'nowhere'"),
        (("--until", "1", "--keep", "argmin"), "no best one to keep"),
        (
            ("--until", "1", "--tolerance", "0.1", "--tolerance-units", "raw"),
            "values of a hidden layer have no raw units",
        ),
    ],
)
def test_a_layer_that_makes_no_sense_is_refused(net, tmp_path, refused, words, said):
    given = ("simplify", net, "--region", REGION, "-o", tmp_path / "out.onnx")
    assert said in refused(*given, *words)
