"""The chapter about a self-compressed network, from a record of `secateur selfcompress`."""

from __future__ import annotations

from .envelope import again, network_facts, source_of, subtitle, trusted
from .read import Part, Run
from .selfcompressed_pictures import Series, curves
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
from .wording import DASH, name_of, per_cent, plural, short, thousands

LISTED = 400
"""Epochs, and images, that are listed; the record has all."""

HOLDS = (
    "The network file and the packed file hold the same numbers, bit for bit; both were read again "
    "before they were written. Bytes are those of the packed file. Every removed channel was 0 for "
    "every input, so removing it changes no output: the sums it was part of lose terms that are "
    "exactly 0."
)
SEEN = (
    "Rates of right labels are measured on rows, not proved. Validation rows of the safety set are "
    "left out where validation is measured. Test rows were neither trained on, nor drawn into the "
    "safety set, nor looked at before the end."
)


def selfcompressed(run: Run) -> Chapter:
    """Return the chapter about a self-compressed network.

    Args:
        run: a record of `selfcompress`.

    Raises:
        FormatError: the record lacks what a chapter needs.
    """
    part = run.part
    network, output = part.part("network"), part.part("output")
    name = name_of(network.words("path"))
    files: list[tuple[str, str | None]] = [(output.words("path"), output.words("sha256"))]
    if network.words("sha256"):
        files.insert(0, (network.words("path"), network.words("sha256")))
    if not part.empty("pack"):
        files.append((part.part("pack").words("path"), part.part("pack").words("sha256")))
    looks = part.parts("curve")
    if not looks:
        part.wrong("curve", "holds no look")
    return Chapter(
        title=f"How few bits {name} needs",
        subtitle=subtitle(run, plural(len(looks) - 1, "epoch")),
        verdict=Verdict.DONE if part.flag("complete") else Verdict.UNKNOWN,
        source=source_of(run),
        question=(
            Text(
                f"How many bits does each channel of {name} need, when a network is trained to "
                f"tell the rows of {part.part('data').words('name')} apart and to be small?"
            ),
        ),
        answer=_answer(part),
        guarantee=Points(_guarantee(part)),
        found=(Section("The training", tuple(_training(part, looks))),),
        body=(
            Section("The layers", (_layers(part),)),
            *_safety(part),
            Section("What was asked", tuple(_asked(part, network))),
        ),
        trusted=Points(trusted(run)),
        again=again(run, files, None),
    )


def _answer(part: Part) -> tuple[Text, ...]:
    size, whole = part.count("packed_bytes"), part.count("float_bytes")
    mean = part.count("weight_bits") / max(1, part.count("weights"))
    said = (
        f"The packed file has {plural(size, 'byte')}, {per_cent(size, whole, 1)} of the plain "
        f"floats' {thousands(whole)}: {short(mean, 3)} bits for each weight there was."
    )
    texts = [Text(said, Style.STRONG)]
    if not part.empty("accuracy"):
        rates = part.part("accuracy")
        words = [
            f"{name} {_rate(rates.part(name).number('original'))} before and "
            f"{_rate(rates.part(name).number('compressed'))} after"
            for name in ("train", "validation", "test")
            if rates.has(name)
        ]
        texts.append(Text(f"Rows with the right label: {'; '.join(words)}."))
    if not part.flag("complete"):
        texts.append(Text("The time ended before all epochs were done."))
    return tuple(texts)


def _guarantee(part: Part) -> tuple[tuple[str, str], ...]:
    points = [("What holds.", HOLDS)]
    if not part.empty("certified"):
        kept = part.part("certified")
        points.append(
            (
                "What is proved.",
                f"Around {plural(kept.count('proved'), 'image')} of the safety set, for every "
                f"input that differs by at most {kept.words('radius')} anywhere and stays in the "
                "set's range, the output of the image's label is above all others, in real "
                "arithmetic.",
            )
        )
    return (*points, ("What is not claimed.", SEEN))


def _training(part: Part, looks: tuple[Part, ...]) -> list[Block]:
    epochs = [look.count("epoch") for look in looks]
    labelled = not part.empty("accuracy")
    rates = [
        Series(name, tuple(look.maybe(key, look.number) for look in looks))
        for key, name in (("train", "train"), ("validation", "validation"), ("safety", "safety"))
        if any(look.has(key) for look in looks)
    ]
    sizes = Series("bytes", tuple(float(look.count("bytes")) for look in looks))
    marks = [
        (look.count("epoch"), f"{look.count('restored')} restored")
        for look in looks
        if look.count("restored")
    ]
    figures = [curves("packed file, bytes", "Bytes of the packed file", epochs, [sizes], marks)]
    if rates:
        caption = "rows with the right label" if labelled else "mean squared error"
        title = "Accuracy over the training" if labelled else "Error over the training"
        figures.append(curves(caption, title, epochs, rates, marks, labelled))
    columns = ("epoch", "bytes", "bits of weights", "Q", "train", "validation", "safety", "event")
    rows = tuple(
        (
            str(look.count("epoch")),
            thousands(look.count("bytes")),
            thousands(look.count("weight_bits")),
            short(look.number("size")),
            _maybe(look, "train", labelled),
            _maybe(look, "validation", labelled),
            _maybe(look, "safety", labelled),
            _event(look),
        )
        for look in looks[:LISTED]
    )
    return [Gallery(tuple(figures)), Table("Epoch by epoch", columns, rows, words=(7,))]


def _event(look: Part) -> str:
    words = []
    if look.count("removed"):
        words.append(f"{plural(look.count('removed'), 'channel')} removed")
    if look.count("restored"):
        words.append(f"{plural(look.count('restored'), 'channel')} restored")
    if look.flag("held"):
        words.append("bits held")
    return ", ".join(words) or DASH


def _maybe(look: Part, key: str, labelled: bool) -> str:
    value = look.maybe(key, look.number)
    if value is None:
        return DASH
    return _rate(value) if labelled else short(value)


def _rate(value: float) -> str:
    return per_cent(value, 1.0, 2)


def _layers(part: Part) -> Table:
    rows = []
    for number, one in enumerate(part.parts("layers"), start=1):
        bits = one.limits("bits")
        mean = sum(bits) / len(bits) if bits else 0.0
        rows.append(
            (
                f"layer {number}",
                thousands(one.count("channels")),
                thousands(one.count("kept")),
                thousands(one.count("inputs")),
                short(mean, 3),
                short(max(bits, default=0.0)),
            )
        )
    columns = ("layer", "channels before", "after", "input channels", "mean bits", "most bits")
    return Table("Channels and bits of each layer", columns, tuple(rows))


def _safety(part: Part) -> tuple[Section, ...]:
    if part.empty("safety"):
        return ()
    safety = part.part("safety")
    reasons = safety.counts("reasons")
    told = ", ".join(f"{count} for {word}" for word, count in reasons.items())
    blocks: list[Block] = [
        Text(
            f"{plural(safety.count('images'), 'image')} of the training and validation rows: "
            f"{told}. Their loss has the weight {short(safety.number('lambda'))}; where their "
            f"accuracy falls by more than {per_cent(safety.number('threshold'), 1.0, 1)} below its "
            "best, half of the channels without bits are restored, "
            f"{plural(safety.count('restores'), 'time')} at most."
        )
    ]
    if not part.empty("certified"):
        kept = part.part("certified")
        rows = tuple(
            (f"row {one.count('row')}", str(one.count("label")), one.words("verdict"))
            for one in kept.parts("images")[:LISTED]
        )
        said = (
            f"Proved {kept.count('proved')}, refuted {kept.count('refuted')}, open "
            f"{kept.count('unknown')}, within {kept.words('radius')}"
        )
        blocks.append(Table(said, ("image", "label", "verdict"), rows, words=(2,)))
    return (Section("The safety set", tuple(blocks)),)


def _asked(part: Part, network: Part) -> list[Block]:
    plan, data = part.part("plan"), part.part("data")
    rows = data.counts("rows")
    most = plan.maybe("most_bytes", plan.count)
    facts = (
        ("data", data.words("name")),
        ("rows", ", ".join(f"{count} {name}" for name, count in rows.items())),
        ("gamma", short(plan.number("gamma"))),
        ("epochs", str(plan.count("epochs"))),
        ("batch", str(plan.count("batch"))),
        ("bits at first", short(plan.number("bits"))),
        ("bytes at most", "none asked for" if most is None else thousands(most)),
    )
    blocks: list[Block] = [Text(network_facts(network, "Before: ")), Facts(facts)]
    if not part.empty("certify"):
        blocks += [
            Text("How far the outputs moved on a region is certified by:"),
            Code(part.line("certify")),
        ]
    return blocks
