"""What certificates cost: proving, recording evidence, and checking it.

`python -m secateur.benchmarks.certificates --sample 12 --json rows.jsonl` takes ACAS Xu properties
that hold and published pairs of networks that nobody found to differ, proves each with the engine
on one thread, records a certificate, writes it, reads it again and checks it. Times are CPU times
of this process: other work on the machine does not count. A run that was broken off goes on with
the same `--json` file.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..engine.answer import Effort
from ..engine.decide import decide
from ..engine.errors import UnsupportedError
from ..engine.formats import load
from ..engine.formats.vnnlib_claims import read_claim
from ..engine.proofs.asked import lemmas_of, read_files
from ..engine.proofs.form import Lemma, Proof
from ..engine.proofs.judge import judge
from ..engine.proofs.record import record
from ..engine.proofs.store import read_proof, write_proof
from ..engine.question import Question, ask
from ..engine.verdict import Proved
from .acas_instances import AcasInstance, acas_instances
from .machine import commit, machine, peak_memory, table
from .pair_instances import Known, PairInstance, pair_instances
from .peers.answer import Answer

Row = dict[str, Any]
Instance = AcasInstance | PairInstance

FAMILIES = (
    "acas",
    "verydiff-acas",
    "reludiff-acas16",
    "reludiff-mnist16",
    "nnequiv",
    "vnncomp26-iso-june",
)
"""Families of questions."""


def family(instance: Instance) -> str:
    """Return where an instance comes from."""
    return instance.family if isinstance(instance, PairInstance) else "acas"


def proved_ones(families: Sequence[str], sample: int | None, seed: int) -> list[Instance]:
    """Return instances whose claim nobody has refuted, or some of each family.

    Raises:
        SystemExit: a family that is not there.
    """
    found: list[Instance] = []
    for name in families:
        if name not in FAMILIES:
            raise SystemExit(f"there is no family {name!r}: name some of {', '.join(FAMILIES)}")
        if name == "acas":
            some: list[Instance] = [one for one in acas_instances() if one.expected is Answer.UNSAT]
        else:
            some = [
                one
                for one in pair_instances()
                if one.family == name and one.known is not Known.DIFFERENT
            ]
        if sample is not None and sample < len(some):
            kept = set(random.Random(seed).sample(range(len(some)), sample))
            some = [one for at, one in enumerate(some) if at in kept]
        found += some
    return found


def asked(instance: Instance) -> Question:
    """Return the question of an instance."""
    if isinstance(instance, AcasInstance):
        return ask(read_claim(instance.query), [load(instance.file)])
    networks = load(instance.first), load(instance.second)
    return ask(instance.claim((networks[0].size_out,)), networks)


def measure(instance: Instance, limit: float) -> Row:
    """Return the row of an instance.

    Args:
        instance: whose claim holds.
        limit: seconds for the proof, and again for the recording.
    """
    row: Row = {"instance": instance.name, "family": family(instance)}
    question = asked(instance)
    began = time.process_time()
    answer = decide(question, Effort(seconds=limit, workers=1))
    row |= {"proved": time.process_time() - began, "boxes": answer.boxes}
    if not isinstance(answer.verdict, Proved):
        return row | {"result": "not proved"}
    try:
        read = read_files([source.network for source in question.sources])
        lemmas = lemmas_of(question, read)
    except UnsupportedError as error:
        return row | {"result": str(error)}
    began, leaves = time.process_time(), 0
    done: list[Lemma] = []
    for lemma in lemmas:
        found, spent = record(lemma, read.models, limit)
        leaves += spent.leaves
        if found is None:
            return row | {"result": "not recorded", "leaves": leaves}
        done.append(found)
    row |= {"recorded": time.process_time() - began, "leaves": leaves}
    data = write_proof(Proof(read.files, tuple(done), None, {}))
    began = time.process_time()
    proof = read_proof(data)
    row |= {"read": time.process_time() - began, "bytes": len(data)}
    began = time.process_time()
    for lemma in proof.lemmas:
        judge(lemma, read.models)
    row["checked"] = time.process_time() - began
    return row | {"result": "checked"}


def totals(rows: Sequence[Row]) -> list[dict[str, str]]:
    """Return one line a family: medians, and the median and the whole of check over proof."""
    out = []
    for name in FAMILIES:
        some = [row for row in rows if row["family"] == name]
        done = [row for row in some if row["result"] == "checked"]
        if not done:
            continue
        ratios = [row["checked"] / row["proved"] for row in done]

        def middle(key: str, done: list[Row] = done) -> float:
            return float(statistics.median(row[key] for row in done))

        whole = sum(row["checked"] for row in done) / sum(row["proved"] for row in done)
        out.append(
            {
                "family": name,
                "claims": str(len(some)),
                "certified": str(len(done)),
                "boxes": f"{middle('boxes'):g}",
                "leaves": f"{middle('leaves'):g}",
                "proof (s)": f"{middle('proved'):.3f}",
                "recording (s)": f"{middle('recorded'):.3f}",
                "check (s)": f"{middle('checked'):.3f}",
                "check / proof, median": f"{statistics.median(ratios):.2f}",
                "check / proof, whole": f"{whole:.2f}",
                "kB": f"{middle('bytes') / 1000:.1f}",
                "largest (kB)": f"{max(row['bytes'] for row in done) / 1000:.0f}",
            }
        )
    return out


def measured(instances: Sequence[Instance], given: argparse.Namespace) -> list[Row]:
    """Return a row for each instance; those that the file has already are not measured again."""
    known: dict[str, Row] = {}
    if given.json is not None and given.json.exists():
        for number, line in enumerate(given.json.read_text().splitlines(), 1):
            row = json.loads(line)
            if row["limit"] != given.limit:
                raise SystemExit(f"{given.json}:{number}: another limit: name another file")
            known[row["instance"]] = row
    rows, warm = [], False
    for one in instances:
        row = known.get(one.name)
        if row is None:
            if not warm:  # the first search may compile the engine's inner loops
                measure(one, given.limit)
                warm = True
            row = measure(one, given.limit) | {"limit": given.limit, "commit": commit()}
            if given.json is not None:
                with given.json.open("a") as file:
                    file.write(json.dumps(row) + "\n")
        rows.append(row)
        print(
            f"{one.name:22} {row['result']:12} boxes {row['boxes']:7} in {row['proved']:7.3f} s, "
            f"leaves {row.get('leaves', 0):7} in {row.get('recorded', 0.0):7.3f} s, "
            f"checked in {row.get('checked', 0.0):7.3f} s, {row.get('bytes', 0):8} bytes",
            file=sys.stderr,
            flush=True,
        )
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--families", default="acas,verydiff-acas,reludiff-acas16")
    parser.add_argument("--sample", type=int, help="so many of each family at random")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--limit", type=float, default=116.0, help="seconds a proof, a recording")
    parser.add_argument("--json", type=Path, help="rows as JSON lines; goes on where it stopped")
    given = parser.parse_args()
    instances = proved_ones(given.families.split(","), given.sample, given.seed)
    rows = measured(instances, given)
    if lines := totals(rows):
        print(table(lines))
    print(
        f"\nlimit {given.limit:g} s, one thread, CPU times, peak memory {peak_memory():.0f} MB; "
        f"{machine('numpy', 'numba')}"
    )


if __name__ == "__main__":
    main()
