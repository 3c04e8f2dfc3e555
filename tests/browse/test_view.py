"""Whatever is in a file, there is a page about it, and every word of it is escaped."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
from browse_pages import drawn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pages import Page
from proved import KINDS, PHASED, made

from secateur.browse.find import Kind, find, roots
from secateur.browse.view import State, view
from secateur.engine.proofs.form import Subject
from secateur.engine.proofs.store import write_proof

SLOW = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
SCRIPT = "<script>alert(1)</script>\"'&\u202e\x1b[31m"
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.just(SCRIPT), st.text()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def seen(path, data):
    """Return what is shown of bytes in a file of a name."""
    path.write_bytes(data)
    (item,) = find(roots([path])).items
    return view(item)


def places(value, at=()):
    """Yield the way to every value in a record."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in pairs:
        yield (*at, key)
        if isinstance(one, dict | list):
            yield from places(one, (*at, key))


def changed(value, way, new):
    """Return a record in which one value is another."""
    out = copy.deepcopy(value)
    inner = out
    for key in way[:-1]:
        inner = inner[key]
    inner[way[-1]] = new
    return out


def test_every_kind_of_file_is_read(finished):
    found = {item.name: view(item) for item in find(roots([finished])).items}
    entries = {name: (one.entry.verb, one.entry.state) for name, one in found.items()}
    assert entries == {
        "bounds.json": ("bounds", State.DONE),
        "compare.json": ("compare", State.REFUTED),
        "info.json": ("info", State.DONE),
        "batch.json": ("batch", State.PROVED),
        "batch/outcomes.jsonl": ("rows", State.DONE),
        "within.proof": ("proof", State.UNCHECKED),
    }
    for name, one in found.items():
        assert len(one.entry.sha256) == 64
        assert one.entry.question
        assert one.entry.answer
        assert "\n" not in one.entry.question + one.entry.answer
        assert one.title in Page(drawn(one, name)).text.replace("\u202f", " ")


@SLOW
@given(st.data())
@pytest.mark.parametrize("name", ["bounds.json", "compare.json", "info.json", "batch.json"])
def test_a_record_with_a_hostile_value_is_shown_or_told(finished, tmp_path, name, data):
    record = json.loads((finished / name).read_text())
    way = data.draw(st.sampled_from(list(places(record))))
    new = data.draw(JSON)
    found = seen(tmp_path / "r.json", json.dumps(changed(record, way, new)).encode())
    page = Page(drawn(found, "r.json"))
    assert not page.named("script")
    assert "mistake in secateur" not in page.text
    assert found.entry.state is not State.UNREADABLE or "r.json" in found.entry.answer


def test_a_record_that_no_report_is_made_of_is_shown_in_short(record, tmp_path):
    record |= {"schema": "secateur.fetch/1", "folder": SCRIPT, "exit": 20}
    found = seen(tmp_path / "r.json", json.dumps(record).encode())
    assert (found.entry.verb, found.entry.state) == ("fetch", State.UNKNOWN)
    page = Page(drawn(found, "r.json"))
    assert "What the record says outside its lists" in page.text
    assert not page.named("script")


@SLOW
@given(st.data())
def test_outcomes_with_a_hostile_value_are_shown_or_told(finished, tmp_path, data):
    line = (finished / "batch" / "outcomes.jsonl").read_bytes().strip()
    outcome = json.loads(line)
    way = data.draw(st.sampled_from(list(places(outcome))))
    bad = json.dumps(changed(outcome, way, data.draw(JSON))).encode()
    found = seen(tmp_path / "outcomes.jsonl", line + b"\n" + bad + b"\n" + line[:40])
    page = Page(drawn(found, "rows"))
    assert found.entry.verb == "rows"
    assert not page.named("script")
    assert "no outcome; the first: " in page.text
    assert "mistake in secateur" not in page.text


@SLOW
@given(st.data())
def test_bytes_of_any_kind_are_told(tmp_path, data):
    name = data.draw(st.sampled_from(["r.json", "outcomes.jsonl", "p.proof"]))
    found = seen(tmp_path / name, data.draw(st.binary(max_size=60)))
    assert found.entry.state is State.UNREADABLE or name == "outcomes.jsonl"
    assert "mistake in secateur" not in Page(drawn(found, name)).text


@SLOW
@given(st.data())
def test_a_proof_with_other_bytes_is_told(tmp_path, data):
    whole = bytearray(write_proof(made("within", 4).proof))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    found = seen(tmp_path / "p.proof", bytes(whole))
    assert found.entry.state is State.UNREADABLE
    assert "p.proof" in found.entry.answer


def test_phases_and_multipliers_of_a_proof_are_counted(tmp_path):
    some = (made(kind, seed).proof for seed in range(40) for kind in PHASED[1:])
    proof = next(one for one in some if one.lemmas[0].duals.entry.size)
    (lemma,) = proof.lemmas
    text = Page(drawn(seen(tmp_path / "p.proof", write_proof(proof)), "p.proof")).text
    fixed = lemma.tree.axis[lemma.tree.axis >= len(lemma.lower)] - len(lemma.lower)
    if fixed.size:
        assert f"neuron {np.bincount(fixed).argmax()}" in text
    assert "phases fixed" in text
    assert f" {lemma.tree.node.size} {lemma.duals.entry.size} {len(lemma.forms)} " in text


@pytest.mark.parametrize("kind", KINDS + PHASED)
def test_a_proof_is_shown_with_what_it_says_and_no_verdict(tmp_path, kind):
    proof = made(kind, 4).proof
    found = seen(tmp_path / "p.proof", write_proof(proof))
    text = Page(drawn(found, "p.proof")).text
    assert "secateur check" in text
    assert "not checked here" in text
    assert proof.files[0].digest in text
    assert found.entry.sha256 in text
    for word in ("Proved", "proved:", "is proved"):
        assert word not in text


def test_a_proof_that_contradicts_itself_is_told(tmp_path):
    proof = made("within", 4).proof
    lemma = proof.lemmas[0]
    wrong = {
        "file": replace(lemma, subjects=(Subject(7, (0, 1)), *lemma.subjects[1:])),
        "upper": replace(lemma, upper=lemma.upper[:1]),
        "inputs": replace(lemma, lower=(), upper=()),
        "forms": replace(lemma, forms=()),
    }
    for name, one in wrong.items():
        found = seen(tmp_path / f"{name}.proof", write_proof(replace(proof, lemmas=(one,))))
        assert found.entry.state is State.UNREADABLE, name
        assert "ask whoever made it for another proof" in found.entry.answer, name
        assert "mistake in secateur" not in found.entry.answer
    empty = seen(tmp_path / "empty.proof", write_proof(replace(proof, lemmas=())))
    assert "says nothing at all" in empty.entry.answer


def test_names_in_a_proof_are_escaped(tmp_path):
    proof = made("within", 4).proof
    files = tuple(replace(file, name=SCRIPT) for file in proof.files)
    found = seen(
        tmp_path / "p.proof", write_proof(replace(proof, files=files, said={SCRIPT: [SCRIPT]}))
    )
    page = Page(drawn(found, "p.proof"))
    assert found.entry.state is State.UNCHECKED
    assert not page.named("script")
    assert page.text.isprintable()


def test_a_proof_of_many_lemmas_is_cut_and_one_too_large_refused(tmp_path, monkeypatch):
    proof = made("within", 4).proof
    many = write_proof(replace(proof, lemmas=proof.lemmas * 300))
    text = Page(drawn(seen(tmp_path / "m.proof", many), "m")).text
    assert "20 of 300 lemmas are shown" in text
    assert "200 of 300 are listed" in text
    for name in ("MARKS", "RAW"):
        with monkeypatch.context() as patch:
            patch.setattr(f"secateur.browse.proof.{name}", 3)
            said = seen(tmp_path / "m.proof", many).entry.answer
        assert "too large to be shown here" in said


def test_files_too_large_or_gone_are_told(finished, tmp_path, monkeypatch):
    monkeypatch.setattr("secateur.browse.view.LARGEST", 100)
    for item in find(roots([finished])).items:
        assert "are not shown here" in view(item).entry.answer
    gone = replace(item, path=tmp_path / "none", kind=Kind.RUN)
    assert "put the file back" in view(gone).entry.answer


def test_what_nobody_thought_of_is_told_and_not_raised(finished, monkeypatch):
    def fail(*_):
        raise RecursionError("too deep")

    monkeypatch.setattr("secateur.browse.view.parsed", fail)
    found = {item.kind: view(item) for item in find(roots([finished])).items}
    assert found[Kind.RUN].entry.state is State.UNREADABLE
    assert "mistake in secateur" in found[Kind.RUN].entry.answer
    assert found[Kind.PROOF].entry.state is State.UNCHECKED
