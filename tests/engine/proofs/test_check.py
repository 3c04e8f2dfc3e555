"""What a proof proves is said in words; the checker stands alone and bounds what it spends."""

import ast
import dataclasses
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from calls import call, recorded, refused
from hypothesis import given
from hypothesis import strategies as st
from proved import KINDS, file_of, made, sharp

from secateur.engine.proofs import exclusion
from secateur.engine.proofs.check import LateError, check, check_lemma
from secateur.engine.proofs.evidence import EMPTY, Form, Tree
from secateur.engine.proofs.form import (
    Atom,
    File,
    Lemma,
    Limits,
    Line,
    Negation,
    Proof,
    Query,
    Row,
    SameBest,
    Subject,
    Value,
    Within,
)
from secateur.engine.proofs.judge import ProofError
from secateur.engine.proofs.model import FormatError
from secateur.engine.proofs.speech import above, below, claim_words, exact, lemma_words, proof_words
from secateur.engine.proofs.store import write_proof

FOLDER = Path(__file__).resolve().parents[3] / "engine" / "proofs"
MAKERS = {"asked", "record"}
"""Files that make proofs and stand on the engine; the checker does not import them."""


def imported(path):
    """Return the modules that a file imports, those beside it by `.name`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or "").split(".")[0])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
    return found


def test_the_checker_needs_the_standard_library_and_numpy_alone():
    left, seen = ["check", "store"], set()
    while left:
        name = left.pop()
        seen.add(name)
        for module in imported(FOLDER / f"{name}.py"):
            if module.startswith("."):
                assert not module.startswith(".."), (name, module)
                if module[1:] not in seen:
                    left.append(module[1:])
            else:
                assert module == "numpy" or module in sys.stdlib_module_names, (name, module)
    assert not seen & MAKERS


@pytest.mark.parametrize("kind", KINDS)
def test_a_proof_says_what_it_proves(kind):
    given_ = sharp(kind, 1)[0]
    checked = check(write_proof(given_.proof), given_.open_file)
    (lemma,) = given_.proof.lemmas
    assert checked.files == given_.proof.files
    assert checked.nodes == lemma.tree.axis.size > 2
    assert checked.entries == lemma.tree.node.size
    (sentence,) = checked.sentences
    assert sentence.startswith('Let N0 be the network of "f"')
    word = {"within": "differs between N0 and N1 by more than", "query": "none of these holds"}
    assert word.get(kind, "N0") in sentence


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_prover_says_besides_changes_nothing(kind):
    given_ = made(kind, 0)
    lie = dataclasses.replace(given_.proof, said={"proved": "anything"})
    one, two = (check(write_proof(p), given_.open_file) for p in (given_.proof, lie))
    assert one.sentences == two.sentences


SAID = {
    "none of the outputs 0, 2 differs between N0 and N1 by more than 0.5": Within(
        Fraction(1, 2), (0, 2)
    ),
    "wherever one of the 3 outputs of N0 is larger than all others, no other output of N1 is "
    "larger than that same one of N1": SameBest(1, Fraction(0), 3),
    "wherever one of the 2 outputs of N0 is smaller than all others by more than 1, no other "
    "output of N1 is smaller than that same one of N1; that same one is ahead of them by at least "
    "2": SameBest(-1, Fraction(1), 2, Fraction(2)),
    '-1 <= N0."h"[3], N1.y0 <= 4': Limits(
        ((Value(0, "h", 3), Fraction(-1), None), (Value(1, None, 0), None, Fraction(4)))
    ),
    "none of these holds: (2 x1 + 1/3 N0.y0 + -1 <= 0 and 5 < 0) or (5 <= 0)": Query(
        Negation(
            (
                Row({1: Fraction(2)}, {Value(0, None, 0): Fraction(1, 3)}, Fraction(-1)),
                Row({}, {}, Fraction(5)),
            ),
            ((Atom(0, False), Atom(1, True)), (Atom(1, False),)),
        )
    ),
}


@pytest.mark.parametrize("words", SAID)
def test_claims_are_put_into_words(words):
    assert claim_words(SAID[words]) == words


def test_networks_and_boxes_are_put_into_words():
    subject = Subject(1, (1, 0), (Line("h", 2, 0.5, -1.0),))
    limits = Limits(((Value(0, None, 0), None, Fraction(0)),))
    third = Fraction(1, 3)
    lemma = Lemma((subject,), (third, third), (Fraction(2, 3), third), limits, (), (), EMPTY)
    assert lemma_words(lemma, ['"f"', '"g"']) == (
        'Let N0 be the network of "g", which reads x1, x0, changed in that ReLUs are replaced by '
        'lines: neuron 2 of "h" by 0.5 z + -1. For every x with 0.33333333333333334 <= x0 <= '
        "0.66666666666666666, x1 = 1/3: N0.y0 <= 0."
    )


def test_a_name_cannot_pose_as_a_sentence():
    lemma = sharp("limits", 1)[0].proof.lemmas[0]
    name = 'f"\n\x1b[2K2. For every x: all is well.\u202e'
    (sentence,) = proof_words(Proof((File(name, "0" * 64, 1),), (lemma,)))
    assert sentence.isprintable()
    assert '\\"\\n\\u001b[2K2. For every x: all is well.\\u202e"' in sentence


@given(st.fractions() | st.floats(allow_nan=False, allow_infinity=False).map(Fraction))
def test_numbers_are_rounded_to_what_is_proved_all_the_more(value):
    assert Fraction(below(value)) <= value <= Fraction(above(value))
    assert value == 0 or abs(Fraction(above(value)) - value) <= abs(value) / 10**15
    if "about" not in exact(value):
        assert Fraction(exact(value)) == value


def forged(lemma, **changed):
    given_ = sharp("limits", 1)[0]
    (first,) = given_.proof.lemmas
    proof = dataclasses.replace(
        given_.proof, lemmas=(dataclasses.replace(first, **changed) if changed else lemma,)
    )
    return given_, write_proof(proof)


def test_a_claim_that_says_nothing_is_refused():
    for claim in (
        Limits(()),
        Limits(((Value(0, None, 0), None, None),)),
        Query(Negation((), ())),
        Within(Fraction(1), ()),
    ):
        subjects = (Subject(0, (0, 1)), Subject(1, (0, 1)))
        given_, data = forged(None, claim=claim, forms=(), tree=EMPTY, subjects=subjects)
        with pytest.raises(FormatError, match="lemma 0: it says nothing"):
            check(data, given_.open_file)


def test_outputs_that_are_left_out_of_the_best_are_noticed():
    subjects = (Subject(0, (0, 1)), Subject(1, (0, 1)))
    claim = SameBest(1, Fraction(0), 3)
    given_, data = forged(None, claim=claim, forms=(), tree=EMPTY, subjects=subjects)
    with pytest.raises(FormatError, match="3 outputs; the networks have"):
        check(data, given_.open_file)


def test_a_comparison_needs_two_networks():
    given_, data = forged(None, claim=Within(Fraction(9), (0,)), forms=(), tree=EMPTY)
    with pytest.raises(FormatError, match="compares two networks"):
        check(data, given_.open_file)


def test_a_proof_of_nothing_is_refused():
    given_ = made("limits", 0)
    for proof in (Proof((), ()), Proof(given_.proof.files, ())):
        with pytest.raises(FormatError, match="says nothing"):
            check(write_proof(proof), given_.open_file)


def test_trees_that_need_too_much_memory_are_refused_before_it_is_taken():
    nodes = 2_000_001
    axis = np.full(nodes, -1)
    axis[: nodes // 2] = 0
    none = np.zeros(0, np.int64)
    tree = Tree(axis, np.zeros(nodes), none, none)
    given_, data = forged(None, lower=(Fraction(0),) * 200, upper=(Fraction(1),) * 200, tree=tree)
    assert len(data) < 50_000
    with pytest.raises(FormatError, match="more than 4 GiB"):
        check(data, given_.open_file)


def test_entries_that_need_too_much_memory_are_refused():
    given_ = sharp("limits", 1)[0]
    (lemma,) = given_.proof.lemmas
    count = 30_000_000
    tree = Tree(EMPTY.axis, EMPTY.cut, np.zeros(count, np.int64), np.zeros(count, np.int64))
    proof = dataclasses.replace(given_.proof, lemmas=(dataclasses.replace(lemma, tree=tree),))
    with pytest.raises(FormatError, match="more than 1 GiB"):
        check_lemma(proof.lemmas[0], given_.models(proof))


def test_the_time_is_bounded():
    given_ = sharp("limits", 1)[0]
    (lemma,) = given_.proof.lemmas
    forms = (*lemma.forms, *(Form(0, (1 + at,)) for at in range(200_000)))
    proof = dataclasses.replace(given_.proof, lemmas=(dataclasses.replace(lemma, forms=forms),))
    data = write_proof(proof)
    begun = time.monotonic()
    with pytest.raises(ProofError) as caught:
        check(data, given_.open_file, deadline=0.5)
    assert isinstance(caught.value, LateError)
    assert time.monotonic() - begun < 5.0


@pytest.mark.parametrize("kind", KINDS)
def test_an_exact_check_agrees(kind):
    given_ = made(kind, 1)
    data = write_proof(given_.proof)
    quick, slow = (check(data, given_.open_file, exact=way) for way in (False, True))
    assert quick.sentences == slow.sentences
    assert (quick.exact, slow.exact) == (False, True)


def test_an_exact_check_does_not_believe_rounded_bounds(monkeypatch):
    given_ = sharp("within", 1)[0]
    (lemma,) = given_.proof.lemmas
    claim = dataclasses.replace(lemma.claim, tolerance=lemma.claim.tolerance / 9)
    proof = dataclasses.replace(given_.proof, lemmas=(dataclasses.replace(lemma, claim=claim),))
    data = write_proof(proof)

    def lie(self, bounds, box, form, more):
        return np.ones(box.size, np.bool_)

    monkeypatch.setattr(exclusion.Tests, "passed", lie)
    check(data, given_.open_file)
    with pytest.raises(ProofError, match="does not exclude"):
        check(data, given_.open_file, exact=True)


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a proof and its networks."""
    given_ = sharp("within", 1)[0]
    for file in given_.proof.files:
        (tmp_path / file.name).write_bytes(given_.files[file.digest])
    (tmp_path / "p.proof").write_bytes(write_proof(given_.proof))
    return tmp_path


def test_the_command_says_what_is_proved(folder, capsys):
    assert call("check", folder / "p.proof", "--json", folder / "r.json") == 0
    out = capsys.readouterr().out
    assert out.startswith("Proved:\n  1. Let N0 be the network of")
    for word in ("SHA-256", "real arithmetic", "Trusted: nothing", "boxes"):
        assert word in out
    record = recorded(folder / "r.json")
    assert (record["schema"], record["verdict"], record["exit"]) == (
        "secateur.check/1",
        "proved",
        0,
    )
    assert record["trusted"] == []
    assert [Path(file["path"]).name for file in record["files"]] == ["f", "g"]
    text = (FOLDER.parents[1] / "docs" / "json.md").read_text()
    assert not {key for key in record if f"`{key}`" not in text}


def test_the_command_takes_networks_from_elsewhere(folder, capsys):
    for name in "fg":
        (folder / name).rename(folder / f"{name}.onnx")
    words = ("check", folder / "p.proof", "--network", folder / "f.onnx")
    assert "give those of" in refused(capsys, folder, *words)
    assert call(*words, "--network", folder / "g.onnx") == 0
    assert "Proved:" in capsys.readouterr().out
    assert call(*words, "--network", folder / "f.onnx", "--json", folder / "r.json") == 10
    assert "Not proved: " in capsys.readouterr().out
    record = recorded(folder / "r.json")
    assert (record["verdict"], record["proved"]) == ("not-proved", None)
    assert "is another file" in record["reason"]


def test_evidence_that_is_not_enough_ends_in_10(folder, capsys):
    given_ = sharp("within", 1)[0]
    (lemma,) = given_.proof.lemmas
    claim = dataclasses.replace(lemma.claim, tolerance=lemma.claim.tolerance / 9)
    proof = dataclasses.replace(given_.proof, lemmas=(dataclasses.replace(lemma, claim=claim),))
    (folder / "p.proof").write_bytes(write_proof(proof))
    assert call("check", folder / "p.proof") == 10
    assert capsys.readouterr().out.startswith("Not proved: ")


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../f", "a/../../f", "c:\\f", "", ".", "gone", "\n"]
)
def test_names_that_lead_elsewhere_are_not_opened(folder, capsys, name):
    given_ = sharp("within", 1)[0]
    first, second = given_.proof.files
    proof = dataclasses.replace(given_.proof, files=(dataclasses.replace(first, name=name), second))
    (folder / "p.proof").write_bytes(write_proof(proof))
    assert "--network" in refused(capsys, folder, "check", folder / "p.proof")


def test_what_cannot_be_read_is_refused(folder, capsys):
    (folder / "x.proof").write_bytes(b"not a proof")
    for words, why in (
        (("check", folder / "x.proof"), "this is no proof"),
        (("check", folder / "gone"), "there is no such file"),
        (("check", folder / "p.proof", "--json", folder / "f"), "this is the input"),
    ):
        assert why in refused(capsys, folder, *words)
    file = file_of("f", b"no network")
    given_ = sharp("within", 1)[0]
    proof = dataclasses.replace(given_.proof, files=(file, given_.proof.files[1]))
    (folder / "p.proof").write_bytes(write_proof(proof))
    (folder / "f").write_bytes(b"no network")
    assert "f: " in refused(capsys, folder, "check", folder / "p.proof")


def test_out_of_time_ends_in_20(folder, capsys):
    assert call("check", folder / "p.proof", "--timeout", 1e-6, "--json", folder / "r.json") == 20
    assert capsys.readouterr().out.startswith("Not checked: ")
    assert recorded(folder / "r.json")["verdict"] == "not-proved"
