"""The chapter about a record of `secateur verify`: a query, its answer and its counterexample."""

from __future__ import annotations

from .envelope import BOUNDS, REAL, REPLAYED, again, method, proofs_in, source_of, subtitle, trusted
from .read import Part, Run
from .spans import Span, spans
from .tree import Chapter, Gallery, Points, Section, Style, Table, Text, Verdict
from .wording import DASH, all_of, downward, name_of, plain, plural, sentence, upward

SHOWN = 200
"""Values of a tensor that a table lists; the record has all."""

WORDS = {
    "unsat": Verdict.PROVED,
    "sat": Verdict.REFUTED,
    "unknown": Verdict.UNKNOWN,
    "timed-out": Verdict.UNKNOWN,
}

MEANING = {
    "real": REAL,
    "computed": (
        "The values are those that the files compute in their own element types; a proof leaves "
        "room for a proved bound of all their rounding, and a counterexample counts in the numbers "
        "that the files' runtime gives."
    ),
    "mixed": (
        "Tensors that the query declares real hold real numbers, the others those that the files "
        "compute in their element types, with a proved bound of their rounding."
    ),
}
"""What the answer is about, by its semantics."""


def verified(run: Run) -> Chapter:
    """Return the chapter about a query.

    Args:
        run: a record of `verify`.

    Raises:
        FormatError: the record lacks what a chapter needs.
    """
    part = run.part
    word = part.one_of("verdict", WORDS)
    query = part.part("query").words("path")
    networks = part.parts("networks")
    names = list(dict.fromkeys(_file(one) for one in networks))
    subject = all_of([name_of(name) for name in names]) or "its networks"
    return Chapter(
        title=f"{name_of(query)} asked of {subject}",
        subtitle=subtitle(run),
        verdict=WORDS[word],
        source=source_of(run),
        question=(
            Text(
                f"Is there an input for which {subject} "
                f"{'does' if len(networks) < 2 else 'do'} all that {name_of(query)} describes?"
            ),
            Text(
                "A query in VNN-LIB states limits of inputs and outputs. Where it describes what "
                "must not happen, as is usual, the good answer is that there is no such input.",
                Style.SMALL,
            ),
        ),
        answer=_answer(part, word),
        guarantee=Points(_guarantee(part, word)),
        found=tuple(_counterexample(part)),
        body=(*_margin(part, word), Section("What was asked about", (_networks(networks),))),
        trusted=Points(trusted(run, *_noted(part))),
        again=again(run, _files(part.part("query"), networks), proofs_in(part)),
    )


def _file(network: Part) -> str:
    return network.maybe("path", network.words) or network.words("name")


def _digest(part: Part) -> str | None:
    return part.words("sha256") if part.has("sha256") else None


def _files(query: Part, networks: tuple[Part, ...]) -> list[tuple[str, str | None]]:
    named = [one for one in networks if not one.empty("path")]
    return [(one.words("path"), _digest(one)) for one in (query, *named)]


def _answer(part: Part, word: str) -> tuple[Text, ...]:
    strong = Style.STRONG
    if word == "unsat" and part.flag("vacuous"):
        said = "Proved, but empty: no input satisfies what the query says of inputs alone (unsat)."
        more = "So the answer says nothing about the networks; the limits may not be as was meant."
        return Text(said, strong), Text(more)
    if word == "unsat":
        return (Text("Proved: no input satisfies the query (unsat).", strong),)
    if word == "sat":
        said = "Refuted: an input satisfies the query (sat). It stands below."
        return Text(said, strong), Text(_replayed(part))
    reason = part.maybe("reason", part.words) or "the engine gave up"
    said = f"Not decided ({word}): {reason}."
    return Text(said, strong), Text("The query may be satisfiable or not; nothing is claimed.")


def _replayed(part: Part) -> str:
    """Return how the values of a counterexample were checked."""
    semantics, engine = part.maybe("semantics", part.words), part.maybe("engine", part.words)
    if semantics == "computed":
        return "Its values were evaluated again by the files' own runtime."
    if semantics == "real" and engine == "question":
        return f"Its values were {REPLAYED}."
    return (
        "It was evaluated again where its values can be had exactly; elsewhere enclosures of them "
        "show that the query is satisfied."
    )


def _guarantee(part: Part, word: str) -> tuple[tuple[str, str], ...]:
    semantics = part.maybe("semantics", lambda key: part.one_of(key, MEANING))
    how = method(part.maybe("method", part.words))
    boxes = plural(part.count("boxes"), "sub-box", "sub-boxes")
    points = []
    if word == "unsat":
        points.append(
            ("What holds.", "No input at all satisfies the query, not only none that was tried.")
        )
    elif word == "sat":
        points.append(("What holds.", "The values below satisfy every line of the query."))
    else:
        points.append(("What holds.", "Nothing, beyond the bounds below where there are any."))
    if semantics:
        points.append(("Meaning.", MEANING[semantics]))
    if word == "unsat" and how:
        points.append(("How it was proved.", f"By {how}, over {boxes} in all. {BOUNDS}"))
    elif word == "sat" and how:
        points.append(("How it was found.", f"By {how}."))
    points.append(
        (
            "What is not claimed.",
            "Nothing is said about whether the query describes what was meant, nor about inputs "
            "that it does not speak of.",
        )
    )
    return tuple(points)


def _noted(part: Part) -> list[tuple[str, str]]:
    note = part.maybe("note", part.words)
    return [("Noted by the run.", sentence(note))] if note else []


def _counterexample(part: Part) -> list[Section]:
    if part.empty("assignment"):
        return []
    blocks: list[Text | Table] = []
    for tensor in part.parts("assignment"):
        values, exact = tensor.limits("values"), tensor.texts("exact")
        if len(values) != len(exact):
            tensor.wrong("exact", "has another number of values than `values`")
        name, what = tensor.words("name"), tensor.words("part")
        shape = "x".join(str(int(size)) for size in tensor.limits("shape")) or "a single number"
        rows = [
            (str(index), plain(value), _brief(quotient))
            for index, (value, quotient) in enumerate(zip(values, exact, strict=True))
        ][:SHOWN]
        where = f"of {tensor.words('network')}, {tensor.words('element')}, {shape}"
        caption = f"{name}: {what} {where}; values as float64, and exactly"
        columns = ("index", "value", "exact value")
        blocks.append(Table(caption, columns, tuple(rows), words=(2,), mono=(1, 2)))
        if len(values) > SHOWN:
            blocks.append(
                Text(
                    f"{SHOWN} of {len(values)} values are listed; the record has all.", Style.SMALL
                )
            )
    return [Section("The counterexample", tuple(blocks))]


def _brief(quotient: str) -> str:
    return quotient if len(quotient) <= 48 else "a long quotient, in the record"


def _margin(part: Part, word: str) -> list[Section]:
    """Return how near the query came to being satisfied, where anything is known."""
    attained, reach = part.maybe("attained", part.number), part.maybe("reach", part.number)
    if attained is None and reach is None:
        return []
    low = "nothing met" if attained is None else f"{downward(attained)} met"
    high = "no bound" if reach is None else f"{upward(reach)} proved"
    told = f"{low}, {high}"
    if word == "sat" and reach is None:  # the search ended at the first point that satisfies it
        reach, told = attained, low
    figure = spans(
        "The margin of the query",
        f"Margin of the query: {told}",
        [Span("margin", attained, reach, told)],
        (0.0, "satisfied from 0 on"),
    )
    what = (
        "The margin of an input is by how much it satisfies the query, the least over the "
        "inequalities of a case, each with coprime whole coefficients: from 0 on the query is "
        "satisfied. The bar runs from the largest margin that was met at a point to the bound that "
        "no point passes."
    )
    return [Section("How near it came", (Text(what), Gallery((figure,))))]


def _networks(networks: tuple[Part, ...]) -> Table | Text:
    if not networks:
        return Text("The run ended before the query and its networks were read.")
    rows = []
    for one in networks:
        target = one.maybe("target", one.words)
        relation = one.maybe("relation", one.words)
        said = f"{relation} {target}" if relation and target else relation or DASH
        rows.append((one.words("name"), said, one.maybe("path", one.words) or DASH))
    caption = "The networks that the query declares, and their files"
    return Table(caption, ("network", "relation", "file"), tuple(rows), words=(1, 2), mono=(2,))
