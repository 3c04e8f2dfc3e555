"""What the record of every verb says: how it was made, with which files, and how to check it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from .read import Part, Run
from .tree import Code, Facts, Section, Source, Table, Text
from .wording import DASH, clean, cut, downward, name_of, plain, plural, seconds, short, upward

INPUTS = 64
"""Inputs of a region that a table lists; the record has all."""

NAME = 80
"""Letters of a region's name."""

LONG = 400
"""Letters of it in the caption of its limits."""

FILES = (".vnnlib", ".json", ".csv")
"""Endings of files with regions."""

BRIEF = 20
"""Letters of an exact number up to which it is shown."""

ENDS = {
    0: "done or proved",
    2: "an error",
    10: "refuted",
    20: "not decided, or not all done",
}
"""What exit codes mean."""

REAL = (
    "Weights are the exact numbers in the files, inputs are all real points of the closed region, "
    "arithmetic is that of the real numbers: nothing rounds."
)
"""What real semantics mean."""

BOUNDS = (
    "Bounds are computed in float64 with every rounding error charged outward; those from linear "
    "programs are rebuilt from the solver's dual values, so no solver is trusted."
)
"""How every proof comes about."""

REPLAYED = "evaluated again in exact rational arithmetic"

METHODS = {
    "sample": "points that were tried",
    "interval": "interval bounds",
    "linear": "linear bounds",
    "rational": "rational arithmetic",
    "optimised": "linear bounds with optimised slopes",
    "attack": "a search for points by gradients",
    "split": "bounds on sub-boxes that cover the region",
    "lp": "linear programs",
    "milp": "mixed-integer programs whose every answer was proved again",
}
"""The methods in words."""


DIGEST = re.compile(r"[0-9a-f]{64}")
"""SHA-256 as records spell it."""

CHECKED = (
    "A certificate stands beside the answer. A checker judges it that shares no code with the "
    "engine that found the answer; it speaks of real arithmetic:"
)
"""What is said of certificates."""

CHECKS = 100
"""Certificates that are named; the record has all."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a record says of a certificate.

    Attributes:
        path: of its file; None where none was written.
        sha256: of the file; None where the record has none.
        reason: why none was written; empty where one was.
    """

    path: str | None
    sha256: str | None
    reason: str


def method(word: str | None) -> str:
    """Return a method in words."""
    return "" if word is None else METHODS.get(word, word)


def source_of(run: Run) -> Source:
    """Return what a chapter names as its record."""
    return Source(run.path, run.sha256, run.schema)


def subtitle(run: Run, more: str = "") -> str:
    """Return a line with the version, the date and the time spent."""
    made = run.part.words("made").replace("T", " ").replace("+00:00", " UTC")
    version = run.part.part("versions").words("secateur")
    spent = f"{seconds(run.part.number('seconds'))} s of work"
    return ", ".join(filter(None, (f"secateur {version}", made, more, spent)))


def trusted(run: Run, *more: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    """Return what every answer rests on, and what this one rests on beside."""
    points = [
        (
            "The program.",
            "The answer is that of this version of secateur, running on IEEE 754 arithmetic, and "
            "on the reading of the files; every import is compared with the file's own runtime on "
            "64 points.",
        ),
        *more,
    ]
    return (*points, *recorded(run))


def recorded(run: Run) -> tuple[tuple[str, str], ...]:
    """Return that a report rests on its record, where that is a file."""
    if not run.path:
        return ()
    return (
        (
            "The record.",
            "This report repeats what its record says. It loads no network and proves nothing "
            "again, so it is worth as much as the record, whose digest stands below.",
        ),
    )


def again(
    run: Run, files: Sequence[tuple[str, str | None]], proofs: Sequence[Certificate] | None = ()
) -> tuple[Section, ...]:
    """Return how to check a run again, and its versions and seed.

    Args:
        run: the record.
        files: path and digest of what was read or written; None where the record has none.
        proofs: what the record says of certificates; None where it is of no verb that writes any.
    """
    part = run.part
    how = (
        "Run the same command on the same files; sha256sum FILE prints a digest to compare. The "
        "same seed visits the same points. What is decided before the time is spent can differ "
        "from machine to machine; what is proved cannot be wrong on any of them."
    )
    steps: list[Text | Code | Table] = [Text(how), Code(part.line("command"))]
    stored = [(proof.path, proof.sha256) for proof in proofs or () if proof.path is not None]
    if stored:
        steps.append(Text(CHECKED))
        steps += [Code(f"secateur check {shlex.quote(path)}") for path, _ in stored[:CHECKS]]
        if len(stored) > CHECKS:
            said = f"{CHECKS} of {len(stored)} certificates are named here; the record has all."
            steps.append(Text(said))
    reasons = dict.fromkeys(proof.reason for proof in proofs or () if proof.path is None)
    steps += [Text(f"A certificate that was asked for was not written: {why}.") for why in reasons]
    if proofs is not None and not proofs:
        steps.append(Text("The record names no certificate: to check is to run it again."))
    known = dict.fromkeys([*files, *stored[:CHECKS]])
    rows = [(path, digest or DASH) for path, digest in known]
    if run.path:
        rows.append((f"{run.path} (this record)", run.sha256))
    if rows:
        columns, caption = ("file", "SHA-256"), "Files and their digests"
        steps.append(Table(caption, columns, tuple(rows), words=(1,), mono=(0, 1)))
    versions = part.part("versions")
    code = part.count("exit")
    limit = part.maybe("timeout", part.number)
    facts = (
        ("schema", run.schema),
        ("made", part.words("made")),
        ("versions", ", ".join(f"{clean(n)} {versions.words(n)}" for n in versions.value)),
        ("seed", str(part.count("seed"))),
        ("device", part.words("device")),
        ("time limit", "none" if limit is None else f"{short(limit)} s"),
        ("time spent", f"{seconds(part.number('seconds'))} s"),
        ("exit code", f"{code}, {_ended(run, code)}"),
    )
    return (
        Section("How to check it again", tuple(steps)),
        Section("Versions and seed", (Facts(facts),)),
    )


def _ended(run: Run, code: int) -> str:
    if run.verb == "check" and code == 10:
        return "not proved"
    return ENDS.get(code, "unknown to this report")


def proofs_in(*parts: Part) -> list[Certificate]:
    """Return the certificates that parts of a record speak of; none where they speak of none."""
    return [_certificate(part) for part in parts if part.has("proof_file")]


def proofs_named(run: Run) -> tuple[str, ...]:
    """Return the digests of the proofs that a record names, each once; of `check` the one judged.

    What is no digest is passed over: a record without any names no proof.
    """
    found: dict[str, None] = {}
    left: list[object] = [run.part.value]
    while left:
        one = left.pop()
        if not isinstance(one, dict):
            continue
        for key in ("proof_file", *(("proof",) if run.verb == "check" else ())):
            inner = one.get(key)
            digest = inner.get("sha256") if isinstance(inner, dict) else None
            if isinstance(digest, str) and DIGEST.fullmatch(digest):
                found[digest] = None
        for key in ("controllers", "cuts"):
            several = one.get(key)
            left += reversed(several) if isinstance(several, list) else []
    return tuple(found)


def _certificate(part: Part) -> Certificate:
    if isinstance(part.value["proof_file"], str):
        return Certificate(part.words("proof_file"), None, "")
    one = part.part("proof_file")
    reason = one.words("reason") if one.has("reason") else "the record does not say why"
    if not one.has("path"):
        return Certificate(None, None, reason)
    return Certificate(one.words("path"), one.words("sha256") if one.has("sha256") else None, "")


def network_facts(network: Part, name: str = "") -> str:
    """Return how large a network is, in a line."""
    sizes = (
        plural(network.count("neurons"), "ReLU neuron"),
        plural(network.count("parameters"), "parameter"),
        plural(network.count("multiply_adds"), "multiply-add"),
    )
    return f"{name}{', '.join(sizes)}, computes in {network.words('dtype')}."


def region_name(region: Part) -> str:
    """Return the name of a region, in short where it is a path or a box as it was typed."""
    name = region.words("name")
    return cut(name_of(name) if name.endswith(FILES) else name, NAME)


def region_table(region: Part, inputs: Sequence[str] = ()) -> Table | Text:
    """Return the limits of a region, input by input.

    Args:
        region: as a record holds it.
        inputs: names of the inputs; empty where nobody has said.
    """
    lower, upper = region.limits("lower"), region.limits("upper")
    exact = region.texts("exact_lower"), region.texts("exact_upper")
    raw: tuple[tuple[float, ...], ...] = ()
    if not region.empty("raw_lower"):
        raw = region.limits("raw_lower"), region.limits("raw_upper")
    sides = [lower, upper, *exact, *raw]
    if len({len(side) for side in sides}) != 1:
        region.wrong("lower", "has another number of limits than the others of this region")
    if len(lower) > INPUTS:
        return Text(f"{region_name(region)}: {len(lower)} inputs, whose limits the record has.")
    columns = ["input", "lower", "upper"]
    rows = [
        [
            inputs[index] if len(inputs) == len(lower) else f"input {index}",
            *(plain(side[index]) for side in (lower, upper)),
        ]
        for index in range(len(lower))
    ]
    brief = all(len(quotient) <= BRIEF for side in exact for quotient in side)
    if brief:
        columns += ["exact lower", "exact upper"]
        rows = [[*row, *(side[i] for side in exact)] for i, row in enumerate(rows)]
    if raw:
        columns += ["lower, raw", "upper, raw"]
        low, high = raw
        rows = [[*row, downward(low[i], 9), upward(high[i], 9)] for i, row in enumerate(rows)]
    caption = (
        f"Closed limits of {cut(region.words('name'), LONG)} in network units, rounded outward"
        + (", and exactly" if brief else "; the record has the exact quotients")
        + (", and in raw units" if raw else "")
    )
    return Table(caption, tuple(columns), tuple(map(tuple, rows)))
