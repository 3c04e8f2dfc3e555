"""Which part of the work a sampled stack belongs to.

A stack is read from the frame that runs towards the one that called it all, and the first frame
that a rule names decides; so a solver that a bound calls counts as solver, and a product of
matrices that a screen asks for counts as points. What evaluates a layer is passed by: whoever
asked for it counts. A frame under an import counts as start-up whatever it runs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

PARTS: tuple[tuple[str, str], ...] = (
    ("compiling", r"numba/core/(?:dispatcher|compiler|lowering|typeinfer)|llvmlite"),
    ("files", r"/(?:engine/formats|benchmarks/controllers)/|onnx/|onnxruntime|sqlite|json/"),
    ("files", r"slicing/(?:store|stored|family\w*|codes|blobs|parquet|evaluate|lock|figures)\.py"),
    ("files", r"/(?:reports|templates)/|report\.py|commands/\w*record\.py|commands/maps\.py"),
    ("solver", r"engine/(?:solvers/|milp|assemble)|highspy|pulp/|/encodings/"),
    ("solver", r"engine/bounds/(?:tighten|phases|neuron|leaves)\.py"),
    ("rationals", r"engine/(?:exact|closing|replayed|witness|alike)\.py|fractions\.py"),
    ("rationals", r"engine/bounds/rational\.py|engine/proofs/"),
    ("points", r"engine/(?:attack|falsify|noise)\.py|engine/bounds/points\.py"),
    ("points", r"redundancy/(?:climb|screen|seen|relaxed|ledger|choice)\.py"),
    ("points", r"engine/cases\.py:Cases\.(?:visit|_push_on|_attack|attack|_try)"),
    ("bounds", r"engine/bounds/|engine/bounder\.py:.*(?:work|_spread)|engine/search\.py:.*bound$"),
    ("bounds", r"slicing/phases\.py:_Work\.(?:_search|_look|_enclose)"),
    ("fold", r"redundancy/(?:fold|draft|block|behind|dead|dependent|linear|cuts|aside|chain)\.py"),
    ("fold", r"redundancy/(?:relus|head|certify)\.py"),
    ("search", r"engine/(?:branch|search|cases|halves|pairings|bounder|decide|discrepancy)\.py"),
    ("search", r"engine/(?:sources|tie|equal|minimax|leads)\.py|redundancy/(?:bisect|leading)\.py"),
    (
        "networks",
        r"engine/(?:network|layers|operators|pair|stages|question|claim|region|legal)\.py",
    ),
    ("networks", r"engine/(?:agreement|expression)\.py|networkx/"),
)
"""Names of parts and what paths, with the function behind a colon, belong to them; first come."""

PASSED = re.compile(
    r"engine/layers\.py:.*__call__|engine/operators\.py:.*\.(?:push|pull)|numpy/"
    r"|engine/network\.py:Network\.(?:evaluate|trace)"
)
"""Functions that evaluate for others."""

IMPORT = re.compile(r"<frozen importlib|importlib/|_find_and_load")

EXPLAINED = {
    "start-up": "imports, and loading compiled loops",
    "compiling": "loops that no cache held",
    "files": "reading and writing networks, stores, records and reports",
    "bounds": "compiled and array bounds: linear, difference, intervals, trees",
    "points": "samples, attacks, screens",
    "solver": "LP and MILP: building and solving",
    "rationals": "replay and proof in exact numbers",
    "fold": "taking removed neurons out of weights",
    "search": "choosing, cutting and judging boxes in numpy",
    "networks": "building networks, pairs, claims and questions",
    "rest": "all else",
}
"""Every part, in the order of the table."""

_RULES = tuple((part, re.compile(pattern)) for part, pattern in PARTS)
_FRAME = re.compile(r"^(?P<function>.*) \((?P<place>[^()]*?)(?::\d+)?\)$")


def part_of(frames: list[str]) -> str:
    """Return the part of a stack.

    Args:
        frames: ``function (path:line)``, the outermost first.
    """
    if any(IMPORT.search(frame) for frame in frames):
        return "start-up"
    for frame in reversed(frames):
        place = _place(frame)
        if PASSED.search(place):
            continue
        for part, rule in _RULES:
            if rule.search(place):
                if part == "compiling" and any("load_overload" in one for one in frames):
                    return "start-up"
                return part
    return "rest"


def _place(frame: str) -> str:
    """Return ``path:function`` of a frame."""
    found = _FRAME.match(frame)
    return f"{found['place']}:{found['function']}" if found else frame


def shares(lines: Iterable[str]) -> tuple[Counter[str], Counter[str]]:
    """Return the weight of each part, and of each function of ours that a part's frame is in.

    Args:
        lines: folded stacks, frames with semicolons between them and a weight behind.
    """
    parts: Counter[str] = Counter()
    places: Counter[str] = Counter()
    for line in lines:
        stack, _, weight = line.rpartition(" ")
        frames = [one for one in stack.split(";") if not one.startswith(("process ", "thread "))]
        if not frames:
            continue
        part = part_of(frames)
        parts[part] += int(weight)
        places[f"{part}: {_own(frames)}"] += int(weight)
    return parts, places


def _own(frames: list[str]) -> str:
    """Return the innermost function of the project's own on a stack."""
    for frame in reversed(frames):
        found = re.search(
            r"(?:^|/)((?:engine|redundancy|slicing|commands|encodings|compression)/[\w/]+\.py)",
            frame,
        )
        if found:
            return f"{found[1]} {frame.partition(' (')[0]}"
    return frames[0].partition(" (")[0]
