"""Plans become proofs that the checker accepts; and a proof says no more than is true."""

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from secateur.engine.agreement import Best
from secateur.engine.errors import UnsupportedError
from secateur.engine.formats import load, save
from secateur.engine.network import Network
from secateur.engine.proofs.check import check
from secateur.engine.proofs.form import Line, SameBest, Within
from secateur.engine.proofs.judge import ProofError
from secateur.engine.proofs.model import FormatError
from secateur.engine.proofs.simplified import judge_simplified
from secateur.engine.proofs.store import read_proof, write_proof
from secateur.engine.region import Region
from secateur.redundancy import guarantee as kept
from secateur.redundancy.aim import Aim
from secateur.redundancy.certify import certify
from secateur.redundancy.phase import Effort
from secateur.redundancy.plan import simplify

EFFORT = Effort(seconds=20.0, samples=500, starts=8, climbs=10, boxes=2000, programs=20, workers=1)
REGION = Region.box([-0.5, -0.25], [0.5, 0.5])

GUARANTEES = {
    "equal": kept.Outputs(),
    "within 0.01": kept.Outputs(Fraction("0.01")),
    "within 0.5": kept.Outputs(Fraction("0.5")),
    "argmin": kept.SameBest(Best.MIN),
    "argmax beyond 0.1": kept.SameBest(Best.MAX, Fraction("0.1")),
}


def drawn(seed, sizes=(2, 6, 5, 3)):
    """Return a random network whose numbers are those of float32."""
    rng = np.random.default_rng(seed)
    shapes = list(itertools.pairwise(sizes))
    weights = [(rng.normal(size=(b, a)) / np.sqrt(a)).astype(np.float32) for a, b in shapes]
    biases = [(0.4 * rng.normal(size=b)).astype(np.float32) for b in sizes[1:]]
    return Network.dense(weights, biases)


def planned(tmp_path, seed, guarantee, **more):
    """Return a plan of a file, and what was written of it."""
    save(drawn(seed), tmp_path / "net.onnx")
    plan = simplify(load(tmp_path / "net.onnx"), REGION, EFFORT, aim=Aim(guarantee, **more))
    save(plan.network, tmp_path / "small.onnx")
    return plan, load(tmp_path / "small.onnx")


def opened(tmp_path):
    return lambda at, file: (tmp_path / ("net.onnx", "small.onnx")[at]).read_bytes()


def certified(tmp_path, seed, guarantee):
    plan, written = planned(tmp_path, seed, guarantee)
    found = certify(plan, written, 30.0, np.random.default_rng(0))
    assert found.reason == ""
    return plan, found.proof


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", GUARANTEES)
def test_the_checker_accepts_what_is_certified(tmp_path, seed, name):
    guarantee = GUARANTEES[name]
    plan, proof = certified(tmp_path, seed, guarantee)
    data = write_proof(proof)
    checked = check(data, opened(tmp_path))
    assert checked.sentences
    claim = read_proof(data).simplified.claim
    match guarantee:
        case kept.Outputs(tolerance=tolerance):
            assert isinstance(claim, Within)
            assert claim.tolerance <= max(tolerance, Fraction(plan.fold.distance))
            assert claim.outputs == (0, 1, 2)
        case kept.SameBest(best=best, band=band):
            assert isinstance(claim, SameBest)
            assert (claim.sign, claim.band) == (1 if best is Best.MAX else -1, band)
            assert claim.outputs == 3
    if plan.removals:
        assert proof.simplified.joint is not None


def test_another_file_is_refused(tmp_path):
    _, proof = certified(tmp_path, 0, GUARANTEES["within 0.5"])
    save(drawn(1), tmp_path / "small.onnx")
    with pytest.raises(ProofError, match="another file"):
        check(write_proof(proof), opened(tmp_path))


def altered(proof):
    """Yield names and proofs that say more than is shown."""
    one = proof.simplified
    said = [
        (
            "a smaller tolerance",
            replace(one, claim=replace(one.claim, tolerance=Fraction(1, 10**9))),
        ),
        ("no phases", replace(one, phases=())),
        ("no signs", replace(one, signs=())),
        ("no joint lemma", replace(one, joint=None)),
        ("a wider box", replace(one, upper=tuple(value + 1 for value in one.upper))),
        ("fewer lines", replace(one, lines=one.lines[1:])),
        ("no lines", replace(one, lines=())),
        ("a lemma that is not there", replace(one, joint=99)),
        ("a lemma of another kind", replace(one, phases=(one.joint,))),
        ("a line that is none", replace(one, lines=(*one.lines, Line("nowhere", 0, 0.0, 0.0)))),
        ("lines of the other file", replace(one, lines_after=one.lines)),
        ("a negative distance", replace(one, distance=Fraction(-1))),
        ("half a joint lemma", replace(one, joint=one.phases[0] if one.phases else 5)),
    ]
    for at, line in enumerate(one.lines):
        other = replace(line, slope=1.0 - line.slope, intercept=line.intercept + 0.25)
        lines = (*one.lines[:at], other, *one.lines[at + 1 :])
        said.append((f"line {at}", replace(one, lines=lines)))
    for name, two in said:
        yield name, replace(proof, simplified=two)


@pytest.mark.parametrize("seed", range(3))
def test_what_does_not_follow_is_refused(tmp_path, seed):
    plan, proof = certified(tmp_path, seed, GUARANTEES["within 0.5"])
    assert plan.removals
    from secateur.engine.proofs.read import read_model

    models = [
        read_model((tmp_path / name).read_bytes(), name) for name in ("net.onnx", "small.onnx")
    ]
    judge_simplified(proof, models)
    for name, other in altered(proof):
        same = name == "no signs" and not proof.simplified.signs
        same |= name == "no phases" and not proof.simplified.phases
        same |= name == "lines of the other file" and other == proof
        if same:
            continue
        try:
            judge_simplified(other, models)
        except (ProofError, FormatError, ValueError):
            continue
        pytest.fail(f"{name} was accepted")


def test_hidden_values_have_no_proof_yet(tmp_path):
    plan, written = planned(tmp_path, 0, GUARANTEES["within 0.5"], until="1")
    with pytest.raises(UnsupportedError, match="hidden layers"):
        certify(plan, written, 5.0, np.random.default_rng(0))


def test_a_network_without_a_file_has_no_proof(tmp_path):
    plan = simplify(drawn(0), REGION, EFFORT)
    with pytest.raises(UnsupportedError, match="is no file"):
        certify(plan, drawn(0), 5.0, np.random.default_rng(0))


def test_without_time_the_reason_is_said(tmp_path):
    plan, written = planned(tmp_path, 0, GUARANTEES["within 0.01"])
    found = certify(plan, written, 0.0, np.random.default_rng(0))
    assert found.proof is None or found.reason == ""
    if found.proof is None:
        assert "in time" in found.reason
