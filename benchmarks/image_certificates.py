"""Certificates of image networks: classes that stay, and simplified networks, around test images.

`python -m secateur.benchmarks.image_certificates [--images FILE] [--networks DIR] [--pictures 2]`
takes infinity balls around test images, cut to [0, 1]. For each the engine is asked whether the
class that the network gives the image is that of the whole ball; what it proves is recorded,
written, and checked from the files alone. Then the network is simplified over smaller balls so that
the class stays, or with `--keep outputs` so that no output moves by more than a tolerance, and the
file that is written is certified and checked. Times are CPU times of this
process, limits wall times. Networks and images are those of `image_redundancy`. A run that was
broken off goes on with the same `--json` file.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from ..engine.agreement import Best
from ..engine.answer import Effort
from ..engine.claim import Atom, Case, Claim, Declared, Part, Polynomial, Tensor
from ..engine.decide import decide
from ..engine.errors import InputError, SecateurError, UnsupportedError
from ..engine.formats import load, save
from ..engine.network import Network
from ..engine.proofs.asked import lemmas_of, read_files
from ..engine.proofs.check import check
from ..engine.proofs.form import Lemma, Proof
from ..engine.proofs.record import record
from ..engine.proofs.store import write_proof
from ..engine.question import ask
from ..engine.region import Region
from ..engine.verdict import Proved, Refuted
from ..redundancy.aim import Aim
from ..redundancy.certify import certify
from ..redundancy.guarantee import Guarantee, Outputs, SameBest
from ..redundancy.phase import Effort as PhaseEffort
from ..redundancy.plan import simplify
from .image_redundancy import NETWORKS, Row, files, folder_for, radii_of, read_given
from .images import Images
from .machine import commit, machine, peak_memory, table
from .redundancy_cells import tolerance_of

CLASS: Final = "class"
CUT: Final = "cut"
CHECKED: Final = "checked"

WARM: Final = 10.0
"""Seconds at most for the first question of a kind, whose row is measured anew: the first search
may compile the engine's inner loops."""

Spent = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about a network around an image.

    Attributes:
        kind: whether the class stays, or what the network can lose.
        keep: what has to stay of a network that loses something.
        network: its name.
        path: of its file.
        image: index among those to test on.
        radius: of the ball, network units.
    """

    kind: str
    keep: Guarantee
    network: str
    path: Path
    image: int
    radius: Fraction

    @property
    def key(self) -> Row:
        """What a row says of it."""
        return {
            "kind": self.kind,
            "keep": self.keep.text() if self.kind == CUT else "",
            "network": self.network,
            "image": self.image,
            "radius": float(self.radius),
        }


def stays(network: Network, region: Region, digit: int) -> Claim:
    """Return the claim that one output is above all others everywhere; a tie refutes it.

    Args:
        network: flat inputs and outputs.
        region: closed box in network units.
        digit: index of the output.
    """
    size, outputs = region.size, network.size_out
    inside = []
    for at, (low, high) in enumerate(zip(region.exact_lower, region.exact_upper, strict=True)):
        pixel = Polynomial.variable(at)
        inside.append(Atom(Polynomial.constant(low).plus(pixel, -1)))
        inside.append(Atom(pixel.plus(Polynomial.constant(-high))))
    best = Polynomial.variable(size + digit)
    cases: list[Case] = [
        (*inside, Atom(best.plus(Polynomial.variable(size + other), -1)))
        for other in range(outputs)
        if other != digit
    ]
    tensors = (
        Tensor("X", 0, Part.INPUT, "real", (size,), 0),
        Tensor("Y", 0, Part.OUTPUT, "real", (outputs,), size),
    )
    return Claim((Declared("f"),), tensors, tuple(cases), region.name)


def clock() -> Spent:
    """Return what tells the CPU seconds since it was last asked, or made."""
    last = time.process_time()

    def spent() -> float:
        nonlocal last
        before, last = last, time.process_time()
        return last - before

    return spent


def evidence(lemmas: Sequence[Lemma]) -> Row:
    """Return how large the evidence of lemmas is."""
    halved = fixed = 0
    for lemma in lemmas:
        axis = lemma.tree.axis
        halved += int(((axis >= 0) & (axis < len(lemma.lower))).sum())
        fixed += int((axis >= len(lemma.lower)).sum())
    return {
        "lemmas": len(lemmas),
        "nodes": sum(lemma.tree.axis.size for lemma in lemmas),
        "halved": halved,
        "fixed": fixed,
        "entries": sum(lemma.tree.node.size for lemma in lemmas),
        "helped": sum(lemma.duals.entry.size for lemma in lemmas),
    }


def checked(proof: Proof, paths: Sequence[Path], spent: Spent) -> Row:
    """Write a proof and have it checked from the files alone; return what that took."""
    data = write_proof(proof)
    found = [path.read_bytes() for path in paths]
    spent()
    check(data, lambda at, file: found[at])
    row = {"checked": spent(), "bytes": len(data), "result": CHECKED}
    return row | evidence(proof.lemmas)


def keep_class(one: Asked, test: Images, seconds: float) -> Row:
    """Return what became of the question whether the class stays.

    Args:
        one: which network, image and radius.
        test: the images.
        seconds: for the answer, and again for the recording; wall time.
    """
    network, region = load(one.path), test.ball(one.image, one.radius)
    picture = test.inputs[one.image].astype(np.float64)
    question = ask(stays(network, region, int(network.evaluate(picture).argmax())), [network])
    spent = clock()
    answer = decide(question, Effort(seconds=seconds, workers=1))
    row: Row = {"answered": spent(), "boxes": answer.boxes}
    if not isinstance(answer.verdict, Proved):
        return row | {"result": "refuted" if isinstance(answer.verdict, Refuted) else "open"}
    read = read_files([network])
    lemmas = []
    until = time.monotonic() + seconds
    for lemma in lemmas_of(question, read):
        found, size = record(lemma, read.models, max(0.1, until - time.monotonic()))
        if found is None:
            return row | {"recorded": spent(), "nodes": size.nodes, "result": "not recorded"}
        lemmas.append(found)
    row["recorded"] = spent()
    return row | checked(Proof(read.files, tuple(lemmas), None, {}), [one.path], spent)


def cut_down(one: Asked, test: Images, seconds: float) -> Row:
    """Return what became of a simplified network, and of its certificate.

    Args:
        one: which network, image and radius.
        test: the images.
        seconds: for the plan, and again for the certificate; wall time.
    """
    network, region, spent = load(one.path), test.ball(one.image, one.radius), clock()
    effort = PhaseEffort(seconds=seconds, workers=1)
    plan = simplify(network, region, effort, aim=Aim(one.keep))
    row: Row = {
        "answered": spent(),
        "removed": sum(tally.removed for tally in plan.steps),
        "joint": len(plan.removals),
        "neurons": network.neurons,
    }
    with TemporaryDirectory() as folder:
        path = Path(folder) / "small.onnx"
        save(plan.network, path)
        spent()
        try:
            made = certify(plan, load(path), seconds, np.random.default_rng(0))
        except UnsupportedError as error:
            return row | {"recorded": spent(), "result": str(error).replace(str(path), path.name)}
        row["recorded"] = spent()
        if made.proof is None:
            return row | {"result": made.reason}
        return row | checked(made.proof, [one.path, path], spent)


def measured(asked: Sequence[Asked], test: Images, seconds: float, kept: Path | None) -> list[Row]:
    """Return a row for each question; those that the file has already are not measured again."""
    known: list[Row] = []
    if kept is not None and kept.exists():
        known = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    rows, warm = [], set[str]()
    for one in asked:
        key = one.key | {"limit": seconds}
        row = next((row for row in known if key.items() <= row.items()), None)
        if row is None:
            measure = keep_class if one.kind == CLASS else cut_down
            if one.kind not in warm:
                measure(one, test, min(seconds, WARM))
                warm.add(one.kind)
            row = key | measure(one, test, seconds) | {"commit": commit()}
            if kept is not None:
                with kept.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
        rows.append(row)
        print(
            f"{one.kind} {one.network} {float(one.radius):g} image {one.image}: {row['result']}, "
            + ", ".join(
                f"{name} in {row[name]:.1f} s"
                for name in ("answered", "recorded", "checked")
                if name in row
            ),
            file=sys.stderr,
            flush=True,
        )
    return rows


def grouped(rows: Sequence[Row], kind: str) -> Iterator[tuple[Row, list[Row]]]:
    """Yield the head of a line, and its rows, by network and radius."""
    mine = [row for row in rows if row["kind"] == kind]
    for name, radius in dict.fromkeys((row["network"], row["radius"]) for row in mine):
        head = {"network": name, "radius": f"{radius:g}"}
        yield head, [row for row in mine if (row["network"], row["radius"]) == (name, radius)]


def classes(rows: Sequence[Row]) -> list[Row]:
    """Return for each network and radius how many classes stay, and what their proofs are."""
    out = []
    for head, some in grouped(rows, CLASS):
        results = [row["result"] for row in some]
        proved = [row for row in some if row["result"] not in ("refuted", "open")]
        counts = {
            "asked": len(some),
            "proved": len(proved),
            "refuted": results.count("refuted"),
            "open": results.count("open"),
        }
        out.append(head | counts | _certified(proved, "answer (s)"))
    return out


def cuts(rows: Sequence[Row]) -> list[Row]:
    """Return for each network and radius what was removed, and what the certificates are."""
    out = []
    for head, some in grouped(rows, CUT):
        part = sum(row["removed"] for row in some) / sum(row["neurons"] for row in some)
        counts = {"simplified": len(some), "removed": f"{part:.1%}"}
        out.append(head | counts | _certified(some, "plan (s)"))
    return out


def reasons(rows: Sequence[Row]) -> list[Row]:
    """Return why certificates are missing, and how often."""
    fine = (CHECKED, "refuted", "open")
    missing = [(row["kind"], row["result"]) for row in rows if row["result"] not in fine]
    return [
        {"of": kind, "no certificate because": why, "times": missing.count((kind, why))}
        for kind, why in dict.fromkeys(missing)
    ]


def _certified(some: Sequence[Row], answered: str) -> Row:
    """Return how many of some answers are certified; medians over those that are."""
    done = [row for row in some if row["result"] == CHECKED]

    def middle(key: str, digits: str) -> str:
        return format(median(row[key] for row in done), digits) if done else "-"

    return {
        "certified": f"{len(done)} ({len(done) / len(some):.0%})" if some else "-",
        "boxes": middle("nodes", "g"),
        "cuts of inputs": middle("halved", "g"),
        "phases fixed": middle("fixed", "g"),
        "entries": middle("entries", "g"),
        "with multipliers": middle("helped", "g"),
        answered: middle("answered", ".2f"),
        "recording (s)": middle("recorded", ".2f"),
        "check (s)": middle("checked", ".2f"),
        "bytes": middle("bytes", ".0f"),
    }


def run(given: argparse.Namespace) -> list[Row]:
    """Do what the command line asks and return the rows."""
    found = read_given(given)
    if given.networks is None and given.json is not None:
        raise InputError("--json without --networks: networks that are trained anew are others")
    wanted = [(CLASS, found.radii), (CUT, radii_of(given.cut_radii) if given.cut_radii else [])]
    keep: Guarantee = SameBest(Best.MAX, Fraction(0))
    if given.keep == "outputs":
        keep = Outputs(Fraction(str(given.tolerance)))
    with folder_for(given.networks) as folder:
        paths = files(found.names, folder, found.images, given.seed)
        asked = [
            Asked(kind, keep, name, path, image, radius)
            for kind, radii in wanted
            for name, path in paths.items()
            for radius in radii
            for image in range(given.pictures)
        ]
        return measured(asked, found.test, given.seconds, given.json)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, help="mnist_5k.csv.gz; default: the installed one")
    parser.add_argument("--networks", type=Path, help="folder to keep the trained networks in")
    parser.add_argument("--nets", default=",".join(NETWORKS))
    parser.add_argument("--radii", default="0.01,0.02,0.05", help="of balls where the class stays")
    parser.add_argument("--cut-radii", default="0.005,0.01", help="for simplifying; empty for none")
    parser.add_argument("--keep", choices=("class", "outputs"), default="class", help="cut down")
    parser.add_argument("--tolerance", type=tolerance_of, default=0.1, help="of kept outputs")
    parser.add_argument("--pictures", type=int, default=2, help="test images for each radius")
    parser.add_argument("--seconds", type=float, default=60.0, help="an answer, a recording")
    parser.add_argument("--seed", type=int, default=0, help="of the networks and the images")
    parser.add_argument("--json", type=Path, help="rows as JSON lines; goes on where it stopped")
    parser.set_defaults(points=1)  # what image benchmarks share asks for it; none is tried here
    given = parser.parse_args()
    try:
        rows = run(given)
    except (SecateurError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    print("\n\n".join(table(lines) for part in (classes, cuts, reasons) if (lines := part(rows))))
    kept = given.keep if given.keep == "class" else f"outputs within {given.tolerance:g}"
    print(
        f"\n{given.pictures} images, simplified keeping {kept}, seed {given.seed}, limit "
        f"{given.seconds:g} s an answer and again a recording, one thread, CPU times, medians of "
        f"what is certified, peak memory {peak_memory():.0f} MB; "
        f"{machine('numpy', 'numba', 'highspy')}"
    )


if __name__ == "__main__":
    main()
