"""What a record says of a cut: see docs/json.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ..engine.network import Piecewise, State
from ..engine.verdict import Proved, Refuted, Unknown
from ..engine.witness import Witness
from ..redundancy.finding import Finding
from ..redundancy.removal import Kind, Removal
from .cut import Cut
from .latency import BATCH
from .record import Record, number, region_record, sizes

SAMPLE = 6
"""Neurons whose witnesses a record shows."""

JOINT = "joint proof"
"""The evidence of a removal that was proved together with all others."""


def cut_record(cut: Cut) -> Record:
    """Return what a record says of a cut."""
    phases, network = cut.plan.phases, cut.plan.original
    answer = cut.plan.answer
    proof = None
    if answer is not None and isinstance(answer.verdict, Proved):
        proof = {
            "method": answer.verdict.method.value,
            "boxes": answer.boxes,
            "seconds": answer.seconds,
        }
    return {
        "region": region_record(phases.region, network, cut.title),
        "constant": cut.constant,
        "exact": cut.exact,
        "distance": number(cut.distance),
        "guarantee": cut.guarantee,
        "phases": _counts(phases.findings),
        "removed": removed(cut),
        "left_out": cut.left_out,
        "layers": _layers(cut),
        "steps": [
            {
                "step": tally.kind.value,
                "asked": tally.asked,
                "removed": tally.removed,
                "seconds": tally.seconds,
                "tries": tally.tries,
                "boxes": tally.boxes,
            }
            for tally in cut.plan.steps
        ],
        "proof": proof,
        "error": _error(cut),
        "neurons": _neurons(cut),
        "methods": {method.value: count for method, count in phases.by_method().items()},
        "step_seconds": dict(phases.seconds),
        "boxes": sum(tally.boxes for tally in cut.plan.steps),
        "before": {**sizes(network), **_times(cut, 0)},
        "after": {**sizes(cut.after), **_times(cut, 1)},
        "speedup": cut.latency.single[0] / cut.latency.single[1],
        "batch_speedup": cut.latency.batch[0] / cut.latency.batch[1],
        "batch_points": BATCH,
        "replayed": {
            "exact_points": cut.replayed.exact_points,
            "exact_difference": float(cut.replayed.exact),
            "float_points": cut.replayed.float_points,
            "float_difference": number(cut.replayed.floats),
            "disagreements": cut.replayed.disagreements,
        },
        "witnesses": _witnesses(phases.findings),
        "open": [
            {
                "layer": finding.layer,
                "neuron": finding.neuron,
                "lower": number(finding.lower),
                "upper": number(finding.upper),
                "reason": finding.verdict.reason,
            }
            for finding in phases.findings
            if isinstance(finding.verdict, Unknown)
        ],
        "output": {"path": str(cut.target), "sha256": cut.digest},
        "seconds": cut.seconds,
        "proof_file": None,
    }


def removed(cut: Cut) -> dict[str, int]:
    """Return how many neurons each step removed, by its name."""
    out = {kind.value: 0 for kind in Kind}
    out[Kind.PHASE.value] = cut.plan.phases.count(Proved)
    for one in cut.plan.removals:
        out[one.kind.value] += 1
    return out


def kind(finding: Finding) -> str:
    """Return in a word what is known of a neuron: zero, identity, active or open."""
    match finding.verdict:
        case Refuted():
            return "active"
        case Unknown():
            return "open"
        case _:
            return "zero" if finding.state == State.ZERO else "identity"


def _times(cut: Cut, which: int) -> Record:
    """Return the times before (0) or after (1), microseconds."""
    single, batch = cut.latency.single[which], cut.latency.batch[which]
    return {"latency_us": single * 1e6, "batch_us": batch * 1e6}


def _counts(findings: tuple[Finding, ...]) -> dict[str, int]:
    out = {"zero": 0, "identity": 0, "active": 0, "open": 0}
    for finding in findings:
        out[kind(finding)] += 1
    return out


def _error(cut: Cut) -> Record | None:
    error = cut.error
    if error is None:
        return None
    return {
        "analytic": number(error.analytic),
        "difference": number(error.difference),
        "searched": number(error.searched),
        "attained": number(error.attained),
        "boxes": error.boxes,
        "tighter": number(error.analytic / error.searched) if error.searched > 0 else None,
    }


def _layers(cut: Cut) -> list[Record]:
    by_layer: Mapping[str, Mapping[str, int]] = cut.plan.phases.by_layer()
    forms = {step.layer: step.form for step in cut.plan.fold.steps}
    gone = {one.place for one in cut.plan.removals}
    steps = Counter((one.layer, one.kind.value) for one in cut.plan.removals)
    steps.update(
        (f.layer, Kind.PHASE.value)
        for f in cut.plan.phases.findings
        if isinstance(f.verdict, Proved)
    )
    left = Counter(
        (f.layer, kind(f)) for f in cut.plan.phases.findings if (f.layer, f.neuron) not in gone
    )
    out = []
    for node in cut.plan.phases.network.piecewise:
        assert isinstance(node.layer, Piecewise)
        out.append(
            {
                "layer": node.name,
                "neurons": node.size,
                **{
                    word: by_layer[node.name].get(word, 0)
                    for word in ("zero", "identity", "active", "open")
                },
                "removed": {one.value: steps[node.name, one.value] for one in Kind},
                "left": {word: left[node.name, word] for word in ("active", "open")},
                "form": forms.get(node.name, "none"),
            }
        )
    return out


def _neurons(cut: Cut) -> list[Record]:
    """Return what became of every ReLU, in the order of layers."""
    costs = zip(cut.plan.removals, cut.costs, strict=True)
    gone = {one.place: (one, cost) for one, cost in costs}
    return [_neuron(f, *gone.get((f.layer, f.neuron), (None, None))) for f in _ordered(cut)]


def _ordered(cut: Cut) -> list[Finding]:
    order = {node.name: index for index, node in enumerate(cut.plan.phases.network.piecewise)}
    return sorted(cut.plan.phases.findings, key=lambda f: (order[f.layer], f.neuron))


def _neuron(finding: Finding, removal: Removal | None, cost: float | None) -> Record:
    slope = intercept = None
    if removal is not None:
        step, state, evidence = removal.kind.value, removal.state, JOINT
        if state == State.LINEAR:
            slope, intercept = removal.slope, removal.intercept
    else:
        state = finding.state
        match finding.verdict:
            case Proved(method=method):
                step, evidence, cost = Kind.PHASE.value, method.value, 0.0
            case Refuted(method=method):
                step, evidence = "kept", method.value
            case Unknown(reason=reason):
                step, evidence = "kept", reason
    return {
        "layer": finding.layer,
        "neuron": finding.neuron,
        "kind": step,
        "state": State(state).name.lower(),
        "slope": slope,
        "intercept": intercept,
        "evidence": evidence,
        "cost": number(cost),
    }


def _witnesses(findings: tuple[Finding, ...]) -> list[Record]:
    """Return the witnesses of a few active neurons, spread over the layers."""
    seen = [finding for finding in findings if isinstance(finding.verdict, Refuted)]
    picked = seen[:: max(1, -(-len(seen) // SAMPLE))][:SAMPLE]
    return [
        {
            "layer": finding.layer,
            "neuron": finding.neuron,
            "method": finding.verdict.method.value,
            "points": [_witness(witness) for witness in finding.verdict.witnesses],
        }
        for finding in picked
        if isinstance(finding.verdict, Refuted)
    ]


def _witness(witness: Witness) -> Record:
    return {
        "input": witness.floats.tolist(),
        "exact_input": [str(value) for value in witness.point],
        "value": float(witness.value),
        "runtime": number(witness.runtime),
    }
