"""What a forger does to a proof is refused, or what it then says is true all the same."""

from collections import Counter
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from forgeries import EVIDENCE, FORGERIES, bolder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from proved import KINDS, PHASED, sharp
from truth import true

from secateur.engine.proofs.check import check
from secateur.engine.proofs.evidence import Tree
from secateur.engine.proofs.judge import ProofError
from secateur.engine.proofs.model import FormatError
from secateur.engine.proofs.record import record
from secateur.engine.proofs.store import read_proof, write_proof

SEEDS = 3
EACH = 6
ALL = (*KINDS, *PHASED)
GIVEN = [
    *((kind, seed, EACH) for kind in KINDS for seed in range(SEEDS)),
    *((kind, 0, EACH // 2) for kind in PHASED),
]
"""Kinds of proofs, seeds, and how often each forgery is made."""

known = {}
counts = Counter()


def statement(proof):
    """Return what a proof says, without its evidence."""
    lemmas = [(one.subjects, one.lower, one.upper, repr(one.claim)) for one in proof.lemmas]
    return repr((proof.files, lemmas))


def holds(given_, proof):
    """Return whether all that a proof says is true; the same question is asked once."""
    key = statement(proof)
    if key not in known:
        models = given_.models(proof)
        known[key] = all(true(lemma, models) for lemma in proof.lemmas)
    return known[key]


def outcome(given_, data):
    """Return refused, true or false, whichever the bytes end in."""
    try:
        checked = check(data, given_.open_file)
    except (FormatError, ProofError) as error:
        line = str(error)
        assert line
        assert line.isprintable(), line
        return "refused"
    return "true" if holds(given_, checked.proof) else "false"


def forged(rng, given_, name, proof):
    """Return the bytes of a forgery with its right digest; None where they have no room for it."""
    try:
        return write_proof({**FORGERIES, **EVIDENCE}[name](rng, given_, proof))
    except FormatError:
        return None


@pytest.mark.parametrize("kind", ALL)
def test_proofs_are_accepted_and_true(kind):
    for given_ in sharp(kind, SEEDS):
        assert outcome(given_, write_proof(given_.proof)) == "true"


@pytest.mark.parametrize(("kind", "seed", "each"), GIVEN)
def test_forgeries_are_refused_or_true(kind, seed, each):
    given_ = sharp(kind, SEEDS)[seed]
    ends = Counter()
    for number, name in enumerate(FORGERIES):
        for turn in range(each):
            rng = np.random.default_rng([seed, number, turn])
            data = forged(rng, given_, name, given_.proof)
            end = "refused" if data is None else outcome(given_, data)
            ends[end] += 1
            counts[name, end] += 1
            assert end != "false", (kind, seed, name, turn)
    print(f"\n{kind} {seed}: {ends.total()} tried, {dict(ends)}")
    assert ends["refused"] > ends["true"] / 2


def test_every_forgery_was_tried():
    """Print what became of the forgeries above."""
    for name in FORGERIES:
        refused, true_ = counts[name, "refused"], counts[name, "true"]
        print(f"\n{name}: {refused} refused, {true_} still true", end="")
    whole = Counter()
    for (_, end), count in counts.items():
        whole[end] += count
    print(f"\nin all: {whole.total()} tried, {dict(whole)}")
    assert whole["false"] == 0


@pytest.mark.parametrize(("kind", "seed", "each"), GIVEN)
def test_no_evidence_proves_what_is_false(kind, seed, each):
    given_ = sharp(kind, SEEDS)[seed]
    (lemma,) = given_.proof.lemmas
    for part in (1, 2, 4, 8, 16, 32, 64):
        claim = bolder(lemma.claim, Fraction(part, 64))
        proof = replace(given_.proof, lemmas=(replace(lemma, claim=claim),))
        if not holds(given_, proof):
            break
    else:
        raise AssertionError("every bolder claim is true")
    for number, name in enumerate(EVIDENCE):
        for turn in range(each):
            rng = np.random.default_rng([seed, number, turn])
            data = forged(rng, given_, name, proof)
            end = "refused" if data is None else outcome(given_, data)
            assert end == "refused", (kind, seed, name, turn)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(ALL),
    seed=st.integers(0, SEEDS - 1),
    names=st.lists(st.sampled_from(sorted(FORGERIES)), min_size=1, max_size=4),
    luck=st.integers(0, 2**32 - 1),
)
def test_forgeries_of_forgeries_are_refused_or_true(kind, seed, names, luck):
    given_ = sharp(kind, SEEDS)[seed]
    rng, proof = np.random.default_rng(luck), given_.proof
    for name in names:
        data = forged(rng, given_, name, proof)
        if data is None:
            return
        try:
            proof = read_proof(data)
        except FormatError:
            return
    assert outcome(given_, write_proof(proof)) != "false"


@pytest.mark.parametrize("kind", KINDS)
def test_every_changed_byte_is_refused(kind):
    given_ = sharp(kind, SEEDS)[0]
    data = write_proof(given_.proof)
    rng = np.random.default_rng(0)
    for at in rng.permutation(len(data))[:300]:
        changed = bytearray(data)
        changed[at] ^= 1 << int(rng.integers(8))
        assert outcome(given_, bytes(changed)) == "refused"
    for size in range(0, len(data), 7):
        assert outcome(given_, data[:size]) == "refused"
    assert outcome(given_, data + b"\0") == "refused"


def test_a_sharper_tolerance_than_is_true_is_never_proved():
    given_ = sharp("within", SEEDS)[1]
    (lemma,) = given_.proof.lemmas
    ends = Counter()
    for part in range(0, 100, 5):
        claim = replace(lemma.claim, tolerance=lemma.claim.tolerance * Fraction(part, 100))
        proof = replace(given_.proof, lemmas=(replace(lemma, claim=claim),))
        ends[outcome(given_, write_proof(proof))] += 1
    assert ends["false"] == 0
    assert ends["refused"] > 0


def test_a_changed_network_is_refused_whatever_the_proof_says():
    given_ = sharp("within", SEEDS)[0]
    data = write_proof(given_.proof)

    def open_file(at, file):
        changed = bytearray(given_.files[file.digest])
        changed[len(changed) // 2] ^= 1
        return bytes(changed)

    with pytest.raises(ProofError, match='network "f" is another file'):
        check(data, open_file)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_recorder_cannot_prove_a_tolerance_just_below_the_truth(seed):
    given_ = sharp("within", SEEDS)[seed]
    (lemma,) = given_.proof.lemmas
    models = given_.models(given_.proof)

    def claimed(tolerance):
        return replace(lemma, claim=replace(lemma.claim, tolerance=tolerance))

    false, true_ = Fraction(0), lemma.claim.tolerance
    for _ in range(14):
        middle = (false + true_) / 2
        if true(claimed(middle), models):
            true_ = middle
        else:
            false = middle
    for tolerance in (false, false - Fraction(1, 10**4)):
        found, _ = record(claimed(tolerance), models, 1.0, 400)
        assert found is None
        forged_ = replace(given_.proof, lemmas=(claimed(tolerance),))
        assert outcome(given_, write_proof(forged_)) == "refused"


def test_weights_below_0_are_refused():
    given_ = sharp("query", 1)[0]
    (lemma,) = given_.proof.lemmas
    claim = bolder(lemma.claim, Fraction(8))  # every row is below 0 everywhere, and -row above it
    forms = tuple(replace(form, weights=(-1,) * len(form.weights)) for form in lemma.forms)
    none = np.zeros(len(forms), np.int64)
    tree = Tree(np.array([-1]), np.zeros(1), none, np.arange(len(forms)))
    proof = replace(given_.proof, lemmas=(replace(lemma, claim=claim, forms=forms, tree=tree),))
    assert not holds(given_, proof)
    with pytest.raises(FormatError, match="weights of at least 0"):
        check(write_proof(proof), given_.open_file)
