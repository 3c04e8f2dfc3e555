"""What `secateur compare` says: the record, and the same for people."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.discrepancy import Norm, Span
from ..engine.rounding import RUNTIME_ASSUMPTION, float_above
from ..engine.verdict import Refuted
from .comparison import EQUAL, GAP, Member, Pair
from .options import TIES, Arithmetic, Exit, Options
from .record import Record, envelope, network_record, number, region_record
from .terminal import Terminal, above, below

if TYPE_CHECKING:
    from .compare import Order, Outcome

Point = tuple[Fraction, ...]

WIDEST = 12
"""Inputs up to which points are printed for people."""


def comparison_record(order: Order, options: Options, outcome: Outcome) -> Record:
    """Return the record of a comparison; see docs/json.md."""
    pair, answer, found = outcome.pair, outcome.answer, outcome.found
    verdict = {Exit.DONE: "proved", Exit.REFUTED: "refuted"}.get(outcome.end, "unknown")
    points = _points(outcome)
    where = {point: index for index, point in enumerate(points)}
    method = getattr(answer.verdict, "method", None) if answer else None
    assumed = order.semantics is Arithmetic.FLOAT32
    home = next((n for n in pair.networks if n.normalisation), pair.networks[0]) if pair else None
    return envelope(
        "compare",
        options,
        outcome.end,
        time.monotonic() - order.began,
        networks=[network_record(network) for network in pair.networks] if pair else None,
        region=region_record(pair.region, home) if pair and home else None,
        question=_question(order),
        semantics=order.semantics.value,
        assumption=RUNTIME_ASSUMPTION if assumed else None,
        rounding=_rounding(outcome),
        verdict=verdict if order.asks else None,
        gap_reached=found.closed if found else None,
        reason=outcome.reason or None,
        method=method.value if method else None,
        note=(answer.note or None) if answer else None,
        boxes=(answer or found).boxes if answer or found else 0,  # type: ignore[union-attr]
        explain=outcome.explained.record() if outcome.explained else None,
        attained=number(answer.attained) if answer else None,
        reach=number(answer.reach) if answer else None,
        outputs=[{"index": index, **_span(span, where)} for index, span in enumerate(found.outputs)]
        if found
        else None,
        norms={norm.value: _span(span, where) for norm, span in found.norms.items()}
        if found
        else None,
        witnesses=_witnesses(pair, points) if pair and points else [],
    ) | {"timeout": None if math.isinf(order.limit) else order.limit}


def _question(order: Order) -> Record:
    gap = None if order.asks else GAP if order.gap is None else order.gap
    return {
        "epsilon": order.epsilon,
        "outputs": list(order.outputs) or None,
        "top1": order.top1.value if order.top1 else None,
        "band": order.band,
        "gap": gap,
    }


def _rounding(outcome: Outcome) -> Any:
    if outcome.errors is None:
        return None
    return [[number(error) for error in errors.tolist()] for errors in outcome.errors]


def _points(outcome: Outcome) -> list[Point]:
    """Return the points to show, each once."""
    if outcome.answer is not None and isinstance(outcome.answer.verdict, Refuted):
        return [witness.point for witness in outcome.answer.verdict.witnesses]
    spans: list[Span] = []
    if outcome.found is not None:
        spans = [*outcome.found.outputs, *outcome.found.norms.values()]
    return list(dict.fromkeys(span.point for span in spans if span.point))


def _span(span: Span, where: dict[Point, int]) -> Record:
    return {
        "attained": number(span.attained),
        "proved": number(span.proved),
        "runtime": number(span.runtime),
        "witness": where.get(span.point),
    }


def _witnesses(pair: Pair, points: Sequence[Point]) -> list[Record]:
    """Return points in all their units, and both networks' outputs there."""
    first, second = _values(pair.first, points), _values(pair.second, points)
    out: list[Record] = []
    for point, one, two in zip(points, first, second, strict=True):
        raw = None
        if (normal := pair.normalisation) is not None:
            scale = [Fraction(value) for value in normal.range.tolist()]
            mean = [Fraction(value) for value in normal.mean.tolist()]
            raw = [float(x * s + m) for x, s, m in zip(point, scale, mean, strict=True)]
        out.append(
            {
                "input": [float(value) for value in point],
                "exact_input": [str(value) for value in point],
                "raw_input": raw,
                "first": one,
                "second": two,
            }
        )
    return out


def _values(member: Member, points: Sequence[Point]) -> list[Record]:
    """Return a network's outputs at points: in rationals, and as its file's runtime has them."""
    exact = member.network.evaluate(np.array(points, dtype=object), exact=True)
    return [
        {
            "values": [float(value) for value in row],
            "exact": [str(value) for value in row],
            "runtime": _computed(member, point),
        }
        for point, row in zip(points, exact.tolist(), strict=True)
    ]


def _computed(member: Member, point: Point) -> list[float | None] | None:
    """Return the outputs that the file's runtime gives, where it can be given the point."""
    floats = [float(value) for value in point]
    if member.runtime is None or [Fraction(value) for value in floats] != list(point):
        return None
    try:
        seen = member.runtime.outputs(np.array([floats]))[0]
    except ValueError:  # no number of the file's element type
        return None
    return [number(value) for value in seen.tolist()]


# --- for people -----------------------------------------------------------------------------------


def say(order: Order, outcome: Outcome, record: Record, terminal: Terminal) -> None:
    """Print what was found."""
    if outcome.found is not None:
        _say_distance(order, record, terminal)
    elif order.asks:
        _say_verdict(order, outcome, record, terminal)
    else:
        terminal.say(f"Unknown: {outcome.reason}. Nothing is known of the distance yet.")
    digests = {network["sha256"] for network in record["networks"] or ()}
    if len(digests) == 1 and "" not in digests:
        terminal.say("Both files hold the same bytes.")
    terminal.say(f"{_arithmetic(order)} {record['boxes']} sub-boxes, {record['seconds']:.2f} s.")


def _arithmetic(order: Order) -> str:
    if order.semantics is Arithmetic.REAL:
        return "Semantics real: the weights are exact numbers, and nothing rounds."
    return (
        "Semantics float32: the values are those that the files' runtimes compute in their element "
        f"types; what is proved assumes that {RUNTIME_ASSUMPTION}."
    )


def _say_distance(order: Order, record: Record, terminal: Terminal) -> None:
    named = [(str(one["index"]), one) for one in record["outputs"]]
    named += [(_norm_name(Norm(norm)), one) for norm, one in record["norms"].items()]
    rows = [(name, _low(one["attained"]), _high(one["proved"])) for name, one in named]
    terminal.table(
        f"Largest |f - g| over {record['region']['name']}; f is {order.first}, g {order.second}",
        ("output", "attained", "proved"),
        rows,
    )
    _say_points(named, record, terminal)
    gap = record["question"]["gap"]
    if not record["boxes"] and not record["reason"]:
        terminal.say(f"Done: {EQUAL}.")
    elif record["reason"]:
        terminal.say(
            f"Unknown: {record['reason']}, before every interval was {gap:.3g} of its value wide; "
            "they hold all the same."
        )
    else:
        room = " before the room for rounding" if record["rounding"] else ""
        terminal.say(f"Done: every interval is at most {gap:.3g} of its value wide{room}.")


def _norm_name(norm: Norm) -> str:
    return "inf norm" if norm is Norm.INF else f"{norm.value}-norm"


def _say_points(named: Sequence[tuple[str, Record]], record: Record, terminal: Terminal) -> None:
    """Print where the values are attained, in network and in raw units."""
    witnesses = record["witnesses"]
    if not witnesses or len(witnesses[0]["input"]) > WIDEST:
        return
    columns = ("of", *(f"x{index}" for index in range(len(witnesses[0]["input"]))))
    names = [[name for name, one in named if one["witness"] == at] for at in range(len(witnesses))]
    for key, title in (("input", "network units"), ("raw_input", "raw units")):
        rows = [
            (", ".join(own), *(f"{value:.9g}" for value in witness[key]))
            for own, witness in zip(names, witnesses, strict=True)
            if witness[key] is not None
        ]
        if rows:
            terminal.table(f"Where, {title}", columns, rows)


def _say_verdict(order: Order, outcome: Outcome, record: Record, terminal: Terminal) -> None:
    claim = _claimed(order, record)
    match record["verdict"]:
        case "proved":
            terminal.say(f"Proved: {claim}, for every input of {record['region']['name']}.")
        case "refuted":
            terminal.say(f"Refuted: not {claim}; the witness was evaluated again.")
            _say_witness(record, terminal)
        case _:
            terminal.say(f"Unknown: {outcome.reason}. Asked: {claim}.")
            if outcome.answer is not None:
                terminal.say(_known(order, record))
    if order.top1 is not None:
        terminal.say(TIES)
    if record["note"] and record["note"] != RUNTIME_ASSUMPTION:
        terminal.say(record["note"][0].upper() + record["note"][1:] + ".")


def _claimed(order: Order, record: Record) -> str:
    if order.top1 is not None:
        band = f" wherever f prefers it by more than {order.band}" if order.band else ""
        return f"f and g have the same {order.top1.value}imum{band}"
    outputs = record["question"]["outputs"]
    which = f"output {', '.join(map(str, outputs))}" if outputs else "every output"
    return f"|f - g| <= {order.epsilon} on {which}"


def _known(order: Order, record: Record) -> str:
    """Return what is known of the margin of a claim that is not decided."""
    low = -math.inf if record["attained"] is None else record["attained"]
    high = math.inf if record["reach"] is None else record["reach"]
    if order.epsilon is not None:
        epsilon = Fraction(order.epsilon.strip())
        met = f"{below(low + float(epsilon))}" if math.isfinite(low) else "nothing"
        most = float_above(Fraction(high) + epsilon) if math.isfinite(high) else high
        return f"|f - g| comes to about {met} at a point and is proved to stay below {_high(most)}."
    return (
        f"Margin by which it fails: about {_low(low)} at a point, proved to stay below "
        f"{_high(high)}; a failure needs one above 0."
    )


def _say_witness(record: Record, terminal: Terminal) -> None:
    (witness,) = record["witnesses"][:1]
    first, second = witness["first"], witness["second"]
    seen = first["runtime"], second["runtime"]
    rows = []
    for index, (f, g) in enumerate(zip(first["values"], second["values"], strict=True)):
        apart = float(Fraction(first["exact"][index]) - Fraction(second["exact"][index]))
        cells = [index, f"{f:.9g}", f"{g:.9g}", f"{apart:.6g}"]
        cells += ["-" if one is None or one[index] is None else f"{one[index]:.9g}" for one in seen]
        rows.append(cells)
    terminal.table(
        "At the witness",
        ("output", "f", "g", "f - g", "f, runtime", "g, runtime"),
        rows,
    )
    _say_points([("witness", {"witness": 0})], record, terminal)


def _low(value: float | None) -> str:
    return "-inf" if value is None else below(value)


def _high(value: float | None) -> str:
    return "inf" if value is None else above(value)
