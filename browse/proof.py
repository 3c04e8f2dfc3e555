"""The page about a proof: what it says, of which files, and how large its evidence is.

Nothing is judged here. A proof is read as `secateur check` reads it, and then only looked at.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..engine.errors import FormatError
from ..engine.proofs import model
from ..engine.proofs.form import Claim, Proof
from ..engine.proofs.speech import claim_words, exact, proof_words
from ..engine.proofs.store import HEADER, MAGIC, read_proof
from ..engine.proofs.words import fields, parse, shown, whole
from ..reports.envelope import INPUTS
from ..reports.tree import Block, Code, Facts, Gallery, Points, Section, Style, Table, Text
from ..reports.wording import clean, cut, name_of, plural, thousands
from .find import Item
from .trees import Shape, boxes_drawn, depths_drawn, shape_of

LEMMAS: Final = 20
"""Lemmas whose words are shown."""

TREES: Final = 200
"""Lemmas whose trees are listed."""

DRAWN: Final = 2
"""Trees that are drawn."""

SPLIT: Final = 6
"""Inputs, and neurons, that are named."""

NOTES: Final = 40
"""What the prover says besides."""

MARKS: Final = 2_000_000
"""Commas, colons and opening brackets of a header that is shown."""

RAW: Final = 128 * 2**20
"""Bytes of arrays of a proof that is shown; a tree of a million boxes has about 20 million."""

NAMED: Final = 4
"""Networks that a line names."""

SENTENCE: Final = 4_000
"""Letters of a sentence."""

MEND: Final = "ask whoever made it for another proof"


@dataclass(frozen=True, slots=True)
class ProofPage:
    """What is shown of a proof.

    Attributes:
        title, subtitle: of the page.
        says: what the proof says, first.
        sections: of the page.
    """

    title: str
    subtitle: str
    says: str
    sections: tuple[Section, ...]


def proof_page(data: bytes, item: Item, digest: str) -> ProofPage:
    """Return what a proof says.

    Args:
        data: of the file.
        item: the file.
        digest: SHA-256 of the bytes.

    Raises:
        FormatError: it is no proof, contradicts itself, or is too large to be shown.
    """
    try:
        _fits(data)
        proof = read_proof(data)
        said = _said(proof)
        shapes = [shape_of(lemma) for lemma in proof.lemmas[:TREES]]
    except model.FormatError as error:
        raise FormatError(f"{item.path}: {clean(str(error))}; {MEND}") from error
    sections = (
        Section(
            "Not checked here",
            (
                Text("What stands below is what the proof says, not what is so.", Style.STRONG),
                Text("Whether it proves that, the checker judges, with the networks' files:"),
                Code(clean(f"secateur check {shlex.quote(str(item.path))}")),
            ),
            boxed=True,
        ),
        Section("What it says", _claims(proof, said)),
        Section("For which inputs", tuple(_boxes(proof))),
        Section("The evidence", tuple(_evidence(proof, shapes))),
        Section("The files it speaks of", (_files(proof, item, data, digest),)),
        *_notes(proof),
    )
    sizes = f"{plural(len(data), 'byte')}, {plural(len(proof.lemmas), 'lemma')}"
    return ProofPage(f"What {clean(item.path.name)} says", sizes, _brief(proof), sections)


def _fits(data: bytes) -> None:
    """Raise FormatError where a proof takes more room to be read than a page is worth."""
    first = len(MAGIC) + 8
    length = int.from_bytes(data[len(MAGIC) : first], "little")
    header = data[first : first + min(length, HEADER)]
    if data[: len(MAGIC)] != MAGIC or len(header) != length:
        return  # the reader says better what it is
    marks = sum(header.count(mark) for mark in (b",", b":", b"[", b"{"))
    names = ("files", "lemmas", "simplified", "said", "arrays", "raw")
    raw = whole(fields(parse(header), "header", names)[5], "raw", 0, 2**62) if marks < MARKS else 0
    if marks >= MARKS or raw > RAW:
        raise model.FormatError("it is too large to be shown here, secateur check may read it")


def _said(proof: Proof) -> tuple[str, ...]:
    """Return what stands first, and the first lemmas on the way to that."""
    if not proof.lemmas and proof.simplified is None:
        raise model.FormatError("it says nothing at all")
    few = Proof(proof.files, proof.lemmas[:LEMMAS], proof.simplified, {})
    try:
        return tuple(cut(clean(text), SENTENCE) for text in proof_words(few))
    except (ValueError, LookupError, ArithmeticError) as error:
        raise model.FormatError(f"it speaks of what is not in it ({error})") from None


def _brief(proof: Proof) -> str:
    """Return what is said first, without its box, of networks by the last parts of their names."""
    claim: Claim
    if proof.simplified is not None:
        claim, networks = proof.simplified.claim, list(proof.files[:2])
    else:
        claim = proof.lemmas[0].claim
        networks = [proof.files[one.file] for one in proof.lemmas[0].subjects[:NAMED]]
    names = [f"N{at} = {name_of(file.name)}" for at, file in enumerate(networks)]
    return f"{', '.join(names)}: {claim_words(claim)}"


def _claims(proof: Proof, said: Sequence[str]) -> tuple[Block, ...]:
    items = tuple((f"{at}.", text) for at, text in enumerate(said, 1))
    blocks: list[Block] = [Points(items)]
    if len(proof.lemmas) > LEMMAS:
        left = f"{LEMMAS} of {thousands(len(proof.lemmas))} lemmas are shown; the proof has all."
        blocks.append(Text(left, Style.SMALL))
    blocks.append(
        Text(
            "In real arithmetic, for the numbers that stand in the files. What is printed is "
            "rounded so that it says no more than the proof does."
        )
    )
    return tuple(blocks)


def _boxes(proof: Proof) -> list[Block]:
    """Return the limits of inputs: of what is said first, and a word on the others."""
    sides = [(lemma.lower, lemma.upper) for lemma in proof.lemmas]
    if proof.simplified is not None:
        sides.insert(0, (proof.simplified.lower, proof.simplified.upper))
    lower, upper = sides[0]
    columns = ("input", "lower", "upper")
    rows = tuple(
        (f"x{at}", exact(low), exact(high))
        for at, (low, high) in enumerate(zip(lower[:INPUTS], upper[:INPUTS], strict=False))
    )
    blocks: list[Block] = [Table("Closed limits, network units", columns, rows, mono=(1, 2))]
    if len(lower) > INPUTS:
        blocks.append(Text(f"{INPUTS} of {len(lower)} inputs are listed.", Style.SMALL))
    others = sum(1 for side in sides if side != sides[0])
    if others:
        blocks.append(Text(f"{plural(others, 'lemma has', 'lemmas have')} a box of another size."))
    return blocks


def _evidence(proof: Proof, shapes: Sequence[Shape]) -> list[Block]:
    if not shapes:
        return [Text("It has no lemma.")]
    columns = (
        "lemma",
        "networks",
        "nodes",
        "leaves",
        "depth",
        "cuts of inputs",
        "phases fixed",
        "most often",
        "entries",
        "with multipliers",
        "forms",
    )
    rows = tuple(
        (
            f"{at + 1}",
            thousands(len(lemma.subjects)),
            thousands(one.nodes),
            thousands(one.leaves),
            f"{thousands(one.depth)}{'' if one.complete else ' or more'}",
            thousands(one.cut),
            thousands(one.fixed),
            "; ".join(filter(None, (_some(one.axes, "x"), _some(one.neurons, "neuron ")))),
            thousands(lemma.tree.node.size),
            thousands(one.helped),
            thousands(len(lemma.forms)),
        )
        for at, (lemma, one) in enumerate(zip(proof.lemmas, shapes, strict=False))
    )
    what = (
        "A tree cuts the box in two, or fixes whether a neuron's pre-activation is at most or at "
        "least 0, again and again. An entry excludes a case of what would contradict the lemma at "
        "a node of the tree, by a form, which is a combination of the case's inequalities; some "
        "come with multipliers, that make the bound of the form sharper. Neurons are counted from "
        "0, over all ReLU layers of the lemma's networks."
    )
    blocks: list[Block] = [Text(what), Table("The trees", columns, rows, words=(7,))]
    if len(proof.lemmas) > len(shapes):
        blocks.append(Text(f"{TREES} of {thousands(len(proof.lemmas))} are listed.", Style.SMALL))
    largest = sorted(range(len(shapes)), key=lambda at: -shapes[at].nodes)[:DRAWN]
    for at in largest:
        lemma, shape = proof.lemmas[at], shapes[at]
        if shape.nodes > 1:
            pictures = [depths_drawn(shape, at + 1), boxes_drawn(lemma, shape, at + 1)]
            blocks.append(Gallery(tuple(one for one in pictures if one is not None), 27))
    if max(shape.nodes for shape in shapes) == 1:
        blocks.append(Text("Nothing is split: bounds on the whole box are the evidence."))
    return blocks


def _some(which: Sequence[int], name: str) -> str:
    """Return the first few of what is split most often."""
    return ", ".join(f"{name}{one}" for one in which[:SPLIT]) + (", …" * (len(which) > SPLIT))


def _files(proof: Proof, item: Item, data: bytes, digest: str) -> Table:
    rows = [
        (clean(shown(file.name)), thousands(file.size), file.digest)
        for file in proof.files[:INPUTS]
    ]
    rows.append((f"{clean(item.path.name)} (this proof)", thousands(len(data)), digest))
    columns = ("file", "bytes", "SHA-256")
    return Table("As the proof names them; none was opened", columns, tuple(rows), (2,), (0, 2))


def _notes(proof: Proof) -> list[Section]:
    pairs = tuple(
        (cut(clean(name), 60), cut(clean(_spelt(value)), 400))
        for name, value in list(proof.said.items())[:NOTES]
    )
    if not pairs:
        return []
    what = Text("Of this nothing is checked by anybody.")
    return [Section("What the prover says besides", (what, Facts(pairs)))]


def _spelt(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)[:1000]
