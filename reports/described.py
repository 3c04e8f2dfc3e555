"""The chapter about a record of `secateur info`: what a network's file holds."""

from __future__ import annotations

from .envelope import again, network_facts, recorded, source_of, subtitle
from .read import Part, Run
from .tree import Block, Chapter, Points, Section, Style, Table, Text, Verdict
from .wording import DASH, name_of, plain, plural, thousands

LISTED = 400
"""Layers, and inputs, that are listed; the record has all."""

READ = (
    "The file was read, and compared with its own runtime on 64 points where it has one. Nothing "
    "was proved of the network, and nothing is claimed of its values."
)


def described(run: Run) -> Chapter:
    """Return the chapter about a network's file.

    Args:
        run: a record of `info`.

    Raises:
        FormatError: the record lacks what a chapter needs.
    """
    part = run.part
    network, layers = part.part("network"), part.parts("layers")
    path = network.words("path")
    name = name_of(path)
    ends = (_shape(network.limits("input_shape")), _shape(network.limits("output_shape")))
    return Chapter(
        title=f"What {name} holds",
        subtitle=subtitle(run),
        verdict=Verdict.DONE,
        source=source_of(run),
        question=(Text(f"Which network does {name} hold?"),),
        answer=(
            Text(network_facts(network), Style.STRONG),
            Text(
                f"It is a file of the format {network.words('format')}; input {ends[0]}, output "
                f"{ends[1]}, {plural(len(layers), 'layer')}."
            ),
        ),
        guarantee=Points((("What holds.", READ),)),
        body=(
            Section("The layers", tuple(_layers(layers))),
            Section("Raw units", tuple(_units(part))),
        ),
        trusted=Points(
            (("The reading.", "That the file was read as it is meant."), *recorded(run))
        ),
        again=again(run, [(path, network.maybe("sha256", network.words))], None),
    )


def _shape(sizes: tuple[float, ...]) -> str:
    return " x ".join(thousands(size) for size in sizes) or "a single number"


def _layers(layers: tuple[Part, ...]) -> list[Block]:
    rows = []
    for layer in layers[:LISTED]:
        states = layer.counts("states")
        counts = ", ".join(f"{thousands(n)} {word}" for word, n in states.items() if n)
        shape, reads = _shape(layer.limits("shape")), ", ".join(layer.texts("reads"))
        kind = layer.words("kind")
        rows.append((layer.words("name"), kind, shape, counts or DASH, reads or DASH))
    columns = ("layer", "computes", "shape", "neurons", "reads")
    blocks: list[Block] = [
        Table("Layers, in the order in which they are computed", columns, tuple(rows), (1, 2, 3, 4))
    ]
    if len(layers) > LISTED:
        said = f"{LISTED} of {thousands(len(layers))} layers are listed; the record has all."
        blocks.append(Text(said, Style.SMALL))
    return blocks


def _units(part: Part) -> list[Block]:
    if part.empty("normalisation"):
        return [Text("No normalisation is stated: raw units have no meaning for this network.")]
    normal = part.part("normalisation")
    names = ("minimum", "maximum", "mean", "range")
    sides = [normal.numbers(name) for name in names]
    if len({len(side) for side in sides}) != 1:
        normal.wrong("minimum", "has another number of inputs than the others")
    rows = tuple(
        (f"input {at}", *map(plain, values))
        for at, values in enumerate(zip(*(side[:LISTED] for side in sides), strict=True))
    )
    columns = ("input", "smallest", "largest", "mean", "range")
    mean, wide = (normal.maybe(f"output_{word}", normal.number) for word in ("mean", "range"))
    said = f"Raw output = network output * {plain(wide)} + {plain(mean)}."
    return [Table("Network input = (raw input - mean) / range", columns, rows), Text(said)]
