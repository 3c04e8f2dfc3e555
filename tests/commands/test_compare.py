"""`secateur compare`: enclosures, verdicts, witnesses, records, and what is refused."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from oracle import extremes
from strategies import boxes
from twins import twins

import secateur
from secateur.commands import compare as command
from secateur.commands import comparison
from secateur.commands.computed import computed
from secateur.engine.answer import Effort
from secateur.engine.discrepancy import Discrepancy, Norm, Span
from secateur.engine.errors import InputError
from secateur.engine.formats import load, save
from secateur.engine.formats.onnx_runtime import Runtime
from secateur.engine.network import (
    Affine,
    Input,
    Network,
    Node,
    Normalisation,
    Origin,
    Piecewise,
    Sum,
)
from secateur.engine.operators import Convolution, Dense
from secateur.engine.pair import merge
from secateur.engine.region import Region
from secateur.engine.verdict import Proved, Refuted

BOX = "-1:1,0:1/2"
SIDES = [-1.0, 0.0], [1.0, 0.5]


# --- how far apart --------------------------------------------------------------------------------


def test_the_enclosures_hold_the_exact_distance(pair, compared):
    first, second, exact = pair
    code, record, out = compared(first, second)
    assert (code, record["gap_reached"], record["verdict"], record["reason"]) == (
        0,
        True,
        None,
        None,
    )
    for output, most in zip(record["outputs"], exact, strict=True):
        assert Fraction(output["attained"]) <= most <= Fraction(output["proved"])
        assert output["proved"] <= max(output["attained"] * 1.01, output["attained"] + 1e-6) * 1.001
        witness = record["witnesses"][output["witness"]]
        point = [Fraction(value) for value in witness["exact_input"]]
        there = []
        for path, side in ((first, "first"), (second, "second")):
            there.append(load(path).evaluate(np.array(point, dtype=object), exact=True))
            assert [str(value) for value in there[-1]] == witness[side]["exact"]
            seen = Runtime(path).outputs(np.array([witness["input"]]))[0]
            assert seen.tolist() == witness[side]["runtime"]
        apart = abs(there[0][output["index"]] - there[1][output["index"]])
        assert Fraction(output["attained"]) <= apart <= most
    assert max(exact) <= Fraction(record["norms"]["inf"]["proved"])
    assert record["norms"]["inf"]["attained"] <= record["norms"]["2"]["proved"]
    assert record["norms"]["2"]["attained"] <= record["norms"]["1"]["proved"]
    assert "Done: every interval is at most 0.01 of its value wide." in " ".join(out.split())
    assert "inf norm" in out


def test_equal_files_are_not_apart(pair, compared):
    code, record, out = compared(pair[0], pair[0])
    assert code == 0
    assert all(output["attained"] == 0 for output in record["outputs"])
    assert all(output["proved"] < 1e-100 for output in record["outputs"])
    assert "Both files hold the same bytes." in out
    assert compared(pair[0], pair[0], "--epsilon", "1e-9")[0] == 0
    code, _, out = compared(pair[0], pair[0], "--top1", "max")
    assert code == 0
    assert "Proved: f and g have the same maximum" in out


def test_turned_neurons_make_no_difference(compared, tmp_path):
    rng = np.random.default_rng(2)
    one, two = rng.integers(-8, 9, (6, 2)) / 8, rng.integers(-8, 9, (2, 6)) / 8
    order = rng.permutation(6)
    save(Network.dense([one, two], [np.ones(6) / 8, np.zeros(2)]), tmp_path / "f.onnx")
    turned = Network.dense([one[order], two[:, order]], [np.ones(6) / 8, np.zeros(2)])
    save(turned, tmp_path / "g.onnx")
    code, record, _ = compared(tmp_path / "f.onnx", tmp_path / "g.onnx", "--epsilon", "0.01")
    assert (code, record["verdict"]) == (0, "proved")


def test_a_wide_gap_is_reached_sooner(pair, compared):
    wide, narrow = (compared(*pair[:2], "--gap", gap)[1] for gap in (0.5, 0.001))
    assert wide["boxes"] <= narrow["boxes"]
    assert wide["question"]["gap"] == 0.5
    for loose, tight in zip(wide["outputs"], narrow["outputs"], strict=True):
        assert tight["proved"] <= loose["proved"] + 1e-9


def test_raw_units_are_those_of_the_file_that_states_them(small, compared, tmp_path):
    normal = Normalisation(np.zeros(2), np.full(2, 8.0), np.full(2, 4.0), np.full(2, 8.0))
    save(small(3, origin=Origin(dtype="float64"), normalisation=normal), tmp_path / "f.nnet")
    save(small(3, 0.25), tmp_path / "g.onnx")
    for words in (
        (tmp_path / "f.nnet", tmp_path / "g.onnx"),
        (tmp_path / "g.onnx", tmp_path / "f.nnet"),
    ):
        code, record, out = compared(*words, "--units", "raw", box="2:6,4:8")
        assert code == 0
        assert record["region"]["lower"] == [-0.25, 0.0]
        for witness in record["witnesses"]:
            raw = [8 * value + 4 for value in witness["input"]]
            assert witness["raw_input"] == raw
            assert {witness["first"]["runtime"] is None, witness["second"]["runtime"] is None} == {
                True,
                False,
            }
        assert "raw units" in out
    other = Normalisation(np.zeros(2), np.full(2, 8.0), np.full(2, 5.0), np.full(2, 8.0))
    save(small(4, origin=Origin(dtype="float64"), normalisation=other), tmp_path / "h.nnet")
    files = [tmp_path / "f.nnet", tmp_path / "h.nnet"]
    assert compared(*files, box="0:1/4,0:1/4")[1]["witnesses"][0]["raw_input"] is None


def test_convolutions_skips_and_other_depths_are_compared(compared, tmp_path):
    """f is a convolution with a skip round a ReLU, g a dense network of another depth."""
    kernel = Convolution(np.array([[[[0.5, -0.25]]]]), (1, 1, 3))
    nodes = (
        Node("x", Input((1, 1, 3))),
        Node("c", Affine(kernel, np.zeros(2)), ("x",), (1, 1, 2)),
        Node("r", Piecewise.relu(2), ("c",)),
        Node("s", Sum(2), ("c", "r")),
        Node("d", Affine(Dense(np.eye(2)), np.zeros(2)), ("s",)),
    )
    save(Network(nodes, "d"), tmp_path / "f.onnx")
    one = np.array([[0.5, -0.25, 0.0], [0.0, 0.5, -0.25]])
    save(Network.dense([one], [np.zeros(2)]), tmp_path / "g.onnx")
    files = tmp_path / "f.onnx", tmp_path / "g.onnx"
    code, record, _ = compared(*files, box="-1:1,-1:1,-1:1")  # they differ by relu(c)
    assert code == 0
    for output in record["outputs"]:
        assert 0.7425 < output["attained"] <= 0.75 <= output["proved"] < 0.7576
    assert compared(*files, "--epsilon", "0.76", box="-1:1,-1:1,-1:1")[0] == 0
    words = ("--epsilon", "0.76", "--semantics", "float32")
    assert compared(*files, *words, box="-1:1,-1:1,-1:1")[0] == 0


# --- claims ---------------------------------------------------------------------------------------


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(twins(depth=2, width=3), boxes(2), st.sampled_from([Fraction(7, 8), Fraction(9, 8)]))
def test_verdicts_about_a_distance_agree_with_the_exact_one(drawn, box, share):
    network = merge(*drawn).network
    ends = extremes(network, *box, network.output)
    most = max(max(high, -low) for low, high in ends)
    assume(most > Fraction(1, 10**6))
    answer = secateur.compare(
        *drawn, Region.box(*box), epsilon=most * share, effort=Effort(seconds=10)
    )
    assert isinstance(answer.verdict, Proved if share > 1 else Refuted)


def test_a_distance_is_proved_or_refuted_with_a_witness(pair, compared):
    first, second, exact = pair
    most = max(exact)
    code, record, out = compared(first, second, "--epsilon", f"{float(most) * 1.05:.6f}")
    assert (code, record["verdict"], record["witnesses"]) == (0, "proved", [])
    assert "Proved: |f - g| <=" in out
    code, record, out = compared(first, second, "--epsilon", f"{float(most) * 0.9:.6f}")
    assert (code, record["verdict"]) == (10, "refuted")
    (witness,) = record["witnesses"]
    sides = [[Fraction(v) for v in witness[side]["exact"]] for side in ("first", "second")]
    apart = max(abs(a - b) for a, b in zip(*sides, strict=True))
    assert apart > Fraction(record["question"]["epsilon"])
    assert "f, runtime" in out


def test_outputs_are_asked_one_by_one(pair, compared):
    first, second, exact = pair
    for output, most in enumerate(exact):
        least = f"{float(most) * 1.1 + 1e-4:.6f}"
        code, record, _ = compared(first, second, "--epsilon", least, "--output", output)
        assert (code, record["question"]["outputs"]) == (0, [output])


def test_the_same_best_output_is_asked_in_both_conventions(compared, tmp_path):
    """Output 0 is x, output 1 is y; g has x + 1/8."""
    first = Network.dense([np.eye(2)], [np.zeros(2)])
    second = Network.dense([np.eye(2)], [np.array([0.125, 0.0])])
    save(first, tmp_path / "f.onnx")
    save(second, tmp_path / "g.onnx")
    files = tmp_path / "f.onnx", tmp_path / "g.onnx"
    for top1 in ("min", "max"):
        code, record, out = compared(*files, "--top1", top1, box="0:1,0:1")
        assert (code, record["question"]["top1"]) == (10, top1)
        (witness,) = record["witnesses"]
        x, y = (Fraction(value) for value in witness["exact_input"])
        assert (x > y, x + Fraction(1, 8) > y) == (False, True)
        assert "where f has a tie nothing is asked of g" in " ".join(out.split())
        assert compared(*files, "--top1", top1, "--band", "1/4", box="0:1,0:1")[0] == 0
    # f ties everywhere on the diagonal, and g's tie with f's best is allowed.
    assert compared(*files, "--top1", "max", box="1/2,1/2")[0] == 0
    assert compared(*files, "--top1", "max", box="3/8,1/2")[0] == 0


# --- float arithmetic -----------------------------------------------------------------------------


def test_float_arithmetic_has_room_for_rounding(pair, compared):
    first, second, _ = pair
    code, record, out = compared(first, second, "--semantics", "float32", "--gap", "0.05")
    assert (code, record["semantics"]) == (0, "float32")
    real = compared(first, second, "--gap", "0.05")[1]
    assert real["rounding"] is None
    assert "rounds each elementary operation to nearest" in record["assumption"]
    assert "Semantics float32" in out
    points = np.random.default_rng(0).uniform(*SIDES, (500, 2)).astype(np.float32)
    points = np.clip(points, *SIDES).astype(np.float64)
    f, g = (Runtime(path).outputs(points) for path in (first, second))
    for output, wide in zip(record["outputs"], real["outputs"], strict=True):
        index = output["index"]
        room = record["rounding"][0][index] + record["rounding"][1][index]
        assert 0 < room < 1e-4
        assert output["proved"] >= wide["proved"] - 1e-12 + room / 2
        assert np.abs(f - g)[:, index].max() <= output["proved"]
        witness = record["witnesses"][output["witness"]]
        seen = [Fraction(witness[side]["runtime"][index]) for side in ("first", "second")]
        assert Fraction(output["attained"]) == abs(seen[0] - seen[1])


def test_float_witnesses_count_as_computed(tmp_path, compared):
    """f and g are both x in real arithmetic; in float32, g loses the last bits of x."""
    save(Network.dense([np.eye(1)], [np.zeros(1)]), tmp_path / "f.onnx")
    big = Network.dense([np.eye(1), np.eye(1)], [np.full(1, 1024.0), np.full(1, -1024.0)])
    save(big, tmp_path / "g.onnx")
    words = (tmp_path / "f.onnx", tmp_path / "g.onnx", "--epsilon", "0.0000005")
    assert compared(*words, box="0:1")[0] == 0
    code, record, _ = compared(*words, "--semantics", "float32", box="0:1")
    assert code == 10
    (witness,) = record["witnesses"]
    apart = abs(witness["first"]["runtime"][0] - witness["second"]["runtime"][0])
    assert apart > 0.0000005
    assert witness["first"]["exact"] == witness["second"]["exact"]
    enough = (tmp_path / "f.onnx", tmp_path / "g.onnx", "--epsilon", "0.01")
    assert compared(*enough, "--semantics", "float32", box="0:1")[0] == 0


def test_rounding_that_cannot_be_bounded_is_said(pair, compared, monkeypatch):
    unknown = np.full(2, math.inf)
    for module in (comparison, command):
        monkeypatch.setattr(module, "output_errors", lambda pair: (unknown, unknown))
    for words in ((), ("--epsilon", "100"), ("--top1", "max", "--band", "100")):
        code, record, out = compared(*pair[:2], "--semantics", "float32", *words)
        assert code == 20
        assert record["reason"] == comparison.UNBOUNDED
        assert "cannot be bounded" in " ".join(out.split())
        assert "Proved" not in out


def test_the_norms_have_the_room_of_all_outputs():
    span = Span(1.0, 2.0, (Fraction(1),))
    found = Discrepancy((span, span), dict.fromkeys(Norm, span), 1, 0.0, True)

    class Same:
        def outputs(self, points):
            return np.array([[3.0, 4.0]])

    class Zero:
        def outputs(self, points):
            return np.zeros((1, 2))

    wide = computed(found, [Same(), Zero()], np.array([3.0, 4.0]))
    assert [span.proved for span in wide.outputs] == [5.0, 6.0]
    assert wide.norms[Norm.INF].proved == 6.0
    assert wide.norms[Norm.ONE].proved == 9.0
    assert 7.0 <= wide.norms[Norm.TWO].proved <= 7.0 + 1e-12
    assert [span.attained for span in wide.outputs] == [3.0, 4.0]
    assert wide.norms[Norm.ONE].attained == 7.0
    assert 5.0 - 1e-12 <= wide.norms[Norm.TWO].attained <= 5.0


# --- the Python face ------------------------------------------------------------------------------


def test_the_python_face_takes_files_networks_and_regions(pair):
    first, second, exact = pair
    by_file = secateur.compare(first, second, BOX)
    by_network = secateur.compare(load(first), load(second), Region.box(*SIDES))
    for found in (by_file, by_network):
        for span, most in zip(found.outputs, exact, strict=True):
            assert Fraction(span.attained) <= most <= Fraction(span.proved)
    one = load(first)
    same = secateur.compare(one, one, BOX, epsilon=0)
    assert not isinstance(same.verdict, Refuted)
    assert secateur.compare(one, one, BOX).norms[Norm.ONE].attained == 0.0
    assert isinstance(secateur.compare(first, second, BOX, top1="max", band=99).verdict, Proved)
    effort = Effort(semantics="float32")
    assert isinstance(
        secateur.compare(first, second, BOX, epsilon=9, effort=effort).verdict, Proved
    )
    with pytest.raises(InputError, match="states no element type"):
        secateur.compare(one, second, BOX, effort=effort)


def test_verify_gives_the_answer_and_the_assignment(tmp_path, pair):
    box = "(declare-const X_0 Real)(declare-const X_1 Real)(declare-const Y_0 Real)"
    box += "(declare-const Y_1 Real)(assert (<= -1 X_0 1))(assert (<= 0 X_1 1/2))"
    for atom, verdict in (
        ("(assert (>= Y_0 -1000.0))", Refuted),
        ("(assert (>= Y_0 1e3))", Proved),
    ):
        path = tmp_path / "query.vnnlib"
        path.write_text(box.replace("1/2", "0.5") + atom)
        found = secateur.verify(path, pair[0], Effort(seconds=20))
        assert isinstance(found.answer.verdict, verdict)
        assert [one.tensor.name for one in found.assigned] == ["X", "Y"][: 2 * (verdict is Refuted)]
    named = secateur.verify(path, {"N": pair[0]})
    assert named.claim.cases
    assert isinstance(named.answer.verdict, Proved)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"epsilon": 1, "top1": "max"}, "two questions"),
        ({"outputs": [0]}, "go with epsilon"),
        ({"band": 1}, "goes with top1"),
        ({"epsilon": math.nan}, "epsilon is nan"),
        ({"epsilon": -1}, "at least 0"),
        ({"epsilon": 1, "outputs": [2]}, "outputs 0 to 1"),
        ({"top1": "most"}, "take min or max"),
        ({"gap": -1}, "share of at least 0"),
    ],
)
def test_the_python_face_refuses_what_makes_no_question(pair, words, said):
    with pytest.raises(InputError, match=said):
        secateur.compare(*pair[:2], BOX, **words)
