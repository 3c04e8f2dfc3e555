"""`--proof` of verify, compare and simplify: what is written is checked, or nothing is written."""

import json

import pytest

import secateur
from secateur.commands import proof as making
from secateur.engine.formats import load, save

QUERY = """
(declare-const X_0 Real)
(declare-const X_1 Real)
(declare-const Y_0 Real)
(declare-const Y_1 Real)
(assert (>= X_0 -1.0))
(assert (<= X_0 1.0))
(assert (>= X_1 0.0))
(assert (<= X_1 0.5))
(assert (or (>= Y_0 {0}) (<= Y_1 -{0})))
"""


@pytest.fixture
def one(tmp_path, small):
    save(small(3), tmp_path / "f.onnx")
    return tmp_path / "f.onnx"


@pytest.fixture
def checked(call, tmp_path, capsys):
    """Check a proof; return the exit code and the record."""

    def checked(proof, *networks):
        capsys.readouterr()
        given = [part for network in networks for part in ("--network", network)]
        code = call("check", proof, *given, "--json", tmp_path / "c.json", "--quiet")
        return code, json.loads((tmp_path / "c.json").read_text())

    return checked


def test_a_query_without_counterexample_gets_a_proof(one, call, checked, tmp_path, capsys):
    (tmp_path / "q.vnnlib").write_text(QUERY.format(100))
    words = ("--proof", tmp_path / "q.proof", "--json", tmp_path / "r.json", "--timeout", 30)
    assert call("verify", tmp_path / "q.vnnlib", "--network", one, *words) == 0
    out, err = capsys.readouterr()
    assert out == "unsat\n"
    assert f"secateur check {tmp_path / 'q.proof'}" in err
    kept = json.loads((tmp_path / "r.json").read_text())["proof_file"]
    assert kept["path"] == str(tmp_path / "q.proof")
    assert kept["bytes"] == (tmp_path / "q.proof").stat().st_size
    assert checked(tmp_path / "q.proof", one)[0] == 0


def test_a_query_with_a_counterexample_gets_none(one, call, tmp_path):
    (tmp_path / "q.vnnlib").write_text(QUERY.format("0.001"))
    words = ("--proof", tmp_path / "q.proof", "--json", tmp_path / "r.json", "--timeout", 30)
    assert call("verify", tmp_path / "q.vnnlib", "--network", one, *words) == 10
    assert not (tmp_path / "q.proof").exists()
    assert json.loads((tmp_path / "r.json").read_text())["proof_file"] is None


def test_a_query_that_no_input_meets_has_nothing_to_prove(one, call, tmp_path):
    text = QUERY.format(100).replace("(<= X_0 1.0)", "(<= X_0 -2.0)")
    (tmp_path / "q.vnnlib").write_text(text)
    words = ("--proof", tmp_path / "q.proof", "--json", tmp_path / "r.json", "--timeout", 30)
    assert call("verify", tmp_path / "q.vnnlib", "--network", one, *words) == 0
    assert not (tmp_path / "q.proof").exists()
    assert "nothing" in json.loads((tmp_path / "r.json").read_text())["proof_file"]["reason"]


@pytest.mark.parametrize(
    "asked", [("--epsilon", "4"), ("--top1", "max", "--band", "4"), ("--gap", "0.2")]
)
def test_a_comparison_gets_a_proof_of_what_was_asked(pair, compared, checked, tmp_path, asked):
    first, second, _ = pair
    proof = tmp_path / "p.proof"
    code, record, said = compared(first, second, *asked, "--proof", proof)
    assert code == 0
    assert record["proof_file"]["path"] == str(proof)
    assert "secateur check" in said
    assert checked(proof, first, second)[0] == 0
    assert checked(proof, second, first)[0] == 10


@pytest.mark.parametrize("words", [(), ("--tolerance", "0.25"), ("--keep", "argmin")])
def test_a_simplified_network_gets_a_proof(net, simplified, checked, tmp_path, words):
    proof = tmp_path / "p.proof"
    record, _, said = simplified(net, *words, "--proof", proof)
    kept = record["cuts"][0]["proof_file"]
    assert kept["reason"] is None
    assert kept["path"] == str(proof)
    assert "Proof:" in said
    code, found = checked(proof, net, tmp_path / "out.onnx")
    assert code == 0
    assert found["proved"]
    save(load(net), tmp_path / "out.onnx")
    assert checked(proof, net, tmp_path / "out.onnx")[0] == 10


def test_the_public_check_says_what_is_proved(net, simplified, tmp_path):
    simplified(net, "--tolerance", "0.25", "--proof", tmp_path / "p.proof")
    found = secateur.check(tmp_path / "p.proof", [net, tmp_path / "out.onnx"])
    assert "differs between N0 and N1 by more than 0.25" in found.sentences[0]
    with pytest.raises(ValueError, match="another file"):
        secateur.check(tmp_path / "p.proof", [tmp_path / "out.onnx", net])


def test_every_region_gets_its_own_proof(net, call, tmp_path):
    words = ("--region", "0:1/4,0:1/4,-1/4:0", "--region", "0:1/2,0:1/4,-1/4:0", "--timeout", 30)
    given = ("-o", tmp_path / "o-{region}.onnx", "--proof", tmp_path / "{region}.proof")
    assert call("simplify", net, *words, *given) == 0
    assert len(list(tmp_path.glob("*.proof"))) == 2


def test_what_is_not_shown_in_time_is_said_and_not_written(pair, compared, tmp_path, monkeypatch):
    monkeypatch.setattr(making, "record", lambda lemma, models, seconds: (None, None))
    first, second, _ = pair
    proof = tmp_path / "p.proof"
    code, record, said = compared(first, second, "--epsilon", "4", "--proof", proof)
    assert code == 0
    assert record["proof_file"]["path"] is None
    assert "in time" in record["proof_file"]["reason"]
    assert "No proof was written" in said
    assert not proof.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--proof", "p.txt"), "no format to write"),
        (("--proof", "nowhere/p.proof"), "there is no folder"),
        (("--proof", "p.proof", "--batch", "jobs.csv"), "simplify one row by itself"),
        (("--proof", "p.proof", "--until", "1"), "no proofs of hidden layers"),
    ],
)
def test_a_place_that_makes_no_sense_is_refused(net, tmp_path, refused, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    given = ("simplify", net, "--region", "0:1,0:1,0:1", "-o", tmp_path / "out.onnx")
    assert said in refused(*given, *words)


def test_networks_of_one_function_get_a_proof(one, small, compared, checked, tmp_path):
    save(small(3), tmp_path / "again.onnx")
    for words in (("--epsilon", "0"), ("--top1", "max")):
        code, record, _ = compared(
            one, tmp_path / "again.onnx", *words, "--proof", tmp_path / "p.proof"
        )
        assert code == 0
        assert record["proof_file"]["reason"] is None
        assert checked(tmp_path / "p.proof", one, tmp_path / "again.onnx")[0] == 0


def test_a_proof_of_floats_is_refused(pair, refused, tmp_path):
    first, second, _ = pair
    words = ("--semantics", "float32", "--proof", tmp_path / "p.proof")
    assert "real arithmetic" in refused("compare", first, second, "--region", "0:1,0:1", *words)
