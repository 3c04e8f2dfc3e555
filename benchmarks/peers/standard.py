"""Standard output in the form of the VNN-LIB solver interface: an answer, then an assignment."""

from __future__ import annotations

import re

from .answer import Answer, word

FLAT = re.compile(r"\(X_(\d+)\s+([^\s()]+)\)")
HEAD = re.compile(r"^(\S+)\s+\S+\s+\[[\d,\s]*\]$")


def spoken(output: str) -> tuple[Answer, tuple[float, ...] | None]:
    """Return the answer of the first line and, for `sat`, the values of the first tensor.

    Both forms are read: the flat ``((X_0 v) ... (Y_0 v))`` of version 1, and a line
    ``NAME type [shape]`` before the values of each tensor of version 2.
    """
    lines = output.splitlines()
    answer = word(lines[0]) if lines else None
    if answer is None:
        return Answer.ERROR, None
    if answer is not Answer.SAT:
        return answer, None
    flat = {int(index): float(value) for index, value in FLAT.findall(output)}
    if flat:
        return answer, tuple(flat[index] for index in sorted(flat))
    heads = [at for at, line in enumerate(lines) if HEAD.match(line.strip())]
    if not heads:
        return answer, None
    last = heads[1] if len(heads) > 1 else len(lines)
    try:
        values = tuple(float(text) for line in lines[heads[0] + 1 : last] for text in line.split())
    except ValueError:
        return answer, None
    return answer, values or None
