"""The chapter about a record of `secateur compare`: how far two networks are apart, or a claim."""

from __future__ import annotations

from ..commands.options import TIES
from .enclosures import differences, enclosures, margin
from .envelope import (
    BOUNDS,
    REAL,
    REPLAYED,
    again,
    method,
    network_facts,
    proofs_in,
    region_name,
    region_table,
    source_of,
    subtitle,
    trusted,
)
from .read import Part, Run
from .tree import Block, Chapter, Points, Section, Style, Table, Text, Verdict
from .wording import downward, name_of, plural, sentence, upward

FLOATS = (
    "The values are those that the files' runtimes compute in their element types. A proof leaves "
    "room for a proved bound of how far float evaluation takes each output from its real value."
)
"""What float32 semantics mean."""


def compared(run: Run) -> Chapter:
    """Return the chapter about two networks.

    Args:
        run: a record of `compare`.

    Raises:
        FormatError: the record lacks what a chapter needs.
    """
    part = run.part
    networks = () if part.empty("networks") else part.parts("networks")
    if len(networks) not in (0, 2):
        part.wrong("networks", "holds another number than two")
    region = part.maybe("region", part.part)
    where = region_name(region) if region else "the region"
    verdict = _verdict(part)
    names = [name_of(one.words("path")) for one in networks] or ["f", "g"]
    return Chapter(
        title=f"{names[1]} beside {names[0]}",
        subtitle=subtitle(run),
        verdict=verdict,
        source=source_of(run),
        question=_question(part, names, where),
        answer=_answer(part, verdict, where),
        guarantee=Points(_guarantee(part, verdict, where)),
        found=tuple(enclosures(part)),
        body=(*margin(part), *differences(part), *_asked(networks, region)),
        trusted=Points(trusted(run, *_rests(part))),
        again=again(
            run, [(one.words("path"), one.words("sha256")) for one in networks], proofs_in(part)
        ),
    )


def claimed(part: Part) -> str | None:
    """Return what a record asks, as a claim; None where it asks for a distance."""
    question = part.part("question")
    epsilon, best = (
        question.maybe("epsilon", question.words),
        question.maybe("top1", question.words),
    )
    if best is not None:
        band = question.maybe("band", question.words)
        ahead = f" wherever f prefers it by more than {band}" if band else ""
        which = {"min": "smallest", "max": "largest"}.get(best, best)
        return f"f and g have the same {which} output{ahead}"
    if epsilon is None:
        return None
    outputs = () if question.empty("outputs") else question.limits("outputs")
    chosen = ", ".join(str(int(output)) for output in outputs)
    return f"|f \u2212 g| \u2264 {epsilon} on {f'output {chosen}' if chosen else 'every output'}"


def _verdict(part: Part) -> Verdict:
    claim = part.maybe("verdict", lambda key: part.one_of(key, ("proved", "refuted", "unknown")))
    if claim is not None:
        return Verdict(claim)
    closed = part.maybe("gap_reached", part.flag)
    return Verdict.DONE if closed else Verdict.UNKNOWN


def _question(part: Part, names: list[str], where: str) -> tuple[Text, ...]:
    claim = claimed(part)
    said = f"f is {names[0]} and g is {names[1]}."
    if claim is None:
        ask = f"How far can their outputs be apart on one and the same input of {where}?"
    else:
        ask = f"Does this hold for every input of {where}: {claim}?"
    texts = [Text(f"{said} {ask}")]
    if not part.part("question").empty("top1"):
        texts.append(Text(TIES, Style.SMALL))
    return tuple(texts)


def _answer(part: Part, verdict: Verdict, where: str) -> tuple[Text, ...]:
    claim, strong = claimed(part), Style.STRONG
    reason = part.maybe("reason", part.words) or "the engine gave up"
    if claim is None:
        return _apart(part, reason)
    match verdict:
        case Verdict.PROVED:
            return (Text(f"Proved: {claim}, for every input of {where}.", strong),)
        case Verdict.REFUTED:
            said = f"Refuted: at the witness below it does not hold that {claim}."
            return (Text(said, strong), Text(f"The witness was {REPLAYED}."))
        case _:
            said = f"Not decided: {reason}. Asked: {claim}."
            return (Text(said, strong), Text("It may hold or not; nothing is claimed of it."))


def _apart(part: Part, reason: str) -> tuple[Text, ...]:
    if part.empty("outputs") or part.empty("norms"):
        return (Text(f"Nothing is known of the distance: {reason}.", Style.STRONG),)
    norms = part.part("norms")
    widest = norms.part("inf") if norms.has("inf") else None
    texts = []
    if widest is not None:
        low, high = widest.maybe("attained", widest.number), widest.maybe("proved", widest.number)
        most = (
            "no bound was proved"
            if high is None
            else f"{upward(high)} is proved never to be passed"
        )
        met = "no point was met" if low is None else f"{downward(low)} is attained"
        texts.append(Text(f"The largest |f \u2212 g| of any output: {met}, {most}.", Style.STRONG))
    gap = part.part("question").maybe("gap", part.part("question").number)
    if part.maybe("gap_reached", part.flag):
        texts.append(
            Text(f"Every interval is as narrow as was asked for: {upward(gap)} of its value.")
        )
    else:
        texts.append(
            Text(f"The intervals are wider than was asked for ({reason}); they hold all the same.")
        )
    return tuple(texts)


def _guarantee(part: Part, verdict: Verdict, where: str) -> tuple[tuple[str, str], ...]:
    semantics = part.one_of("semantics", ("real", "float32"))
    boxes = plural(part.count("boxes"), "sub-box", "sub-boxes")
    how = method(part.maybe("method", part.words))
    claim = claimed(part)
    points = []
    if claim is None and not part.empty("outputs"):
        holds = (
            f"No input of {where} takes f and g further apart than the proved bounds below; at "
            "each witness they are as far apart as is stated."
        )
    elif verdict is Verdict.PROVED:
        holds = f"It holds for all inputs of {where}, not only for those that were tried."
    elif verdict is Verdict.REFUTED:
        holds = "At the witness below the claim fails."
    else:
        holds = "Nothing, beyond the bounds below where there are any."
    points.append(("What holds.", holds))
    points.append(("Meaning.", REAL if semantics == "real" else FLOATS))
    if verdict is Verdict.REFUTED:
        points.append(("How it was found.", f"By {how or 'search'}."))
    elif claim is None or verdict is Verdict.PROVED:
        by = f"By {how}, over {boxes}." if how else f"Over {boxes}."
        points.append(("How it was proved.", f"{by} {BOUNDS}"))
    points.append(
        (
            "What is not claimed.",
            "Nothing is said about inputs outside the region, nor about whether f itself is right.",
        )
    )
    return tuple(points)


def _rests(part: Part) -> list[tuple[str, str]]:
    assumption, note = part.maybe("assumption", part.words), part.maybe("note", part.words)
    points = [("Assumed of the runtimes.", sentence(assumption))] if assumption else []
    if note and note != assumption:
        points.append(("Noted by the run.", sentence(note)))
    return points


def _asked(networks: tuple[Part, ...], region: Part | None) -> list[Section]:
    if not networks or region is None:
        return [Section("What was compared", (Text("The run ended before both files were read."),))]
    rows = tuple(
        (name, one.words("path"), network_facts(one))
        for name, one in zip("fg", networks, strict=True)
    )
    blocks: list[Block] = [
        Table("The networks", ("name", "file", "size"), rows, words=(1, 2), mono=(1,)),
        region_table(region),
    ]
    digests = {one.words("sha256") for one in networks}
    if len(digests) == 1 and "" not in digests:
        blocks.append(Text("Both files hold the same bytes."))
    return [Section("What was compared", tuple(blocks))]
