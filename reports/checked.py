"""The chapter about a record of `secateur check`: what a proof proves, of which files."""

from __future__ import annotations

from .envelope import INPUTS, REAL, again, recorded, source_of, subtitle
from .read import Part, Run
from .tree import Block, Chapter, Points, Section, Style, Table, Text, Verdict
from .wording import DASH, all_of, cut, name_of, plural, sentence, short, thousands

LISTED = 20
"""Sentences and lemmas that are listed; the record has all."""

LONG = 4_000
"""Letters of a sentence; one that names 784 inputs has more."""

QUOTIENT = 60
"""Letters of a limit; the record has all."""

KINDS = {
    "query": "no input satisfies a query",
    "within": "outputs of two networks stay near each other",
    "same-best": "two networks prefer the same output",
    "limits": "values stay between limits",
}
"""Claims in words."""

JUDGED = (
    "Every bound that the proof rests on was computed again by the checker, from the bytes of the "
    "networks' files, whose digests were compared with those in the proof; nothing of what the "
    "prover computed was believed."
)
ROUNDED = {
    True: "Bounds were computed in float64 with every rounding error charged outward, and once "
    "more in rational numbers; both had to hold.",
    False: "Bounds were computed in float64 with every rounding error charged outward; what floats "
    "could not tell, in rational numbers.",
}
CHECKER = (
    "It is Python, numpy and the files in engine/proofs, running on IEEE 754 arithmetic; it reads "
    "the networks by itself, and shares no code with the engine that found the answer."
)


def checked(run: Run) -> Chapter:
    """Return the chapter about a proof that was judged.

    Args:
        run: a record of `check`.

    Raises:
        FormatError: the record lacks what a chapter needs.
    """
    part = run.part
    proved = part.one_of("verdict", ("proved", "not-proved")) == "proved"
    proof, files = part.part("proof"), part.parts("files")
    name = name_of(proof.words("path"))
    digests: list[tuple[str, str | None]] = [(proof.words("path"), proof.words("sha256"))]
    if proved:  # else the files may be others than the proof speaks of
        digests += [(one.words("path"), one.words("sha256")) for one in files]
    return Chapter(
        title=f"{'What' if proved else 'Whether'} {name} proves{'' if proved else ' what it says'}",
        subtitle=subtitle(run),
        # What is not proved is not refuted.
        verdict=Verdict.PROVED if proved else Verdict.UNKNOWN,
        source=source_of(run),
        question=(
            Text(f"Does {name} prove what it says of {_names(files)}?"),
            Text(
                "A proof, or certificate, is a file that holds a claim about networks and all that "
                "is needed to check it. The checker judges it without trusting who made it.",
                Style.SMALL,
            ),
        ),
        answer=_answer(part, proved, f"{name} proves what it says of {_names(files)}"),
        guarantee=Points(_guarantee(part, proved)),
        found=(Section("What is proved", tuple(_sentences(part))),) if proved else (),
        body=(
            *((Section("For which inputs", tuple(_inputs(part))),) if proved else ()),
            Section("The proof and the files it speaks of", tuple(_files(proof, files, proved))),
        ),
        trusted=Points((*_trusted(part, proved), *recorded(run))),
        again=again(run, digests, None),
    )


def _names(files: tuple[Part, ...]) -> str:
    names = list(dict.fromkeys(name_of(one.words("name")) for one in files[:LISTED]))
    return all_of(names) or "its networks"


def _answer(part: Part, proved: bool, holds: str) -> tuple[Text, ...]:
    if proved:
        said = Text(f"Proved: {holds}.", Style.STRONG)
        more = len(part.texts("proved")) - 1
        if not more:
            return said, Text("That stands below.")
        steps = plural(more, "other sentence is", "other sentences are")
        return said, Text(f"The first sentence below is the claim; {steps} proved too.")
    late = part.count("exit") == 20
    reason = part.maybe("reason", part.words) or "the record does not say why"
    words = "Not checked to the end" if late else "Not proved"
    return (
        Text(f"{words}: {reason.rstrip('.')}.", Style.STRONG),
        Text("So the proof shows nothing here; what it says may be true or not."),
    )


def _sentences(part: Part) -> list[Block]:
    said = part.texts("proved")
    items = tuple((f"{at}.", sentence(cut(text, LONG))) for at, text in enumerate(said[:LISTED], 1))
    blocks: list[Block] = [Points(items)]
    if len(said) > LISTED:
        left = f"{LISTED} of {thousands(len(said))} sentences are listed; the record has all."
        blocks.append(Text(left, Style.SMALL))
    return blocks


def _inputs(part: Part) -> list[Block]:
    """Return the box of the first lemma, and which claims the lemmas make."""
    lemmas = part.parts("lemmas")
    sides = [(lemma.texts("lower"), lemma.texts("upper")) for lemma in lemmas]
    for lemma, (lower, upper) in zip(lemmas, sides, strict=True):
        if len(lower) != len(upper):
            lemma.wrong("lower", "has another number of limits than upper")
    blocks: list[Block] = []
    if sides:
        lower, upper = sides[0]
        rows = tuple(
            (f"x{at}", cut(low, QUOTIENT), cut(high, QUOTIENT))
            for at, (low, high) in enumerate(zip(lower[:INPUTS], upper[:INPUTS], strict=True))
        )
        caption = "Closed limits of the first lemma, exact, network units"
        blocks.append(Table(caption, ("input", "lower", "upper"), rows, mono=(1, 2)))
        if len(lower) > INPUTS:
            said = f"{INPUTS} of {thousands(len(lower))} inputs are listed; the record has all."
            blocks.append(Text(said, Style.SMALL))
        others = sum(1 for side in sides if side != sides[0])
        if others:
            blocks.append(Text(f"{plural(others, 'lemma has', 'lemmas have')} another box."))
    rows_of = tuple(
        (
            f"{at}",
            KINDS[lemma.part("claim").one_of("kind", KINDS)],
            "; ".join(_network(one) for one in lemma.parts("networks")),
        )
        for at, lemma in enumerate(lemmas[:LISTED], 1)
    )
    if rows_of:
        columns = ("lemma", "claims that", "of networks")
        blocks.append(Table("The lemmas, all of them checked", columns, rows_of, words=(1, 2)))
    if len(lemmas) > LISTED:
        left = f"{LISTED} of {thousands(len(lemmas))} lemmas are listed; the record has all."
        blocks.append(Text(left, Style.SMALL))
    return blocks


def _network(part: Part) -> str:
    lines = part.count("lines")
    more = f", {plural(lines, 'neuron')} replaced by lines" if lines else ""
    return f"file {part.count('file') + 1}{more}"


def _files(proof: Part, files: tuple[Part, ...], proved: bool) -> list[Block]:
    rows = [(f"file {at}", one.words("name"), *_file(one)) for at, one in enumerate(files, 1)]
    rows.append(("the proof", DASH, *_file(proof)))
    stated = "which the files that were read have" if proved else "as the proof states them"
    caption = f"Bytes and digests of the networks, {stated}; and those of the proof"
    columns = ("what", "called in the proof", "read from", "bytes", "SHA-256")
    return [Table(caption, columns, tuple(rows), (1, 2, 4), (2, 4))]


def _file(part: Part) -> tuple[str, str, str]:
    return part.words("path"), thousands(part.count("bytes")), part.words("sha256")


def _guarantee(part: Part, proved: bool) -> tuple[tuple[str, str], ...]:
    counts = (
        f"{plural(part.count('nodes'), 'node')} of its trees, "
        f"{plural(part.count('entries'), 'combination')} of inequalities"
    )
    spent = f"{short(part.number('seconds'))} s"
    if not proved:
        none = "Nothing: a proof that was not checked to the end, or that is not enough, is none."
        return ("What holds.", none), ("How far it came.", f"It has {counts}; {spent} were spent.")
    return (
        ("What holds.", "What stands under 'What is proved', for every input that it names."),
        ("Meaning.", REAL),
        ("How it was proved.", f"{JUDGED} {ROUNDED[part.flag('exact')]}"),
        ("How much there was to check.", f"{counts[0].upper()}{counts[1:]}, in {spent}."),
        (
            "What is not claimed.",
            "Nothing is said about other inputs, about files with other digests, or about what a "
            "runtime computes in floats, which differs from this by its rounding.",
        ),
    )


def _trusted(part: Part, proved: bool) -> tuple[tuple[str, str], ...]:
    named = part.texts("trusted")
    who = ("Who made the proof.", "Not trusted in anything.")
    if named:
        who = ("Taken for granted.", sentence(", ".join(named)))
    return (who, ("The checker.", CHECKER)) if proved else (who,)
