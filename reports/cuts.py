"""The chapter about a network and its cuts, from a record of `secateur simplify` or `demo`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..commands.maps import Map
from .colours import LATER
from .cut_pictures import pictures
from .cut_tables import answers, saved, tables
from .envelope import (
    BOUNDS,
    REAL,
    again,
    network_facts,
    proofs_in,
    region_name,
    source_of,
    subtitle,
    trusted,
)
from .read import Part, Run
from .tree import Chapter, Points, Section, Style, Text, Verdict
from .wording import all_of, name_of, per_cent, plural, sentence, thousands, upward

SPELLED = 3
"""Regions up to which the guarantee of each is spelled out, where all are equal."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What a record does not hold: pictures of the networks themselves, and names.

    Attributes:
        maps: for each region its map, None where there is nothing to show.
        inputs: name and raw unit of each input; empty where nobody has said.
    """

    maps: Sequence[Map | None] = ()
    inputs: Sequence[str] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """One network and what was found about it.

    Attributes:
        name: of the network.
        title: one line for people; empty where there is none.
        network: its record.
        cuts: one for each region, at least one.
        keep: what was to stay: outputs, argmin or argmax.
        seen: what the record does not hold.
    """

    name: str
    title: str
    network: Part
    cuts: tuple[Part, ...]
    keep: str
    seen: Seen

    def every(self, key: str) -> bool:
        """Return whether a flag is set in all cuts."""
        return all(cut.flag(key) for cut in self.cuts)

    @property
    def best_only(self) -> bool:
        """Whether the best output alone is kept in a cut."""
        return self.keep != "outputs" or any(cut.empty("distance") for cut in self.cuts)

    @property
    def removals(self) -> list[str]:
        """The steps beyond the phases that removed something."""
        return [step for step in LATER if any(cut.part("removed").count(step) for cut in self.cuts)]


def subjects(run: Run, seen: Sequence[Seen] = ()) -> list[Subject]:
    """Return the networks of a record.

    Args:
        run: a record of `simplify` or `demo`.
        seen: for each of them what the record does not hold; empty for nothing.
    """
    part, found = run.part, []
    holders = (part,) if run.verb == "simplify" else part.parts("controllers")
    for index, one in enumerate(holders):
        network, cuts = one.part("network"), one.parts("cuts")
        if not cuts:
            one.wrong("cuts", "holds no region")
        lone = run.verb == "simplify"
        name = name_of(network.words("path")) if lone else one.words("name")
        keep = one.one_of("keep", ("outputs", "argmin", "argmax")) if lone else "outputs"
        title = "" if lone else one.words("title")
        own = seen[index] if seen else Seen()
        found.append(Subject(name, title, network, cuts, keep, own))
    if not found:
        part.wrong("controllers", "holds no network")
    return found


def simplified(run: Run, seen: Sequence[Seen] = ()) -> list[Chapter]:
    """Return a chapter for each network of a record.

    Args:
        run: a record of `simplify` or `demo`.
        seen: for each network what the record does not hold; empty for nothing.

    Raises:
        FormatError: the record lacks what a chapter needs.
    """
    return [_chapter(run, subject) for subject in subjects(run, seen)]


def _chapter(run: Run, subject: Subject) -> Chapter:
    cuts = subject.cuts
    files: list[tuple[str, str | None]] = [
        (subject.network.words("path"), subject.network.words("sha256"))
    ]
    files += [
        (out.words("path"), out.words("sha256")) for out in (cut.part("output") for cut in cuts)
    ]
    without = "without loss" if subject.every("exact") else "and what stays"
    return Chapter(
        title=f"What {subject.name} can lose {without}",
        subtitle=subtitle(run, plural(len(cuts), "region")),
        verdict=Verdict.PROVED,
        source=source_of(run),
        question=_question(run, subject),
        answer=_answer(subject),
        guarantee=Points(_guarantee(subject)),
        found=(
            Section("The networks", (_about(subject), *answers(subject.cuts, subject.removals))),
        ),
        body=(
            *pictures(subject.name, cuts, subject.seen.maps, _inside(subject)),
            *tables(subject.cuts, subject.removals, subject.seen.inputs),
        ),
        trusted=Points(trusted(run, *_rests(cuts))),
        again=again(run, files, proofs_in(run.part, *cuts)),
    )


def _about(subject: Subject) -> Text:
    return Text(
        network_facts(subject.network, f"{sentence(subject.title)} " if subject.title else "")
    )


def _question(run: Run, subject: Subject) -> tuple[Text, ...]:
    if subject.best_only:
        stays = "the best output stays what it was"
    elif subject.every("exact"):
        stays = "every output stays what it was"
    else:
        stays = "no output moves by more than is stated"
    said = (
        "A neural network is bought for all its inputs, and used on some of them. Which of its "
        f"neurons can be taken out so that, for every input of a stated region, {stays}? A region "
        "is a closed box of inputs; a neuron can go without any loss if over the whole box it is "
        "always zero, or always just passes its input on."
    )
    if subject.removals:
        said += (
            " Others can go together if what they move at the outputs is proved to keep the "
            "guarantee."
        )
    texts = [Text(said)]
    until = run.part.words("until") if run.part.has("until") else ""
    if until:
        texts.append(
            Text(f"Asked of the layers up to {until}: its values take the place of outputs.")
        )
    return tuple(texts)


def _answer(subject: Subject) -> tuple[Text, ...]:
    cuts = subject.cuts
    best = max(cuts, key=saved)
    before, after, name = best.part("before"), best.part("after"), region_name(best.part("region"))
    stays = (
        f"{after.count('neurons')} of {before.count('neurons')} ReLU neurons stay, and "
        f"{thousands(after.count('multiply_adds'))} of "
        f"{thousands(before.count('multiply_adds'))} multiply-adds "
        f"({per_cent(saved(best), 1.0)} saved)."
    )
    if len(cuts) == 1:
        first = f"Over {name} {stays}"
    else:
        first = f"Most goes over {name}: {stays} The tables below have every region."
    texts = [Text(first), Text(_kept(subject), Style.STRONG)]
    for cut in cuts:
        if cut.flag("constant"):
            where = region_name(cut.part("region"))
            same = "every input of the region gives the same outputs."
            texts.append(Text(f"Over {where} the network is constant: {same}"))
    still = sum(cut.part("phases").count("open") for cut in cuts)
    if still:
        texts.append(
            Text(
                f"{plural(still, 'neuron')} could not be decided in the time given. Where no later "
                "step removed them they were kept; this costs size and nothing else."
            )
        )
    return tuple(texts)


def _kept(subject: Subject) -> str:
    one, where = len(subject.cuts) == 1, "at every point of its region"
    if subject.every("exact"):
        each = (
            "The simplified network equals the original"
            if one
            else "Every simplified network equals its original"
        )
        there = "at every point of the region" if one else where
        return f"{each} {there}, in real arithmetic. Nothing was lost."
    if subject.best_only:
        held = "keeps the best output of its original"
        return f"Every simplified network {held} {where}, as stated below, in real arithmetic."
    held = "is within the stated distance of its original"
    return f"Every simplified network {held} {where}, in real arithmetic."


def _guarantee(subject: Subject) -> tuple[tuple[str, str], ...]:
    cuts = subject.cuts
    few = len(cuts) <= SPELLED
    points = [("", cut.words("guarantee")) for cut in cuts if few or not cut.flag("exact")]
    if not few and subject.every("exact"):
        equal = "the simplified network equals the original for every input in the region"
        points.append(("", f"For every region: {equal}, in real arithmetic."))
    how = (
        "For each neuron that went by its phase, a bound on its input over the whole box shows "
        "that it never changes sign."
    )
    if subject.removals:
        how += (
            " Neurons removed by later steps were proved together: the claim about the original "
            "and the network without all of them, taken side by side, was bounded over boxes that "
            "cover the region."
        )
    points += [
        ("Meaning.", REAL),
        ("How it was proved.", f"{how} {BOUNDS}"),
        (
            "What is not claimed.",
            "Nothing is said outside the region, nor about whether the original is right. "
            + _floats(cuts),
        ),
    ]
    return tuple(points)


def _floats(cuts: Sequence[Part]) -> str:
    """Return how the files differ as they round."""
    replays = [cut.part("replayed") for cut in cuts]
    apart = [one.maybe("float_difference", one.number) or 0.0 for one in replays]
    tried = max(one.count("float_points") for one in replays)
    said = (
        "Files compute in their own element type, so both round a little differently: the largest "
        f"difference seen at {thousands(tried)} points of a region was {upward(max(apart), 2)}."
    )
    broken = [one.maybe("disagreements", one.count) for one in replays]
    if any(broken):
        count = thousands(sum(one or 0 for one in broken))
        said += (
            f" At {count} of all these points the files, as they round, break what holds in real "
            "arithmetic."
        )
    return said


def _rests(cuts: Sequence[Part]) -> tuple[tuple[str, str], ...]:
    replays = [cut.part("replayed") for cut in cuts]
    points = all_of([thousands(n) for n in sorted({one.count("exact_points") for one in replays})])
    near = ""
    if all(not one.empty("disagreements") for one in replays):
        near = ", among them those at which floats came nearest to breaking the guarantee"
    return (
        (
            "What was checked again.",
            "Each active neuron has two points of the region, one on either side of zero, replayed "
            "in exact rational arithmetic and, where the network is an ONNX file, through "
            "onnxruntime. Each simplified file was read back and compared with its original at "
            f"{points} points of the region in exact rational arithmetic{near}; a point that "
            "breaks what is proved would have stopped the work.",
        ),
    )


def _inside(subject: Subject) -> str:
    """Return what a map says of its box."""
    if subject.every("exact"):
        return "both networks are proved to be equal"
    if subject.best_only:
        return "the best output is proved to stay as stated"
    return "both networks are proved to be as close as stated"
