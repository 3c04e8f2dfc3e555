"""What is chosen on real questions, beside the rule by the number of inputs alone.

`python -m secateur.benchmarks.cost_choices` bounds the roots of ACAS Xu instances, attacks them as
`verify` does, and says of each that is then still open which way would go first, by the laws and by
the rule; how long making that choice takes; and for those where both differ, the CPU seconds of
either in turn (A B A B). Where both agree they are the same search, and there is nothing to time.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from ..engine import decide as deciding
from ..engine.answer import Effort
from ..engine.cost import Choice, Figures, boxes_or_phases, by_inputs, few
from ..engine.formats.bind import bind, match_files
from ..engine.formats.vnnlib_claims import read_claim
from ..engine.question import Question, ask
from .acas_instances import AcasInstance, acas_instances
from .machine import machine, table

Row = dict[str, Any]


def question_of(instance: AcasInstance) -> Question:
    """Return the question that an instance asks."""
    bound = bind(match_files(read_claim(instance.query), [str(instance.file)]))
    return ask(bound.claim, [model.network for model in bound.models])


def ruled(figures: Figures) -> Choice:
    """Return the choice by the number of inputs alone."""
    return Choice(figures, few(figures), (), by_inputs(figures))


def chosen(instance: AcasInstance, limit: float) -> Row | None:
    """Return what is chosen for an instance; None where it is settled before."""
    question = question_of(instance)
    effort = Effort(boxes=1, workers=1)
    choice = deciding.decide(question, effort).choice
    if choice is None:
        return None
    spent = float("inf")
    for _ in range(5):
        begun = time.perf_counter()
        by_laws = boxes_or_phases(choice.figures)
        spent = min(spent, time.perf_counter() - begun)
    rule = ruled(choice.figures)
    row: Row = {
        "instance": instance.name,
        "inputs": choice.figures.inputs,
        "unstable": choice.figures.unstable,
        "tight": round(choice.figures.tight, 2),
        "by laws": by_laws.chosen.value,
        "by inputs": rule.chosen.value,
        "choosing (us)": round(1e6 * spent, 1),
        "CPU by laws (s)": "",
        "CPU by inputs (s)": "",
    }
    if by_laws.chosen is not rule.chosen:
        laws, rules = [], []
        for _ in range(2):
            laws.append(_timed(question, replace(effort, boxes=float("inf"), seconds=limit)))
            with patch.object(deciding, "boxes_or_phases", ruled):
                rules.append(_timed(question, replace(effort, boxes=float("inf"), seconds=limit)))
        row["CPU by laws (s)"], row["CPU by inputs (s)"] = median(laws), median(rules)
    return row


def _timed(question: Question, effort: Effort) -> float:
    begun = time.process_time()
    deciding.decide(question, effort)
    return time.process_time() - begun


def main() -> None:
    """Print a row for each instance that is open after the attack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=6, help="each so many-th of the 186 instances")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds, where both differ")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows, settled = [], 0
    for instance in acas_instances()[:: given.every]:
        row = chosen(instance, given.limit)
        settled += row is None
        if row is not None:
            rows.append(row)
            print(row, file=sys.stderr, flush=True)
    if rows:
        print(table(rows))
    other = sum(row["by laws"] != row["by inputs"] for row in rows)
    print(f"\n{settled} settled before, {len(rows)} open, {other} of them chosen otherwise")
    print(machine("numpy", "numba"))
    if given.json:
        given.json.write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()
