"""The chapter about a repaired network, from a record of `secateur repair`."""

from __future__ import annotations

from .envelope import (
    BOUNDS,
    REAL,
    REPLAYED,
    again,
    network_facts,
    region_name,
    region_table,
    source_of,
    subtitle,
    trusted,
)
from .figures import Pair, pairs
from .read import Part, Run
from .spans import Span, measured, spans
from .tree import (
    Block,
    Chapter,
    Code,
    Facts,
    Gallery,
    Points,
    Section,
    Style,
    Table,
    Text,
    Verdict,
)
from .wording import DASH, all_of, downward, name_of, plural, seconds, short, thousands, upward

NAMES = ("original", "compressed", "repaired")

DRAWN = 60
"""Rounds that a figure shows; the table has all."""

LISTED = 1000
"""Outputs that a table lists; the record has all."""

REGIONS = 20
"""Regions whose limits are listed; the record has all."""


def repaired(run: Run) -> Chapter:
    """Return the chapter about a repaired network.

    Args:
        run: a record of `repair`.

    Raises:
        FormatError: the record lacks what a chapter needs.
    """
    part = run.part
    networks = part.parts("networks")
    if len(networks) != 2:
        part.wrong("networks", "holds another number than two")
    regions = part.parts("regions")
    if not regions:
        part.wrong("regions", "holds no region")
    names = [name_of(one.words("path")) for one in networks]
    where = region_name(regions[0]) if len(regions) == 1 else plural(len(regions), "region")
    proved = part.one_of("verdict", ("proved", "unknown")) == "proved"
    output = part.part("output")
    files: list[tuple[str, str | None]] = [
        (one.words("path"), one.words("sha256")) for one in networks
    ]
    return Chapter(
        title=f"{names[1]} repaired to stay near {names[0]}",
        subtitle=subtitle(run, plural(len(part.parts("iterations")) - 1, "round")),
        verdict=Verdict.PROVED if proved else Verdict.UNKNOWN,
        source=source_of(run),
        question=(
            Text(
                f"f is {names[0]} and g is {names[1]}, a compressed network. Which numbers of g's "
                f"own format keep every output within {part.words('tolerance')} of f's, for every "
                f"input of {where}?"
            ),
        ),
        answer=_answer(part, proved, where),
        guarantee=Points(_guarantee(part, where)),
        found=(_rounds(part), _outputs(part)),
        body=(*_accuracy(part), _sizes(part), _asked(part, networks, regions)),
        trusted=Points(trusted(run)),
        again=(
            _certify(part),
            *again(run, [*files, (output.words("path"), output.words("sha256"))]),
        ),
    )


def _answer(part: Part, proved: bool, where: str) -> tuple[Text, ...]:
    before, after = part.part("before"), part.part("after")
    tolerance = part.words("tolerance")
    bound = _most(after.maybe("proved", after.number))
    was = _most(before.maybe("proved", before.number))
    met = downward(after.maybe("attained", after.number))
    if proved:
        said = f"Proved on {where}: no output is farther from f's than {tolerance}; bound {bound}."
    elif part.flag("improved"):
        said = f"Not proved to stay within {tolerance}: the best network is proved within {bound}."
    else:
        said = f"Not proved to stay within {tolerance}, and nothing was better than what came in."
    rest = (
        f"Before the repair {was} was proved; {met} is attained at a point by the network that was "
        f"written. The repair ended because {part.words('stop')}."
    )
    texts = [Text(said, Style.STRONG), Text(rest)]
    if not proved:
        least = part.maybe("least_met", part.number)
        texts.append(
            Text(
                "The smallest distance that is reachable in this format is not known; no network "
                f"of it was found that comes nearer than {downward(least)}."
            )
        )
    return tuple(texts)


def _most(value: float | None) -> str:
    return "no bound" if value is None else upward(value)


def _guarantee(part: Part, where: str) -> tuple[tuple[str, str], ...]:
    after = part.part("after")
    boxes = plural(after.count("boxes"), "sub-box", "sub-boxes")
    return (
        (
            "What holds.",
            f"On no input of {where} is any output of the written network farther from f's than "
            "its proved bound below. The network that was certified is the one that ships: its "
            "numbers are those of its format, and the file was read again and proved to hold it.",
        ),
        ("Meaning.", REAL),
        ("How it was proved.", f"Over {boxes}. {BOUNDS} What is attained was {REPLAYED}."),
        (
            "What is not claimed.",
            "Nothing is said about inputs outside the region, about whether f is right, or that no "
            "better network of this format exists. Rates of right labels are measured, not proved.",
        ),
    )


def _rounds(part: Part) -> Section:
    rounds = part.parts("iterations")
    if not rounds:
        part.wrong("iterations", "holds no round")
    limit = _number(part.words("tolerance"))
    figure = spans(
        "From attained to proved, output units",
        "The largest distance from the original, round by round",
        [_span(one) for one in rounds[:DRAWN]],
        None if limit is None else (limit, "tolerance"),
    )
    columns = ("round", "how it was made", "attained", "proved", "kept", "right labels", "seconds")
    rows = tuple(
        (
            str(one.count("number")),
            one.words("move"),
            downward(one.maybe("attained", one.number)),
            _most(one.maybe("proved", one.number)),
            "best so far" if one.flag("best") else DASH,
            _share(one.maybe("accuracy", one.number)),
            seconds(one.number("seconds")),
        )
        for one in rounds
    )
    table = Table("What each round came to", columns, rows, words=(1, 4))
    return Section("Round by round", (measured(), Gallery((figure,)), table))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:  # a quotient such as 1/1000 is not marked
        return None


def _span(one: Part) -> Span:
    low, high = one.maybe("attained", one.number), one.maybe("proved", one.number)
    name = "as it came in" if one.count("number") == 0 else f"round {one.count('number')}"
    return Span(name, low, high, f"{downward(low)} to {_most(high)}", 0.0)


def _outputs(part: Part) -> Section:
    before, after = part.part("before").parts("outputs"), part.part("after").parts("outputs")
    if len(before) != len(after):
        part.wrong("after", "has another number of outputs than before")
    rows = tuple(
        (
            f"output {new.count('index')}",
            downward(old.maybe("attained", old.number)),
            _most(old.maybe("proved", old.number)),
            downward(new.maybe("attained", new.number)),
            _most(new.maybe("proved", new.number)),
        )
        for old, new in list(zip(before, after, strict=True))[:LISTED]
    )
    columns = ("output", "attained before", "proved before", "attained after", "proved after")
    return Section("Output by output", (Table("The largest distances", columns, rows),))


def _share(value: float | None) -> str:
    return DASH if value is None else f"{100.0 * value:.2f}\u202f%"


def _accuracy(part: Part) -> list[Section]:
    if part.empty("accuracy"):
        return []
    rates, data = part.part("accuracy"), part.part("data")
    rows = tuple(
        (
            word,
            thousands(data.part("rows").count(key)),
            *(_share(rates.part(key).number(name)) for name in NAMES),
        )
        for key, word in (("train", "trained on"), ("test", "held out"))
    )
    caption = f"Rows of {data.words('name')} whose largest output is their label"
    return [
        Section("Right labels", (Table(caption, ("part", "rows", *NAMES), rows),)),
    ]


def _sizes(part: Part) -> Section:
    sizes = part.part("packed_bytes").counts_of(NAMES)
    rows = [
        Pair("compressed", sizes["original"], sizes["compressed"]),
        Pair("repaired", sizes["original"], sizes["repaired"]),
    ]
    figure = pairs(
        "bytes of the packed file; before: the original as plain floats",
        "Size before compression, after it and after repair",
        rows,
    )
    return Section("Size", (Gallery((figure,), 27),))


def _asked(part: Part, networks: tuple[Part, ...], regions: tuple[Part, ...]) -> Section:
    rows = tuple(
        (name, one.words("path"), network_facts(one))
        for name, one in zip("fg", networks, strict=True)
    )
    method = part.part("method")
    facts = [
        ("damping of targets", short(method.number("damping"))),
        ("rounds at most", thousands(method.count("iterations"))),
        ("sub-boxes of a certification, about", short(method.maybe("boxes", method.number))),
        ("steps of training in a round", thousands(method.count("steps"))),
        ("linear layers fitted", "yes" if method.flag("fit") else "no"),
    ]
    if not part.empty("data"):
        data = part.part("data")
        files = [name_of(one.words("path")) for one in data.parts("files")]
        facts.append(("data", f"{data.words('name')}: {all_of(files)}"))
    blocks: list[Block] = [
        Table("The networks", ("name", "file", "size"), rows, words=(1, 2), mono=(1,)),
        Facts(tuple(facts)),
        *(region_table(region) for region in regions[:REGIONS]),
    ]
    if len(regions) > REGIONS:
        said = f"{REGIONS} of {len(regions)} regions are listed; the record has all."
        blocks.append(Text(said, Style.SMALL))
    return Section("What was repaired, and how", tuple(blocks))


def _certify(part: Part) -> Section:
    lines = part.texts("certify")
    said = "The distance of the written network from f is enclosed anew, from the files alone, by:"
    return Section("How to certify it", (Text(said), *(Code(line) for line in lines[:REGIONS])))
