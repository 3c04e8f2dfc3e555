"""A forged proof of a simplified network is refused, or what it then says is true all the same."""

import itertools
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from zlib import crc32

import numpy as np
import pytest
from calls import call, recorded
from forgeries import FORGERIES as OF_LEMMAS
from forgeries_planted import PLANTED
from forgeries_simplified import ONE, SAID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simplified_proofs import CASES, simple, sound

from secateur.engine.proofs import algebra, judge, same, simplified
from secateur.engine.proofs.check import check
from secateur.engine.proofs.evidence import EQUAL
from secateur.engine.proofs.form import Match, SameBest, Within
from secateur.engine.proofs.judge import ProofError
from secateur.engine.proofs.model import FormatError
from secateur.engine.proofs.store import read_proof, write_proof

FORGERIES = {
    **{f"lemma: {name}": forgery for name, forgery in OF_LEMMAS.items()},
    **SAID,
    **PLANTED,
}
EACH = {**dict.fromkeys(OF_LEMMAS, 1), **dict.fromkeys(SAID, 4), **dict.fromkeys(PLANTED, 4)}
MANY = {"a neuron less": 16, "other numbers": 8}
cases = pytest.mark.parametrize(
    "case", range(len(CASES)), ids=[" ".join(map(str, c)) for c in CASES]
)
counts = Counter()


def outcome(given_, data, exact=False):
    """Return refused, true or false, whichever the bytes end in."""
    try:
        checked = check(data, given_.open_file, exact)
    except (FormatError, ProofError) as error:
        line = str(error)
        assert line
        assert line.isprintable(), line
        return "refused"
    return "true" if sound(given_, checked.proof) else "false"


def forged(rng, given_, name, proof):
    """Return the bytes of a forgery with its right digest; None where they have no room for it."""
    try:
        return write_proof(FORGERIES[name](rng, given_, proof))
    except FormatError:
        return None


def tried(case, name, turn):
    """Return what a forgery ends in; it is always the same."""
    given_ = simple(case)
    rng = np.random.default_rng([case, crc32(name.encode()), turn])
    data = forged(rng, given_, name, given_.proof)
    return "refused" if data is None else outcome(given_, data)


def turns(name):
    return range(MANY.get(name, EACH[name.removeprefix("lemma: ")]))


@cases
def test_proofs_are_accepted_and_true(case):
    given_ = simple(case)
    for exact in (False, True):
        assert outcome(given_, write_proof(given_.proof), exact) == "true"


def test_the_proofs_have_all_that_can_be_forged():
    proofs = [simple(case).proof for case in range(len(CASES))]
    said = [proof.simplified for proof in proofs]
    assert any(one.signs for one in said)
    assert any(one.matches and one.distance for one in said)
    assert any(one.joint is None for one in said)
    lemmas = [lemma for proof in proofs for lemma in proof.lemmas]
    assert any((lemma.tree.form == EQUAL).any() for lemma in lemmas)
    assert any(isinstance(lemma.claim, SameBest) and lemma.claim.room for lemma in lemmas)


@cases
def test_forgeries_are_refused_or_true(case):
    ends = Counter()
    for name, turn in ((what, turn) for what in FORGERIES for turn in turns(what)):
        end = tried(case, name, turn)
        ends[end] += 1
        counts[name, end] += 1
        assert end != "false", (name, turn)
    print(f"\n{CASES[case]}: {ends.total()} tried, {dict(ends)}")
    assert ends["refused"] > ends["true"]


def test_every_forgery_was_tried():
    """Print what became of the forgeries above."""
    for name in FORGERIES:
        print(f"\n{name}: {counts[name, 'refused']} refused, {counts[name, 'true']} true", end="")
    whole = Counter()
    for (_, end), count in counts.items():
        whole[end] += count
    print(f"\nin all: {whole.total()} tried, {dict(whole)}")
    assert whole["false"] == 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    case=st.integers(0, len(CASES) - 1),
    names=st.lists(st.sampled_from(sorted(FORGERIES)), min_size=2, max_size=4),
    luck=st.integers(0, 2**32 - 1),
)
def test_forgeries_of_forgeries_are_refused_or_true(case, names, luck):
    given_ = simple(case)
    rng, proof = np.random.default_rng(luck), given_.proof
    for name in names:
        data = forged(rng, given_, name, proof)
        if data is None:
            return
        try:
            proof = read_proof(data)
        except FormatError:
            return
        if proof.simplified is None or not proof.lemmas:
            return
    assert outcome(given_, write_proof(proof)) != "false"


def trusting(claim, matches=()):
    """Return a proof of two files of nearly the same numbers that says something, without more."""
    given_ = simple(0)
    one = replace(
        given_.proof.simplified,
        claim=claim,
        phases=(),
        joint=None,
        signs=(),
        lines=(),
        lines_after=(),
        matches=matches,
    )
    files = (given_.proof.files[0],) * 2
    return given_, replace(given_.proof, files=files, lemmas=(), simplified=one)


@pytest.mark.parametrize(
    "claim",
    [
        Within(Fraction(1), (0, 3)),
        Within(Fraction(1), (2**31 - 1,)),
        Within(Fraction(1), ()),
        SameBest(1, Fraction(0), 2),
        SameBest(1, Fraction(0), 128),
    ],
)
def test_outputs_that_are_not_there_are_not_spoken_of(claim):
    given_, proof = trusting(claim)
    with pytest.raises(FormatError, match="other outputs"):
        check(write_proof(proof), given_.open_file)


def test_outputs_that_are_not_there_are_not_spoken_of_where_networks_are_one():
    given_, proof = trusting(Within(Fraction(0), (0,)))
    known = simple(0).proof.lemmas[0]
    subjects = (known.subjects[0],) * 2
    lemma = replace(known, subjects=subjects, claim=Within(Fraction(0), (0, 9)), tree=ONE)
    with pytest.raises(FormatError, match="speaks of output 9"):
        check(write_proof(replace(proof, lemmas=(lemma,))), given_.open_file)


def test_a_distance_beyond_floats_is_refused_in_a_line():
    match = Match("relu1", 0, ("relu1", 0), Fraction(10) ** 400)
    given_, proof = trusting(Within(Fraction(10**6), (0,)), (match,))
    with pytest.raises((FormatError, ProofError), match=r"distance|matched"):
        check(write_proof(proof), given_.open_file)


def test_what_algebra_cannot_compare_is_refused_in_a_line(tmp_path, capsys):
    at = next(at for at in range(len(CASES)) if simple(at).proof.simplified.matches)
    given_ = simple(at)
    proof = replace(given_.proof, simplified=replace(given_.proof.simplified, matches=()))
    with pytest.raises(ProofError):
        check(write_proof(proof), given_.open_file)
    paths = [tmp_path / name for name in ("f.onnx", "g.onnx")]
    for file, path in zip(proof.files, paths, strict=True):
        path.write_bytes(given_.files[file.digest])
    (tmp_path / "p.proof").write_bytes(write_proof(proof))
    words = [word for path in paths for word in ("--network", path)]
    code = call("check", tmp_path / "p.proof", *words, "--json", tmp_path / "c.json")
    assert code == 10
    assert recorded(tmp_path / "c.json")["verdict"] == "not-proved"
    out, err = capsys.readouterr()
    assert out.startswith("Not proved: ")
    assert "Traceback" not in out + err


def first_that_is_whole(proof, one, index):
    return proof.lemmas[index]


def no_radius(walk, value, alike):
    element, ratio, _ = walk.relus.get(alike.place, (0, Fraction(1), None))
    return algebra.Affinity.multiple(element, ratio * abs(alike.scale) or Fraction(1))


def any_claim(lemma, models, system):
    claim = Within(Fraction(0), (0,))
    return same.same_of(replace(lemma, claim=claim), models, system) or same.Same(system, ())


WEAK = {
    "any line is believed": (simplified, "_covered", lambda *_: None, PLANTED),
    "anything follows": (
        simplified,
        "_follows",
        lambda *_: None,
        ("a bolder claim", "another claim"),
    ),
    "any network is as near as can be": (
        simplified,
        "distance_of",
        lambda *_: Fraction(0),
        PLANTED,
    ),
    "any lemma holds on the whole box": (simplified, "_lemma", first_that_is_whole, PLANTED),
    "any two networks are one": (same.Same, "holds", lambda self, b, k, box: box >= 0, PLANTED),
    "networks that are one keep any claim": (judge, "same_of", any_claim, SAID),
    "no bound is looked at": (judge._Walk, "run", lambda self: None, SAID),
    "no part of the box is missing": (
        judge,
        "left_over",
        lambda *_: None,
        ("nothing shown of a bolder claim",),
    ),
    "matched neurons are equal": (algebra._Walk, "_matched", no_radius, PLANTED),
    "outputs are not counted": (simplified, "_fits", lambda *_: None, SAID),
}


@pytest.mark.parametrize("name", WEAK)
def test_a_weaker_checker_accepts_what_is_false(monkeypatch, name):
    module, place, weaker, names = WEAK[name]
    monkeypatch.setattr(module, place, weaker)
    for turn, case, what in itertools.product(range(24), range(len(CASES)), names):
        if tried(case, what, turn) == "false":
            print(f"\n{name}: {what}, case {case}, turn {turn}")
            return
    pytest.fail("no forgery showed it")
