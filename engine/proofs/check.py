"""Checking a proof: the files are those that it speaks of, and its evidence proves what it says.

Nothing that the proof says of itself is believed, and nothing that anyone else has computed. What
is proved holds in real arithmetic, for the numbers that stand in the files.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .cover import check_cover
from .form import Claim, Cover, File, Lemma, Limits, Proof, Query, Within
from .judge import ProofError, judge
from .model import FormatError, Model
from .read import read_model
from .simplified import judge_simplified
from .speech import proof_words
from .store import read_proof
from .words import shown

Index = NDArray[np.int64]

MEMORY: Final = 4 * 2**30
"""Bytes that the boxes of a tree, or the rows of its forms, may take at most; entries a quarter."""

WORK: Final = 2_000_000_000
"""Nodes times groups of 64 cases at most."""

FILES: Final = 1_000
"""Files that a proof speaks of at most."""


class LateError(ProofError):
    """The time ended before everything was checked; nothing is known of the rest."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("ran out of time before everything was checked")


@dataclass(frozen=True, slots=True)
class Checked:
    """What a proof proves.

    Attributes:
        proof: as it was read.
        sentences: what is proved, in words.
        files: that it was proved of.
        nodes: of all trees.
        entries: combinations of inequalities that were bounded.
        exact: whether that was done in rational numbers throughout.
        seconds: wall time.
    """

    proof: Proof
    sentences: tuple[str, ...]
    files: tuple[File, ...]
    nodes: int
    entries: int
    exact: bool
    seconds: float


def check(
    data: bytes,
    open_file: Callable[[int, File], bytes],
    exact: bool = False,
    deadline: float | None = None,
) -> Checked:
    """Return what a proof proves.

    Args:
        data: the proof.
        open_file: gives the bytes of a file, from its index and what the proof says of it. The
            file's name is what some prover called it: it is the caller's business which file of
            this machine that is.
        exact: compute bounds in rational numbers.
        deadline: wall time, seconds; None for as long as it takes.

    Raises:
        FormatError: it is no proof, a file is none that can be read, or the proof speaks of what
            is not there.
        ProofError: a file is another one, or the evidence is not enough.
        LateError: the time ended.
    """
    begun = time.monotonic()
    proof = read_proof(data)
    left = None if deadline is None else deadline - (time.monotonic() - begun)
    return check_proof(proof, open_file, exact, left)


def check_proof(
    proof: Proof,
    open_file: Callable[[int, File], bytes],
    exact: bool = False,
    deadline: float | None = None,
) -> Checked:
    """Return what a proof proves that `store.read_proof` gave; see `check`."""
    begun = time.monotonic()

    def watch() -> None:
        if deadline is not None and time.monotonic() - begun > deadline:
            raise LateError

    try:
        models = _models(proof, open_file, watch)
        for at, lemma in enumerate(proof.lemmas):
            watch()
            _judged(at, lemma, models, exact, watch)
        if proof.simplified is not None:
            watch()
            judge_simplified(proof, models, watch)
        if proof.cover is not None:
            watch()
            _covered(proof.cover, models)
    except MemoryError:
        raise ProofError("more memory is needed to check this than there is") from None
    return Checked(
        proof,
        proof_words(proof),
        proof.files,
        sum(lemma.tree.axis.size for lemma in proof.lemmas),
        sum(lemma.tree.node.size for lemma in proof.lemmas),
        exact,
        time.monotonic() - begun,
    )


def _models(
    proof: Proof, open_file: Callable[[int, File], bytes], watch: Callable[[], None]
) -> list[Model]:
    """Return the networks, each from a file whose bytes are those that the proof speaks of."""
    if not proof.files or not (proof.lemmas or proof.simplified or proof.cover):
        raise FormatError("the proof speaks of no file, or says nothing")
    if len(proof.files) > FILES:
        raise FormatError(f"the proof speaks of more than {FILES} files")
    models = []
    for at, file in enumerate(proof.files):
        watch()
        found = open_file(at, file)
        digest = hashlib.sha256(found).hexdigest()
        if len(found) != file.size or digest != file.digest:
            raise ProofError(
                f"network {shown(file.name)} is another file than the one that was proved of: "
                f"{len(found)} bytes with SHA-256 {digest}, not {file.size} with {file.digest}"
            )
        models.append(read_model(found, file.name))
    return models


def _covered(cover: Cover, models: Sequence[Model]) -> None:
    if cover.axis.size * 2 * len(cover.lower) * 8 > MEMORY:
        raise FormatError(
            f"it would take more than {MEMORY >> 30} GiB of memory to check the cover"
        )
    if models[0].sizes[0] != len(cover.lower):
        raise FormatError(
            f"the cover has {len(cover.lower)} inputs, the network {models[0].sizes[0]}"
        )
    check_cover(cover)


def _judged(
    at: int, lemma: Lemma, models: Sequence[Model], exact: bool, watch: Callable[[], None]
) -> None:
    try:
        check_lemma(lemma, models)
        judge(lemma, models, exact=exact, watch=watch)
    except LateError:
        raise
    except (FormatError, ProofError) as error:
        raise type(error)(f"lemma {at}: {error}") from None


def check_lemma(lemma: Lemma, models: Sequence[Model]) -> None:
    """Raise FormatError where a lemma says nothing, or asks for too much memory or time."""
    for subject in lemma.subjects:
        if not 0 <= subject.file < len(models):
            raise FormatError(f"network of file {subject.file}: there are {len(models)} files")
    used = [models[subject.file] for subject in lemma.subjects]
    cases = _cases(lemma.claim, used)
    if cases == 0:
        raise FormatError("it says nothing")
    nodes, forms = lemma.tree.axis.size, len(lemma.forms)
    widest = max((max(model.sizes) for model in used), default=1)
    entries = _most_at_once(lemma.tree.node)
    for need, most in (
        (nodes * 2 * len(lemma.lower), MEMORY),
        (forms * widest, MEMORY),
        (entries * widest, MEMORY // 4),
    ):
        if need * 8 > most:
            raise FormatError(f"it would take more than {most >> 30} GiB of memory to check it")
    if nodes * (cases // 64 + 1) > WORK:
        raise FormatError(f"{nodes} nodes with {cases} cases are more than can be checked")


def _most_at_once(node: Index) -> int:
    """Return how many entries one node has at most."""
    ordered = np.sort(node)
    first = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))
    return int(np.diff(first, append=ordered.size).max(initial=0))


def _cases(claim: Claim, models: Sequence[Model]) -> int:
    """Return how many cases a claim has.

    Raises:
        FormatError: it compares networks that are not there, or have other outputs.
    """
    if isinstance(claim, Query):
        return len(claim.negation.cases)
    if isinstance(claim, Limits):
        return sum((least is not None) + (most is not None) for _, least, most in claim.limits)
    if len(models) < 2:
        raise FormatError("it compares two networks, and names fewer")
    counts = {model.sizes[model.output] for model in models[:2]}
    if isinstance(claim, Within):
        for index in claim.outputs:  # where networks are one, no row looks at them
            if not 0 <= index < min(counts):
                raise FormatError(f"it speaks of output {index}; there are {min(counts)}")
        return 2 * len(claim.outputs)
    if counts != {claim.outputs}:
        raise FormatError(
            f"it speaks of {claim.outputs} outputs; the networks have {sorted(counts)}"
        )
    return claim.outputs * (claim.outputs - 1)
