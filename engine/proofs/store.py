"""A proof as bytes: a line, a header in JSON, packed arrays, a digest. See docs/certificates.md."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from itertools import groupby
from typing import Final

import numpy as np

from .evidence import PLAIN, Duals, Form, Index, Tree
from .form import File, Lemma, Line, Match, Proof, SameBest, Simplified, Subject, Twins, Within
from .model import FormatError
from .store_arrays import Reader, Writer
from .store_claim import claim_words, read_claim
from .store_cover import cover_words, read_cover
from .words import (
    dump,
    fields,
    fraction,
    mapping,
    numbers,
    parse,
    several,
    spell,
    text,
    whole,
    wholes,
)

MAGIC: Final = b"secateur proof 1\n"

HEADER: Final = 64 * 2**20
"""Bytes of a header at most."""

NODES: Final = 50_000_000
"""Nodes of a tree, entries of it, and weights of its forms at most."""

FORMS: Final = 1_000_000
"""Forms, and lines of a network, at most."""

_WHOLE_DUALS: Final = ("entry", "slopes", "neuron", "slope", "phases", "split")
_DIGEST: Final = re.compile("[0-9a-f]{64}", re.ASCII)
_LARGEST_FILE: Final = 2**50


def write_proof(proof: Proof) -> bytes:
    """Return a proof as bytes, always the same for the same proof.

    Raises:
        FormatError: it holds what the format has no room for.
    """
    arrays = Writer()
    header: dict[str, object] = {
        "files": [
            {"name": file.name, "sha256": file.digest, "bytes": file.size} for file in proof.files
        ],
        "lemmas": [_lemma_words(lemma, f"{at}", arrays) for at, lemma in enumerate(proof.lemmas)],
        "simplified": None,
        "said": dict(proof.said),
    }
    if proof.cover is not None:
        header["cover"] = cover_words(proof.cover, arrays)
    if proof.simplified is not None:
        header["simplified"] = _simplified_words(proof.simplified, arrays)
    header["arrays"], header["raw"], body = arrays.finish()
    words = dump(header)
    if len(words) > HEADER:
        raise FormatError(f"the header has {len(words)} bytes; {HEADER} are handled")
    out = b"".join((MAGIC, len(words).to_bytes(8, "little"), words, body))
    return out + hashlib.sha256(out).digest()


def read_proof(data: bytes) -> Proof:
    """Return the proof that bytes hold. What it says is not checked, but all of it is there.

    Raises:
        FormatError: they hold none; one line says why.
    """
    if data[: len(MAGIC)] != MAGIC:
        raise FormatError(f"this is no proof: it does not begin with {MAGIC.decode().strip()!r}")
    first = len(MAGIC) + 8
    if len(data) < first + 32 or hashlib.sha256(data[:-32]).digest() != data[-32:]:
        raise FormatError("the proof is damaged or cut short: its digest is another one")
    length = int.from_bytes(data[len(MAGIC) : first], "little")
    if length > min(HEADER, len(data) - first - 32):
        raise FormatError(f"the header is stated to have {length} bytes, which is too many")
    found = mapping(parse(data[first : first + length]), "header")
    names = ("files", "lemmas", "simplified", "said", "arrays", "raw")
    cover = found.get("cover")
    words = fields(found, "header", (*names, "cover") if "cover" in found else names)
    files, lemmas, simplified, said, places, raw = words[:6]
    arrays = Reader(places, raw, data[first + length : -32])
    proof = Proof(
        tuple(_read_file(one, f"file {at}") for at, one in enumerate(several(files, "files"))),
        tuple(
            _read_lemma(one, f"{at}", arrays) for at, one in enumerate(several(lemmas, "lemmas"))
        ),
        None if simplified is None else _read_simplified(simplified, arrays),
        mapping(said, "said"),
        None if cover is None else read_cover(cover, arrays),
    )
    arrays.finish()
    return proof


def _read_file(value: object, where: str) -> File:
    name, digest, size = fields(value, where, ("name", "sha256", "bytes"))
    found = text(digest, f"{where}, sha256")
    if not _DIGEST.fullmatch(found):
        raise FormatError(f"{where}, sha256: 64 digits of 0-9a-f are needed")
    return File(text(name, f"{where}, name"), found, whole(size, where, 0, _LARGEST_FILE))


def _lemma_words(lemma: Lemma, name: str, arrays: Writer) -> dict[str, object]:
    tree = lemma.tree
    arrays.whole(f"{name}.axis", tree.axis)
    arrays.real(f"{name}.cut", tree.cut)
    arrays.whole(f"{name}.node", np.diff(tree.node, prepend=0))
    arrays.whole(f"{name}.form", tree.form)
    arrays.whole(f"{name}.case", [form.case for form in lemma.forms])
    arrays.whole(f"{name}.width", [len(form.weights) for form in lemma.forms])
    arrays.whole(f"{name}.weight", [one for form in lemma.forms for one in form.weights])
    _duals_words(lemma.duals, name, arrays)
    return {
        "subjects": [
            {
                "file": subject.file,
                "inputs": list(subject.inputs),
                "lines": _lines_words(subject.lines, f"{name}.{at}", arrays),
            }
            for at, subject in enumerate(lemma.subjects)
        ],
        "lower": [spell(limit, "lower") for limit in lemma.lower],
        "upper": [spell(limit, "upper") for limit in lemma.upper],
        "claim": claim_words(lemma.claim),
        "twins": [
            {
                "first": list(twins.first),
                "second": list(twins.second),
                "order": None if twins.order is None else list(twins.order),
            }
            for twins in lemma.twins
        ],
    }


def _read_lemma(value: object, name: str, arrays: Reader) -> Lemma:
    where = f"lemma {name}"
    keys = ("subjects", "lower", "upper", "claim", "twins")
    subjects, lower, upper, claim, twins = fields(value, where, keys)
    return Lemma(
        tuple(
            _read_subject(one, name, at, arrays)
            for at, one in enumerate(several(subjects, f"{where}, subjects"))
        ),
        numbers(lower, f"{where}, lower"),
        numbers(upper, f"{where}, upper"),
        read_claim(claim, f"{where}, claim"),
        tuple(_read_twins(one, f"{where}, twins") for one in several(twins, f"{where}, twins")),
        _read_forms(name, arrays),
        Tree(
            arrays.whole(f"{name}.axis", NODES),
            arrays.real(f"{name}.cut", NODES),
            np.cumsum(arrays.whole(f"{name}.node", NODES), dtype=np.int64),
            arrays.whole(f"{name}.form", NODES),
        ),
        _read_duals(name, arrays),
    )


def _duals_words(duals: Duals, name: str, arrays: Writer) -> None:
    """Add multipliers, if there are any."""
    if duals.entry.size:
        for part in _WHOLE_DUALS:
            values: Index = getattr(duals, part)
            arrays.whole(f"{name}.dual.{part}", values)
        arrays.real(f"{name}.dual.weight", duals.weight)


def _read_duals(name: str, arrays: Reader) -> Duals:
    if f"{name}.dual.entry" not in arrays:
        return PLAIN
    entry, slopes, neuron, slope, phases, split = (
        arrays.whole(f"{name}.dual.{part}", NODES) for part in _WHOLE_DUALS
    )
    weight = arrays.real(f"{name}.dual.weight", NODES)
    return Duals(entry, slopes, neuron, slope, phases, split, weight)


def _read_subject(value: object, name: str, at: int, arrays: Reader) -> Subject:
    where = f"lemma {name}, subject {at}"
    file, inputs, lines = fields(value, where, ("file", "inputs", "lines"))
    return Subject(
        whole(file, f"{where}, file"),
        wholes(inputs, f"{where}, inputs"),
        _read_lines(lines, f"{name}.{at}", arrays),
    )


def _read_twins(value: object, where: str) -> Twins:
    first, second, order = fields(value, where, ("first", "second", "order"))
    ends = []
    for end in (first, second):
        subject, node = several(end, where, 2)
        ends.append((whole(subject, where), text(node, where)))
    return Twins(ends[0], ends[1], None if order is None else wholes(order, f"{where}, order"))


def _read_forms(name: str, arrays: Reader) -> tuple[Form, ...]:
    case, width = arrays.whole(f"{name}.case", FORMS), arrays.whole(f"{name}.width", FORMS)
    weight = arrays.whole(f"{name}.weight", NODES)
    if case.size != width.size or (width < 0).any() or sum(width.tolist()) != weight.size:
        raise FormatError(f"lemma {name}: the arrays of its forms do not fit together")
    ends = np.cumsum(width)
    weights = weight.tolist()
    return tuple(
        Form(of, tuple(weights[end - count : end]))
        for of, count, end in zip(case.tolist(), width.tolist(), ends.tolist(), strict=True)
    )


def _simplified_words(simplified: Simplified, arrays: Writer) -> dict[str, object]:
    return {
        "claim": claim_words(simplified.claim),
        "phases": list(simplified.phases),
        "joint": simplified.joint,
        "signs": list(simplified.signs),
        "lines": _lines_words(simplified.lines, "before", arrays),
        "lines_after": _lines_words(simplified.lines_after, "after", arrays),
        "matches": [
            [match.node, match.neuron, *match.like, spell(match.scale, "scale")]
            for match in simplified.matches
        ],
        "distance": spell(simplified.distance, "distance"),
        "lower": [spell(limit, "lower") for limit in simplified.lower],
        "upper": [spell(limit, "upper") for limit in simplified.upper],
    }


def _read_simplified(value: object, arrays: Reader) -> Simplified:
    where = "simplified"
    names = ("claim", "phases", "joint", "signs", "lines", "lines_after", "matches", "distance")
    claim, phases, joint, signs, lines, after, matches, distance, lower, upper = fields(
        value, where, (*names, "lower", "upper")
    )
    said = read_claim(claim, f"{where}, claim")
    if not isinstance(said, Within | SameBest):
        raise FormatError(f"{where}, claim: within or same-best is needed")
    return Simplified(
        said,
        wholes(phases, f"{where}, phases"),
        None if joint is None else whole(joint, f"{where}, joint"),
        wholes(signs, f"{where}, signs"),
        _read_lines(lines, "before", arrays),
        _read_lines(after, "after", arrays),
        tuple(_read_match(one) for one in several(matches, f"{where}, matches")),
        fraction(distance, f"{where}, distance"),
        numbers(lower, f"{where}, lower"),
        numbers(upper, f"{where}, upper"),
    )


def _read_match(value: object) -> Match:
    where = "simplified, matches"
    node, neuron, other, like, scale = several(value, where, 5)
    return Match(
        text(node, where),
        whole(neuron, where),
        (text(other, where), whole(like, where)),
        fraction(scale, where),
    )


def _lines_words(lines: Sequence[Line], name: str, arrays: Writer) -> list[object]:
    """Return the layers of lines, each with how many follow each other there; add their numbers."""
    if lines:
        arrays.whole(f"{name}.neuron", [line.neuron for line in lines])
        arrays.real(f"{name}.slope", [line.slope for line in lines])
        arrays.real(f"{name}.intercept", [line.intercept for line in lines])
    runs = groupby(lines, key=lambda line: line.node)
    return [[node, sum(1 for _ in run)] for node, run in runs]


def _read_lines(value: object, name: str, arrays: Reader) -> tuple[Line, ...]:
    where = f"lines {name}"
    nodes: list[str] = []
    for one in several(value, where):
        node, count = several(one, where, 2)
        nodes += [text(node, where)] * whole(count, where, 1, FORMS - len(nodes))
    if not nodes:
        return ()
    neuron = arrays.whole(f"{name}.neuron", FORMS).tolist()
    slope, intercept = (
        arrays.real(f"{name}.{part}", FORMS).tolist() for part in ("slope", "intercept")
    )
    if not len(nodes) == len(neuron) == len(slope) == len(intercept):
        raise FormatError(f"{where}: the arrays do not fit together")
    return tuple(map(Line, nodes, neuron, slope, intercept))
