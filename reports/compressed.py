"""The chapter about a record of `secateur compress`: what a network lost, and what is left."""

from __future__ import annotations

from .envelope import again, network_facts, region_name, region_table, source_of, subtitle, trusted
from .figures import Pair, pairs
from .read import Part, Run
from .tree import Block, Chapter, Code, Gallery, Points, Section, Style, Table, Text, Verdict
from .wording import DASH, name_of, per_cent, plural, short, thousands

LISTED = 400
"""Layers, and outputs, that are listed; the record has all."""

SIZES = (
    ("packed_bytes", "packed file", " bytes"),
    ("file_bytes", "network file", " bytes"),
    ("nonzero", "weights and biases that are not zero", ""),
    ("parameters", "weights and biases", ""),
    ("multiply_adds", "multiply-adds", ""),
    ("neurons", "ReLU neurons", ""),
)
"""Sizes before and after, the one that counts first."""

METHODS = {
    "magnitude": "by setting its smallest weights to zero",
    "random": "by setting weights drawn at random to zero",
    "rows": "by removing its neurons and channels with the smallest weights",
    "float16": "by rounding weights and biases to float16",
    "int8-weights": "by rounding weights to eight bits, with a scale for each output channel",
    "int8": "by rounding weights and activations to eight bits, with powers of two for scales",
    "lowrank": "by writing layers as products of two smaller ones",
}
"""What the methods do."""

HOLDS = (
    "The file computes exactly what the compressed network is said to compute, up to float32 "
    "rounding; with fixed-point activations nothing rounds but where the network says so, and the "
    "runtime gave the same bits. How far that is from the original is not proved: the differences "
    "below were seen at points, and there can be larger ones between them."
)

FORMS = {
    "float32": "float32",
    "masked": "float32, zeros kept zero",
    "float16": "float16",
    "int8": "int8",
    "int32": "int32",
    "fixed": "as they are",
}
"""What the words for forms mean."""


def compressed(run: Run) -> Chapter:
    """Return the chapter about a compressed network.

    Args:
        run: a record of `compress`.

    Raises:
        FormatError: the record lacks what a chapter needs.
    """
    part = run.part
    network, output = part.part("network"), part.part("output")
    path, how = network.words("path"), part.part("method").words("name")
    name = name_of(path)
    files = [(path, network.maybe("sha256", network.words))]
    files.append((output.words("path"), output.words("sha256")))
    if not part.empty("pack"):
        files.append((part.part("pack").words("path"), part.part("pack").words("sha256")))
    return Chapter(
        title=f"{name}, compressed by {how}",
        subtitle=subtitle(run),
        verdict=Verdict.DONE,
        source=source_of(run),
        question=(
            Text(f"How small does {name} get {METHODS.get(how, 'by ' + how)}, and what is lost?"),
        ),
        answer=(Text(_sizes_said(part), Style.STRONG), Text(_loss_said(part))),
        guarantee=Points((("What holds.", HOLDS),)),
        body=(
            Section("Sizes", tuple(_sizes(part))),
            Section("What was lost, as points show it", tuple(_seen(part))),
            Section("The layers", tuple(_layers(part.parts("layers")))),
            Section("The network", tuple(_network(part, network))),
        ),
        trusted=Points(trusted(run)),
        again=again(run, files, None),
    )


def _sizes_said(part: Part) -> str:
    before, after = part.part("before"), part.part("after")
    one, two = before.count("packed_bytes"), after.count("packed_bytes")
    return (
        f"The packed file has {plural(two, 'byte')}, {per_cent(two, one, 1)} of the original's "
        f"{thousands(one)}; {thousands(after.count('nonzero'))} of "
        f"{thousands(before.count('nonzero'))} numbers that are not zero are left."
    )


def _loss_said(part: Part) -> str:
    if part.empty("seen"):
        return "Nothing was looked at: neither a region nor data were named."
    seen = part.part("seen")
    said = (
        f"At {plural(seen.count('points'), 'point')} no output moved by more than "
        f"{short(seen.number('difference'))}; {per_cent(seen.number('same_largest'), 1.0, 1)} of "
        f"them keep the same largest output, {per_cent(seen.number('same_smallest'), 1.0, 1)} the "
        "same smallest one."
    )
    if not seen.empty("accuracy"):
        accuracy = seen.part("accuracy")
        one, two = (per_cent(accuracy.number(key), 1.0, 2) for key in ("before", "after"))
        said += f" Accuracy on {part.part('data').words('name')}: {one} before, {two} after."
    return said


def _sizes(part: Part) -> list[Block]:
    before, after = part.part("before"), part.part("after")
    rows, drawn = [], []
    for key, said, unit in SIZES:
        one, two = (side.maybe(key, side.count) for side in (before, after))
        told = [DASH if count is None else thousands(count) for count in (one, two)]
        left = DASH if one is None or two is None else per_cent(two, one, 1)
        rows.append((said, *told, left))
        if one and two is not None:
            drawn.append(Pair(said, one, two, unit=unit))
    picture = pairs("before and after", "Sizes before and after compression", drawn)
    caption = "Sizes before and after; bytes of the packed file are those of the shipped numbers"
    table = Table(caption, ("", "before", "after", "left"), tuple(rows))
    return [Gallery((picture,)), table] if drawn else [table]


def _seen(part: Part) -> list[Block]:
    certify: list[Block] = [Text("To bound it over the whole region:"), Code(part.line("certify"))]
    if part.empty("seen"):
        return [Text("Nothing was looked at."), *certify]
    outputs = part.part("seen").parts("outputs")
    rows = tuple(
        (
            f"output {one.count('index')}",
            short(one.maybe("difference", one.number)),
            short(one.maybe("largest", one.number)),
        )
        for one in outputs[:LISTED]
    )
    caption = "Largest difference of each output that was seen, and its largest magnitude"
    blocks: list[Block] = [Table(caption, ("output", "difference", "magnitude"), rows)]
    if len(outputs) > LISTED:
        said = f"{LISTED} of {thousands(len(outputs))} outputs are listed; the record has all."
        blocks.append(Text(said, Style.SMALL))
    return [*blocks, *certify]


def _layers(layers: tuple[Part, ...]) -> list[Block]:
    rows = []
    for one in layers[:LISTED]:
        weights, zeros = one.count("weights"), one.count("zeros")
        step = one.maybe("step", one.number)
        forms = [FORMS.get(one.words(key), one.words(key)) for key in ("weight", "bias")]
        counts = thousands(weights), per_cent(zeros, weights, 1)
        rows.append((one.words("layer"), *forms, *counts, short(step)))
    columns = ("layer", "weights are", "biases are", "weights", "zeros", "step of what it reads")
    caption = "How the numbers of each layer are stored"
    blocks: list[Block] = [Table(caption, columns, tuple(rows), words=(1, 2))]
    if len(layers) > LISTED:
        said = f"{LISTED} of {thousands(len(layers))} layers are listed; the record has all."
        blocks.append(Text(said, Style.SMALL))
    return blocks


def _network(part: Part, network: Part) -> list[Block]:
    blocks: list[Block] = [Text(network_facts(network))]
    if not part.empty("region"):
        region = part.part("region")
        blocks += [Text(f"Points were taken from {region_name(region)}."), region_table(region)]
    if not part.empty("data"):
        data = part.part("data")
        rows = plural(data.count("rows"), "row")
        blocks.append(Text(f"Data: {data.words('name')}, {rows}."))
    return blocks
