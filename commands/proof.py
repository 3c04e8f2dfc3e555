"""Proofs beside answers: what `--proof FILE` of `verify`, `compare` and `simplify` writes.

An answer stands without a proof: the checker's own bounds must show again what the engine showed,
and where they do not in time, that is said and nothing is written.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..engine.errors import UnsupportedError
from ..engine.formats import load
from ..engine.formats.bind import Files, bind
from ..engine.formats.files import replace_with
from ..engine.proofs.asked import all_twins, lemmas_of, read_files
from ..engine.proofs.evidence import EMPTY
from ..engine.proofs.form import Lemma, Proof, SameBest, Subject, Within
from ..engine.proofs.judge import ProofError, judge
from ..engine.proofs.model import FormatError, Model
from ..engine.proofs.negation import best_forms
from ..engine.proofs.record import record
from ..engine.proofs.store import write_proof
from ..engine.question import ask
from ..redundancy.certify import certify
from .comparison import Pair
from .cut import Cut
from .record import Record

PATIENCE = 30.0
"""Seconds for a proof where no limit is given, at least, ..."""

TIMES = 20.0
"""... and so many times what the answer took."""

NOTHING = "no input satisfies what the query says of inputs alone, so there is nothing to prove"
LATE = "the checker's bounds did not show it, or not in time"


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A proof, or why there is none.

    Attributes:
        proof: None where there is none.
        reason: why; empty where there is one.
        seconds: wall time.
    """

    proof: Proof | None
    reason: str
    seconds: float


def patience(answered: float, left: float | None) -> float:
    """Return the seconds that a proof may take.

    Args:
        answered: seconds that the answer took.
        left: of the time limit; None where there is none.
    """
    return max(PATIENCE, TIMES * answered) if left is None else max(left, 0.1)


def proof_of_query(files: Files, seconds: float) -> Made:
    """Return the proof that no input satisfies a query, in real arithmetic."""
    begun = time.monotonic()
    try:
        bound = bind(files)
        question = ask(bound.claim, [model.network for model in bound.models])
        read = read_files([source.network for source in question.sources])
        asked = lemmas_of(question, read)
    except (UnsupportedError, FormatError) as error:
        return Made(None, str(error), time.monotonic() - begun)
    if not asked:
        return Made(None, NOTHING, time.monotonic() - begun)
    said = {"query": files.claim.name}
    return _made(Proof(read.files, tuple(asked), None, said), read.models, begun + seconds, begun)


def proof_of_pair(pair: Pair, claims: Sequence[Within | SameBest], seconds: float) -> Made:
    """Return the proof of claims about two networks over a region."""
    begun = time.monotonic()
    try:
        read = read_files(pair.networks)
        whole = tuple(range(pair.region.size))
        subjects = Subject(0, whole), Subject(1, whole)
        lower, upper = tuple(pair.region.exact_lower), tuple(pair.region.exact_upper)
        twins = all_twins(subjects, read.models)
    except (UnsupportedError, FormatError) as error:
        return Made(None, str(error), time.monotonic() - begun)
    lemmas = tuple(
        Lemma(
            subjects,
            lower,
            upper,
            claim,
            twins,
            tuple(best_forms(claim)) if isinstance(claim, SameBest) else (),
            EMPTY,
        )
        for claim in claims
    )
    return _made(Proof(read.files, lemmas), read.models, begun + seconds, begun)


def proof_of_cut(cut: Cut, seconds: float, seed: int) -> Made:
    """Return the proof that the file that was written may stand for the original's."""
    begun = time.monotonic()
    try:
        rng = np.random.default_rng(seed)
        found = certify(cut.plan, load(cut.target), seconds, rng)
    except (UnsupportedError, FormatError) as error:
        return Made(None, str(error), time.monotonic() - begun)
    return Made(found.proof, found.reason, found.seconds)


def keep(made: Made, target: Path) -> Record:
    """Write a proof, if there is one; return what a record says of it."""
    if made.proof is None:
        return {"path": None, "reason": made.reason, "seconds": made.seconds}
    data = write_proof(made.proof)
    replace_with(target, data)
    return {
        "path": str(target),
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "nodes": sum(lemma.tree.axis.size for lemma in made.proof.lemmas),
        "seconds": made.seconds,
        "reason": None,
    }


def words(kept: Record) -> str:
    """Return in a sentence what became of a proof."""
    if kept["path"] is None:
        return f"No proof was written: {kept['reason']}."
    return (
        f"Proof: {kept['path']}, {kept['bytes']} bytes, made in {kept['seconds']:.1f} s; "
        f"secateur check {kept['path']} checks it."
    )


def _made(proof: Proof, models: Sequence[Model], until: float, begun: float) -> Made:
    """Return a proof with evidence for each of its lemmas."""
    lemmas = []
    for lemma in proof.lemmas:
        try:
            found, _ = record(lemma, models, max(0.1, until - time.monotonic()))
        except FormatError as error:
            return Made(None, str(error), time.monotonic() - begun)
        if found is None:
            return Made(None, LATE, time.monotonic() - begun)
        try:
            judge(found, models)
        except ProofError as error:  # what is written has been checked
            return Made(None, str(error), time.monotonic() - begun)
        lemmas.append(found)
    return Made(replace(proof, lemmas=tuple(lemmas)), "", time.monotonic() - begun)
