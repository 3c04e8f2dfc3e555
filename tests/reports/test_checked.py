"""The chapter about a judged proof: what it proves, of which digests, over which box, by whom."""

import hashlib
import json

import pytest

from secateur.engine.errors import FormatError
from secateur.report import Form, build, rendered
from secateur.reports.envelope import proofs_named
from secateur.reports.read import run_of
from secateur.reports.tree import Verdict


def chapter_of(record):
    return build([run_of(record, "r.json", "0" * 64)]).chapters[0]


def text_of(record):
    report = build([run_of(record, "r.json", "0" * 64)])
    return rendered(report, Form.MARKDOWN).decode().replace("\u202f", "").replace("\\", "")


def test_a_checked_proof_is_told_with_claim_box_digests_trust_and_time(records, home):
    record = records["checked"]
    chapter, text = chapter_of(record), text_of(record)
    assert chapter.verdict is Verdict.PROVED
    assert "Proved: near.proof proves what it says of f.onnx and g.onnx." in text
    assert record["proved"][0].rstrip(".") in text
    for name in ("f.onnx", "g.onnx", "near.proof"):
        data = (home / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() in text
        assert f"| {len(data)} |" in text
    lemma = record["lemmas"][0]
    for at, (low, high) in enumerate(zip(lemma["lower"], lemma["upper"], strict=True)):
        assert f"| x{at} | {low} | {high} |" in text
    assert "Who made the proof.** Not trusted in anything." in text
    assert "real numbers: nothing rounds" in text
    assert "time spent" in text
    assert record["command"] in text
    assert "names no certificate" not in text
    assert "exit code: 0" in text


@pytest.mark.parametrize(("name", "said"), [("unproved", "Not proved"), ("hasty", "Not checked")])
def test_what_is_not_proved_is_neither_proved_nor_refuted(records, name, said):
    record = records[name]
    chapter, text = chapter_of(record), text_of(record)
    assert chapter.verdict is Verdict.UNKNOWN
    assert f"{said}" in chapter.answer[0].words
    assert record["reason"].rstrip(".") in chapter.answer[0].words
    assert "What is proved" not in text
    assert "Proved:" not in text
    assert "refuted" not in text
    # A digest that the proof states is not said to be that of the file that was read.
    assert "as the proof states them" in text
    assert "| f.onnx |" not in text.split("Files and their digests")[1]


def test_a_simplification_is_told_by_its_claim_and_the_lemmas_below_it(records):
    record = records["cut"]
    text = text_of(record)
    assert "The first sentence below is the claim" in text
    assert "and once more in rational numbers" in text
    assert text.count("values stay between limits") == sum(
        lemma["claim"]["kind"] == "limits" for lemma in record["lemmas"]
    )


def test_what_was_trusted_is_named(records):
    record = records["checked"] | {"trusted": ["the solver HiGHS"]}
    text = text_of(record)
    assert "Taken for granted.** The solver HiGHS." in text
    assert "Not trusted in anything" not in text


def test_long_lists_are_cut_and_that_is_said(records):
    record = records["checked"]
    record["proved"] *= 50
    record["lemmas"] *= 50
    record["lemmas"][7] = record["lemmas"][7] | {"upper": ["9", "9", "9"]}
    record["lemmas"][0] = record["lemmas"][0] | {"lower": ["0"] * 100, "upper": ["1"] * 100}
    text = text_of(record)
    assert "20 of 50 sentences are listed" in text
    assert "20 of 50 lemmas are listed" in text
    assert "64 of 100 inputs are listed" in text
    assert "49 lemmas have another box." in text


def test_a_box_with_one_side_is_refused(records):
    record = records["checked"]
    record["lemmas"][0]["upper"] = ["1"]
    with pytest.raises(FormatError, match=r"lemmas\[0\].lower has another number of limits"):
        chapter_of(record)


def test_the_digests_that_a_record_names_are_found(records, home):
    near = hashlib.sha256((home / "near.proof").read_bytes()).hexdigest()
    cut = hashlib.sha256((home / "argmin.proof").read_bytes()).hexdigest()
    for name, digests in (
        ("near", (near,)),
        ("checked", (near,)),
        ("unproved", (near,)),
        ("argmin", (cut,)),
        ("cut", (cut,)),
        ("bounds", ()),
    ):
        assert proofs_named(run_of(records[name])) == digests, name
    for hostile in ("x", near.upper(), near + "\n", 3, None, [near], {"sha256": near}):
        record = json.loads(json.dumps(records["near"]))
        record["proof_file"] = record["proof_file"] | {"sha256": hostile}
        assert proofs_named(run_of(record)) == ()
