"""`secateur check`: judges a proof and says what it proves, trusting nobody who made it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ..engine.errors import InputError
from ..engine.formats.files import read_bytes
from ..engine.proofs.check import Checked, LateError, check_proof
from ..engine.proofs.form import File, Lemma, Proof
from ..engine.proofs.judge import ProofError
from ..engine.proofs.model import FormatError
from ..engine.proofs.read import LARGEST
from ..engine.proofs.store import read_proof
from ..engine.proofs.store_claim import claim_words
from ..engine.proofs.words import shown
from .check_cells import Judged, check_cells
from .options import Exit, Options
from .record import Record, envelope, write_record
from .targets import check_targets

MOST = 2**32
"""Bytes of a proof at most."""

SEMANTICS = (
    "This holds in real arithmetic, for the numbers that stand in the files; what a runtime "
    "computes in floats differs from that by its rounding."
)
TRUSTED = (
    "Trusted: nothing. Every bound was computed again from the files by the checker, which is "
    "Python, numpy and engine/proofs alone."
)


def check(
    proof: str | Path,
    networks: Sequence[str | Path] = (),
    *,
    exact: bool = False,
    seconds: float | None = None,
    cells: str | Path | None = None,
) -> Checked:
    """Return what a proof proves.

    Args:
        proof: file that `--proof` wrote.
        networks: files that it speaks of, in its order; none for those that it names, beside it.
        exact: whether to compute bounds in rational numbers; slow.
        seconds: wall time; None for as long as it takes.
        cells: folder of the proofs that a cover of cells names, checked too; None for none.

    Raises:
        InputError: a file cannot be read.
        FormatError: it is no proof, or speaks of what is not there.
        ProofError: a file is another one, or the evidence is not enough.
        LateError: the time ended.
    """
    path = Path(proof)
    found = read_proof(read_bytes(path, MOST))
    paths = _paths(path, found, tuple(map(Path, networks)))
    begun = time.monotonic()
    checked = check_proof(found, lambda at, _: read_bytes(paths[at], LARGEST), exact, seconds)
    if cells is not None:
        left = None if seconds is None else seconds - (time.monotonic() - begun)
        judged = check_cells(found, paths[0], Path(cells), exact, left)
        if judged.reason is not None:
            raise ProofError(judged.reason)
    return checked


def run(
    path: Path, networks: tuple[Path, ...], exact: bool, cells: Path | None, options: Options
) -> Exit:
    """Print what a proof proves; end DONE, REFUTED where it does not, UNKNOWN out of time.

    Args:
        path: of the proof.
        networks: files that it speaks of, in its order; none for those that it names, beside it.
        exact: whether to compute bounds in rational numbers.
        cells: folder of the proofs that a cover of cells names; None to leave them unchecked.
        options: of every verb.

    Raises:
        InputError: the proof or a network cannot be read.
    """
    began = time.monotonic()
    check_targets([("--json", options.json, ())], [path, *networks])
    data = read_bytes(path, MOST)
    end, checked, reason, judged = Exit.DONE, None, None, None
    try:
        proof = read_proof(data)
        paths = _paths(path, proof, networks)
        check_targets([("--json", options.json, ())], [path, *paths])
        left = None if options.timeout is None else options.timeout - (time.monotonic() - began)
        checked = check_proof(proof, lambda at, _: read_bytes(paths[at], LARGEST), exact, left)
        if cells is not None:
            left = None if options.timeout is None else options.timeout - time.monotonic() + began
            judged = check_cells(proof, paths[0], cells, exact, left)
            if judged.reason is not None:
                raise ProofError(judged.reason)
    except FormatError as error:
        raise InputError(f"{path}: {error}; ask whoever made it for another proof") from error
    except LateError as error:
        end, reason, checked = Exit.UNKNOWN, str(error), None
    except ProofError as error:
        end, reason, checked = Exit.REFUTED, str(error), None
    if not options.silent:
        lines = _lines(path, checked, reason, end, time.monotonic() - began)
        print("\n".join([*lines, *_cell_lines(proof, judged if checked else None)]))
    found = _record(path, data, proof, paths, checked, exact, reason)
    found["cells"] = _cells_record(proof, judged)
    write_record(envelope("check", options, end, time.monotonic() - began, **found), options.json)
    return end


def _paths(path: Path, proof: Proof, networks: tuple[Path, ...]) -> list[Path]:
    """Return where the files are that a proof speaks of."""
    if not networks:
        return [_beside(path, file) for file in proof.files]
    if len(networks) != len(proof.files):
        names = ", ".join(shown(file.name) for file in proof.files[:8])
        raise InputError(
            f"--network: {len(networks)} files are given where {path} speaks of "
            f"{len(proof.files)}: give those of {names}, in this order"
        )
    return list(networks)


def _beside(path: Path, file: File) -> Path:
    """Return the file of a plain relative name beside the proof; its name is not to be trusted."""
    parts = PurePosixPath(file.name).parts
    plain = file.name.isprintable() and not set(file.name) & set("\\:") and bool(parts)
    if not plain or file.name.startswith("/") or ".." in parts:
        raise InputError(
            f"{path}: the network {shown(file.name)} is not looked for by this name; give its file "
            "with --network"
        )
    found = path.parent / file.name
    if not found.is_file():
        raise InputError(
            f"{path}: there is no file {shown(file.name)} beside it; give the network's file with "
            "--network"
        )
    return found


def _lines(
    path: Path,
    checked: Checked | None,
    reason: str | None,
    end: Exit,
    seconds: float,
) -> list[str]:
    lines: list[str] = []
    if checked is None:
        word = "Not checked" if end is Exit.UNKNOWN else "Not proved"
        return [*lines, f"{word}: {path}: {reason}."]
    lines.append("Proved:")
    if checked.proof.simplified is None:
        lines += [f"  {at}. {text}" for at, text in enumerate(checked.sentences, 1)]
    else:  # what it rests on is for those who read the record
        steps = len(checked.sentences) - 1
        lines += [f"  {checked.sentences[0]}", f"  It rests on {steps} lemmas, all checked too."]
    lines.append("of the files")
    lines += [
        f"  {shown(file.name)}, {file.size} bytes, SHA-256 {file.digest}" for file in checked.files
    ]
    how = "in rational numbers" if checked.exact else "in float64, rounded outward"
    lines += [SEMANTICS, TRUSTED]
    lines.append(
        f"{checked.nodes} boxes, {checked.entries} combinations bounded {how}, {seconds:.2f} s."
    )
    return lines


def _cell_lines(proof: Proof, judged: Judged | None) -> list[str]:
    if proof.cover is None or proof.cover.claim is None:
        return []
    named = sum(bool(one) for one in proof.cover.proofs)
    if judged is None:
        return [
            f"The proofs of {named} cells are named, not checked: --cells FOLDER, with the folder "
            "that they lie in, checks them too."
        ]
    bare = f" Nothing is said of the other {judged.bare}." if judged.bare else ""
    return [f"The proofs of {judged.proved} cells were checked too, and prove that of them.{bare}"]


def _cells_record(proof: Proof, judged: Judged | None) -> Record | None:
    if proof.cover is None:
        return None
    return {
        "count": len(proof.cover.proofs),
        "named": sum(bool(one) for one in proof.cover.proofs),
        "proved": None if judged is None else judged.proved,
    }


def _record(
    path: Path,
    data: bytes,
    proof: Proof,
    paths: list[Path],
    checked: Checked | None,
    exact: bool,
    reason: str | None,
) -> Record:
    return {
        "proof": {
            "path": str(path),
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
        },
        "files": [
            {"name": file.name, "path": str(at), "sha256": file.digest, "bytes": file.size}
            for file, at in zip(proof.files, paths, strict=True)
        ],
        "verdict": "proved" if checked else "not-proved",
        "reason": reason,
        "proved": list(checked.sentences) if checked else None,
        "lemmas": [_lemma_record(lemma) for lemma in proof.lemmas] if checked else None,
        "semantics": "real",
        "trusted": [],
        "exact": exact,
        "nodes": sum(lemma.tree.axis.size for lemma in proof.lemmas),
        "entries": sum(lemma.tree.node.size for lemma in proof.lemmas),
    }


def _lemma_record(lemma: Lemma) -> Record:
    return {
        "networks": [
            {"file": one.file, "inputs": list(one.inputs), "lines": len(one.lines)}
            for one in lemma.subjects
        ],
        "lower": [str(limit) for limit in lemma.lower],
        "upper": [str(limit) for limit in lemma.upper],
        "claim": claim_words(lemma.claim),
    }
