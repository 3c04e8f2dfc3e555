"""The chapter about a record of `secateur forget latent`: what predicts the damage."""

from __future__ import annotations

from .envelope import again, recorded, source_of, subtitle
from .read import Part, Run
from .spans import Span, spans
from .tree import Block, Chapter, Facts, Gallery, Points, Section, Style, Table, Text, Verdict
from .wording import DASH, name_of, per_cent, plural, short

LISTED = 600
"""Rows that are listed; the record has all."""

MEANT = {
    "cut": "numbers taken out, the control",
    "ap2 none": "AP2, weights as they are",
    "ap2 unit": "AP2, weights on the unit sphere",
    "ap2 inputs": "AP2 on the layer's inputs",
    "certified": "proved discrepancy",
    "attained": "discrepancy at a point",
}

DAMAGES = {"loss": "rise of the loss", "accuracy": "fall of the accuracy"}

HOLDS = (
    "Losses and accuracies are those on the test rows. The intervals are of resampled layers, 95 "
    "per cent; they say how far the order of these layers carries, not other networks. Divergences "
    "speak of distributions that were assumed about the weights, normal or Student's, with the "
    "covariances that were estimated; nothing is proved by them."
)
PROVED = (
    "The proved discrepancy bounds the largest difference of any output over all points of the "
    "region, in real arithmetic; it says nothing of points outside it."
)


def latent(run: Run) -> Chapter:
    """Return the chapter about divergences and damage.

    Args:
        run: a record of `forget latent`.

    Raises:
        FormatError: the record lacks what a chapter needs.
    """
    part = run.part
    network = part.part("network")
    held = network.maybe("path", network.words)
    name = name_of(held) if held is not None else network.words("architecture")
    rows, groups = part.parts("rows"), part.parts("correlations")
    files = [] if held is None else [(held, network.maybe("sha256", network.words))]
    proved = not part.empty("region")
    return Chapter(
        title=f"What {name} forgets, layer by layer",
        subtitle=subtitle(run, plural(len(rows), "compressed network")),
        verdict=Verdict.DONE if part.flag("complete") else Verdict.UNKNOWN,
        source=source_of(run),
        question=(
            Text(
                f"Each layer of {name} is compressed alone. Does the divergence of its weights "
                "tell how much the network loses by it?"
            ),
        ),
        answer=_answer(part, groups),
        guarantee=Points(
            (("What was measured.", HOLDS), *([("What is proved.", PROVED)] if proved else []))
        ),
        found=(Section("The network and its data", (_facts(part, network),)),),
        body=(
            Section("What predicts the damage", tuple(_pictures(groups))),
            Section("By method and sparsity", tuple(_tables(groups))),
            *_tuned(part.parts("fine_tuning")),
            Section("The layers", tuple(_rows(rows))),
        ),
        trusted=Points(
            (
                (
                    "The arithmetic.",
                    "Training and evaluation are torch's, in float32; the same seed on the same "
                    "machine gives the same weights.",
                ),
                *recorded(run),
            )
        ),
        again=again(run, files, None),
    )


def _pooled(groups: tuple[Part, ...], damage: str, rank: str) -> Part | None:
    """Return the widest group of a damage and a coefficient."""
    for group in reversed(groups):
        if group.words("damage") == damage and group.words("rank") == rank:
            return group
    return None


def _answer(part: Part, groups: tuple[Part, ...]) -> tuple[Text, ...]:
    widest = _pooled(groups, "loss", "spearman")
    if widest is None:
        return (Text("Rows are missing, so nothing was correlated; the study can be resumed."),)
    each = widest.part("each")
    known = {
        name: one.number("value")
        for name in each.value
        if not (one := each.part(name)).empty("value")
    }
    if not known:
        return (Text("The loss is the same in all rows, or there are too few layers."),)
    best = max(known, key=lambda name: known[name])
    said = (
        f"Over {plural(widest.count('rows'), 'row')} of {plural(widest.count('layers'), 'layer')} "
        f"the rise of the loss is ordered best by {meant(best)}: Spearman's correlation "
        f"{_said(each.part(best))}."
    )
    texts = [Text(said, Style.STRONG)]
    over = widest.part("over_certified")
    if over.value:
        better: list[str] = []
        worse: list[str] = []
        open_: list[str] = []
        for name in over.value:
            one = over.part(name)
            if name == "attained" or one.empty("low"):
                continue
            kind = better if one.number("low") > 0 else worse if one.number("high") < 0 else open_
            kind.append(meant(name))
        for kind, words in (
            (better, "Better than the proved discrepancy, beyond doubt of the resamples"),
            (worse, "Worse than the proved discrepancy, likewise"),
            (open_, "Not told apart from it"),
        ):
            if kind:
                texts.append(Text(f"{words}: {'; '.join(kind)}."))
    return tuple(texts)


def meant(name: str) -> str:
    """Return a predictor in words."""
    if name in MEANT:
        return MEANT[name]
    kind, _, spread = name.partition(" ")
    words = {"ap3": "AP3, normal", "student": "AP3, Student", "general": "AP3, own covariance"}
    return f"{words.get(kind, kind)}, {spread}"


def _facts(part: Part, network: Part) -> Facts:
    data, before = part.part("data"), part.part("before")
    samples, training = part.part("samples"), part.part("training")
    pairs = [
        ("layers", str(len(network.parts("layers")))),
        (
            "data",
            f"{data.words('name')}: {data.count('train')} rows to train on, "
            f"{data.count('test')} to measure with",
        ),
        ("loss before", short(before.number("loss"))),
        ("training", f"{plural(training.count('epochs'), 'epoch')} first"),
        (
            "samples of the weights",
            f"{samples.count('count')} {samples.words('kind')}, {samples.count('every')} steps "
            f"apart; {samples.count('examples')} rows for Fisher information",
        ),
        ("degrees of freedom", short(part.number("freedom"))),
    ]
    accuracy = before.maybe("accuracy", before.number)
    if accuracy is not None:
        pairs.insert(3, ("accuracy before", per_cent(accuracy, 1.0, 2)))
    region = part.maybe("region", part.words)
    if region is not None:
        pairs.append(("certified over", region))
    return Facts(tuple(pairs))


def _said(one: Part) -> str:
    if one.empty("value"):
        return DASH
    value = short(one.number("value"), 2)
    if one.empty("low") or one.empty("high"):
        return value
    return f"{value} [{short(one.number('low'), 2)}, {short(one.number('high'), 2)}]"


def _pictures(groups: tuple[Part, ...]) -> list[Block]:
    figures = []
    for damage, words in DAMAGES.items():
        widest = _pooled(groups, damage, "spearman")
        if widest is None:
            continue
        each = widest.part("each")
        rows = [
            Span(name, one.number("low"), one.number("high"), _said(one))
            for name in each.value
            if not ((one := each.part(name)).empty("low") or one.empty("high"))
        ]
        if rows:
            title = f"Spearman's correlation of predictors with the {words}, 95 % intervals"
            figures.append(spans(f"All rows: {words}", title, rows))
    if not figures:
        return [Text("There is nothing to draw.")]
    return [Gallery(tuple(figures))]


def _tables(groups: tuple[Part, ...]) -> list[Block]:
    blocks: list[Block] = []
    for damage, words in DAMAGES.items():
        for rank in ("spearman", "kendall"):
            chosen = [
                one for one in groups if (one.words("damage"), one.words("rank")) == (damage, rank)
            ]
            if not chosen:
                continue
            names = list(dict.fromkeys(name for one in chosen for name in one.part("each").value))
            rows = []
            for one in chosen:
                share = one.maybe("sparsity", one.number)
                each = one.part("each")
                rows.append(
                    (
                        one.maybe("method", one.words) or "all methods",
                        "all" if share is None else short(share),
                        str(one.count("rows")),
                        *(_said(each.part(name)) if each.has(name) else DASH for name in names),
                    )
                )
            caption = f"{rank.capitalize()}: correlation with the {words}, [95 % interval]"
            columns = ("method", "sparsity", "rows", *names)
            blocks.append(Table(caption, columns, tuple(rows)))
    return blocks or [Text("Nothing was correlated.")]


def _tuned(curves: tuple[Part, ...]) -> tuple[Section, ...]:
    if not curves:
        return ()
    rows = []
    for curve in curves:
        for one in curve.parts("epochs"):
            ap3 = one.part("ap3")
            accuracy = one.maybe("accuracy", one.number)
            rows.append(
                (
                    curve.words("method"),
                    short(curve.number("sparsity")),
                    str(one.count("epoch")),
                    ", ".join(f"{short(ap3.number(kind))} {kind}" for kind in ap3.value),
                    short(one.number("loss")),
                    DASH if accuracy is None else per_cent(accuracy, 1.0, 2),
                )
            )
    table = Table(
        "The whole network compressed, then trained within its compression",
        ("method", "sparsity", "epoch", "AP3 of all weights, nats", "loss", "accuracy"),
        tuple(rows[:LISTED]),
        words=(3,),
    )
    return (Section("Along fine-tuning", (table,)),)


def _rows(rows: tuple[Part, ...]) -> list[Block]:
    listed = []
    for row in rows[:LISTED]:
        ap2, ap3 = row.part("ap2"), row.part("ap3")
        accuracy = row.maybe("accuracy", row.number)
        certified = None if row.empty("certified") else row.part("certified")
        enclosed = DASH
        if certified is not None:
            most = certified.maybe("proved", certified.number)
            enclosed = f"{short(certified.number('attained'))} to {short(most)}"
        listed.append(
            (
                row.words("layer"),
                row.words("method"),
                short(row.number("sparsity")),
                short(ap2.number("none")),
                ", ".join(
                    f"{short(ap3.part(kind).number('gaussian'))} {kind}" for kind in ap3.value
                ),
                short(row.number("loss")),
                DASH if accuracy is None else per_cent(accuracy, 1.0, 2),
                enclosed,
            )
        )
    columns = (
        "layer",
        "method",
        "sparsity",
        "AP2",
        "AP3, nats",
        "rise of loss",
        "fall of accuracy",
        "discrepancy, attained to proved",
    )
    blocks: list[Block] = [
        Table("Every layer compressed alone", columns, tuple(listed), words=(1, 4, 7))
    ]
    if len(rows) > LISTED:
        blocks.append(Text(f"{LISTED} of {len(rows)} rows; the record has all.", Style.SMALL))
    return blocks
