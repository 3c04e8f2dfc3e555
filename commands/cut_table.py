"""A cut as people read it: what each step removed, what it saves, and what is proved."""

from __future__ import annotations

from ..redundancy.guarantee import SameBest
from ..redundancy.removal import Kind
from .cut import Cut
from .record import Record
from .terminal import Terminal, above, below, listed, share

HEADINGS = {
    Kind.PHASE.value: "phase",
    Kind.FORWARD.value: "forward",
    Kind.RESULT.value: "same best",
    Kind.RELAXED.value: "relaxed",
}
"""The heading of each step's column."""


def tell(cut: Cut, record: Record, terminal: Terminal) -> None:
    """Print a cut.

    Args:
        cut: what was made.
        record: the same, by `cut_record`.
        terminal: where to.
    """
    name = record["region"]["name"]
    steps = list(dict.fromkeys(step["step"] for step in record["steps"]))  # one may come twice
    terminal.table(
        f"{name}: neurons removed, by layer and step",
        (
            "layer",
            "neurons",
            *(HEADINGS[step] for step in steps),
            "left",
            "open",
            "linear ones are",
        ),
        [
            (
                layer["layer"],
                layer["neurons"],
                *(layer["removed"][step] for step in steps),
                sum(layer["left"].values()),
                layer["left"]["open"],
                layer["form"],
            )
            for layer in record["layers"]
        ],
        footer=(
            "all",
            sum(layer["neurons"] for layer in record["layers"]),
            *(record["removed"][step] for step in steps),
            sum(sum(layer["left"].values()) for layer in record["layers"]),
            sum(layer["left"]["open"] for layer in record["layers"]),
            "",
        ),
    )
    if len(record["steps"]) > 1:
        terminal.table(
            "",
            ("step", "asked", "removed", "proofs tried", "boxes", "s"),
            [
                (
                    HEADINGS[step["step"]],
                    step["asked"],
                    step["removed"],
                    step["tries"],
                    step["boxes"],
                    f"{step['seconds']:.1f}",
                )
                for step in record["steps"]
            ],
        )
    _tell_sizes(record, terminal)
    _tell_proof(cut, record, terminal)


def _tell_sizes(record: Record, terminal: Terminal) -> None:
    before, after = record["before"], record["after"]
    rows = [
        (word, before[key], after[key], share(before[key] - after[key], before[key]))
        for word, key in (
            ("ReLU neurons", "neurons"),
            ("parameters", "parameters"),
            ("multiply-adds", "multiply_adds"),
        )
    ]
    for word, key in (
        ("us for one point alone", "latency_us"),
        ("us a point in a batch", "batch_us"),
    ):
        one, two = before[key], after[key]
        rows.append((word, f"{one:.2f}", f"{two:.2f}", share(one - two, one)))
    terminal.table("", ("size", "before", "after", "saved"), rows)


def _tell_proof(cut: Cut, record: Record, terminal: Terminal) -> None:
    said = f"Phases proved by: {listed(record['methods'])}."
    if record["proof"] is not None:
        said += f" All removals together: by {record['proof']['method']}."
    terminal.say(f"{said} {record['boxes']} boxes.")
    if record["open"]:
        terminal.say(
            f"{len(record['open'])} neurons stay undecided; more --timeout or --effort long may "
            "settle them."
        )
    if cut.left_out:
        terminal.say(
            f"{cut.left_out} more removals were proved, and left out: a .nnet file holds no linear "
            "units; write .onnx to have them."
        )
    if cut.constant:
        terminal.say(
            f"The network is constant on {record['region']['name']}: every input of it gives the "
            "same outputs."
        )
    _tell_error(record, cut.plan.aim.until, terminal)
    _tell_replay(cut, record, terminal)
    terminal.say(f"Guarantee: {cut.guarantee}")
    terminal.say(f"Written:   {cut.target} in {cut.seconds:.1f} s")


def _tell_error(record: Record, layer: str | None, terminal: Terminal) -> None:
    error = record["error"]
    if error is None:
        return
    shown = {
        word: "unbounded" if error[word] is None else above(error[word], 4)
        for word in ("analytic", "difference", "searched")
    }
    factor = error["tighter"]
    values = "Outputs" if layer is None else f"Values of layer {layer}"
    said = f"{values} move by at most {shown['searched']}"
    if error["attained"] is not None:
        said += f", and by {below(error['attained'], 4)} at a point"
    said += (
        f"; by one bound of the difference {shown['difference']}, by formula {shown['analytic']}"
    )
    terminal.say(said + (f": {below(factor, 3)} times tighter." if factor is not None else "."))


def _tell_replay(cut: Cut, record: Record, terminal: Terminal) -> None:
    replayed = record["replayed"]
    said = f"Compared at {replayed['exact_points']} points in rationals"
    if replayed["float_points"]:
        said += (
            f" and at {replayed['float_points']} points in onnxruntime (largest difference there "
            f"{above(replayed['float_difference'] or 0.0, 3)})"
        )
    terminal.say(said + ".")
    if replayed["disagreements"]:
        what = (
            "prefer another output"
            if isinstance(cut.plan.aim.guarantee, SameBest)
            else "differ by more than the tolerance"
        )
        terminal.say(
            f"At {replayed['disagreements']} of them the files {what}, as both round; in real "
            "arithmetic the guarantee holds at the worst of them too."
        )
