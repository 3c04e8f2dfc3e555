"""Feeds the reader of proofs and the checker with bytes that a fuzzer makes up.

`python -m secateur.benchmarks.proof_fuzz [--seconds 60] [--seed 0] [--corpus DIR]` needs atheris
(pip install atheris). Half of the inputs are containers, of which the digest is put right; the
others are a header and unpacked arrays, which are put into one. What is accepted has to hold at the
corners of its box and at points inside, in rationals. Any error but the checker's own ends the run.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import itertools
import json
import math
import sys
import tempfile
import warnings
import zlib
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from ..engine.formats import save
from ..engine.network import Network
from ..engine.proofs.check import check_proof
from ..engine.proofs.cover import cells
from ..engine.proofs.evidence import EMPTY
from ..engine.proofs.form import Cover, File, Lemma, Proof, SameBest, Subject, Twins, Within
from ..engine.proofs.judge import ProofError
from ..engine.proofs.model import FormatError, Model, Relu
from ..engine.proofs.negation import negation
from ..engine.proofs.read import digest, read_model
from ..engine.proofs.record import record
from ..engine.proofs.store import MAGIC, read_proof, write_proof

MISSING = "atheris is not installed: pip install atheris, on Linux or macOS, and run this again"
RAW, APART = b"c", b"h"
"""First byte of an input: a container, or a header, a zero byte and arrays."""

POINTS = 8
PATIENCE = 10.0
"""Seconds that one check may take."""


class Target:
    """What the fuzzer calls, and how often it ended how."""

    def __init__(self, files: Sequence[bytes]) -> None:
        """Begin.

        Args:
            files: of the networks that proofs may speak of.
        """
        self.files = {digest(data): data for data in files}
        self.models = {key: read_model(data, "f.onnx") for key, data in self.files.items()}
        self.luck = Random(0)
        self.tried = self.read = self.accepted = 0

    def __call__(self, data: bytes) -> None:
        """Read and check one input; raise AssertionError where a falsehood was accepted."""
        self.tried += 1
        try:
            proof = read_proof(container(data))
            self.read += 1
            check_proof(proof, self._open, deadline=PATIENCE)
        except (FormatError, ProofError):
            return
        self.accepted += 1
        if proof.cover is not None:
            self._parted(proof.cover)
        for lemma in proof.lemmas:
            self._look(lemma, [self.models[file.digest] for file in proof.files])

    def _open(self, _: int, file: File) -> bytes:
        return self.files.get(file.digest, b"")

    def _parted(self, cover: Cover) -> None:
        """Raise AssertionError where cells are not as large together as what they cover."""
        sides = [high - low for low, high in zip(cover.lower, cover.upper, strict=True)]
        parts = [
            math.prod(high - low for low, high in zip(*cell, strict=True)) for cell in cells(cover)
        ]
        assert sum(parts) == math.prod(sides), f"accepted, and no cover: {cover}"
        assert min(parts) > 0 or not all(sides), f"accepted, with a cell that is none: {cover}"

    def _look(self, lemma: Lemma, models: Sequence[Model]) -> None:
        corners = list(itertools.product(*zip(lemma.lower, lemma.upper, strict=True)))[:POINTS]
        inside = [
            [
                low + (high - low) * Fraction(self.luck.randrange(65), 64)
                for low, high in zip(lemma.lower, lemma.upper, strict=True)
            ]
            for _ in range(POINTS)
        ]
        for point in (*corners, *inside):
            assert not fails(lemma, models, point), f"accepted, and false at {point}: {lemma}"


def container(data: bytes) -> bytes:
    """Return the container that an input of the fuzzer stands for."""
    if data[:1] == APART:
        header, _, arrays = data[1:].partition(b"\0")
        out = MAGIC + len(header).to_bytes(8, "little") + header + zlib.compress(arrays, 1)
    else:
        out = data[1:]
    return out + hashlib.sha256(out).digest()


def apart(data: bytes) -> bytes:
    """Return the input of the fuzzer that stands for a container's header and arrays."""
    first = len(MAGIC) + 8
    end = first + int.from_bytes(data[len(MAGIC) : first], "little")
    return APART + data[first:end] + b"\0" + zlib.decompress(data[end:-32])


def mutated(data: bytes, most: int, luck: Random, mutate: Callable[[bytes, int], bytes]) -> bytes:
    """Return another input: where it is a header and arrays, often one of a like form.

    Args:
        data: an input.
        most: bytes that it may have.
        luck: chooses.
        mutate: the fuzzer's own way.
    """
    header, mark, arrays = data[1:].partition(b"\0")
    if data[:1] == APART and mark and luck.random() < 0.9:
        if arrays and luck.random() < 0.5:
            changed = bytearray(arrays)
            for _ in range(luck.randint(1, 4)):
                changed[luck.randrange(len(changed))] = luck.choice([0, 1, 2, 63, 127, 191, 255])
            return APART + header + mark + bytes(changed)
        try:
            words = json.loads(header)
        except ValueError:
            return mutate(data, most)
        _change(words, luck)
        return (APART + json.dumps(words).encode() + mark + arrays)[:most]
    return mutate(data, most)


def _change(words: Any, luck: Random) -> None:
    """Change a part of what JSON holds, anywhere in it."""
    part = words
    while isinstance(part, dict | list) and part:
        key = luck.choice(sorted(part)) if isinstance(part, dict) else luck.randrange(len(part))
        held, at, part = part, key, part[key]
        if luck.random() < 0.1:
            break
    else:
        if part is words:
            return
    old = held[at]
    if isinstance(old, bool):
        held[at] = not old
    elif isinstance(old, int):
        held[at] = old + luck.choice([-1, 1, luck.randrange(-9, 10), 2**40])
    elif isinstance(old, str) and old[-1:].isdigit() and len(old) < 60:
        near = Fraction(luck.randrange(-64, 65), 64) if "/" in old or old.isdigit() else Fraction(1)
        held[at] = str(near)
    elif isinstance(old, list) and old:
        luck.choice([old.reverse, old.pop, lambda: old.append(old[0]), old.clear])()
    else:
        held[at] = luck.choice([None, 0, 1, [], {}, "f", "0", "-1", "h0"])


def fails(lemma: Lemma, models: Sequence[Model], point: Sequence[Fraction]) -> bool:
    """Return whether a claim is false at a point; False where neurons are replaced by lines."""
    if any(subject.lines for subject in lemma.subjects):
        return False
    values: list[dict[str | None, list[Fraction]]] = []
    for subject in lemma.subjects:
        model = models[subject.file]
        found = model.evaluate([point[index] for index in subject.inputs])
        values.append({**dict(zip(model.names, found, strict=True)), None: found[model.output]})
    negated = negation(lemma.claim)
    rows = [
        row.constant
        + sum(factor * point[index] for index, factor in row.inputs.items())
        + sum(factor * values[v.subject][v.node][v.index] for v, factor in row.values.items())
        for row in negated.rows
    ]
    return any(
        all(rows[atom.row] < 0 or (rows[atom.row] == 0 and not atom.strict) for atom in case)
        for case in negated.cases
    )


def seeds(folder: Path, seed: int) -> tuple[list[bytes], list[bytes]]:
    """Return the files of two small networks, and proofs about them."""
    rng = np.random.default_rng(seed)
    weights = [rng.integers(-16, 17, shape) / 8 for shape in ((3, 2), (3, 3), (2, 3))]
    biases = [rng.integers(-8, 9, len(weight)) / 8 for weight in weights]
    files = []
    for number, move in enumerate((0.0, 1 / 64)):
        path = folder / f"{number}.onnx"
        save(Network.dense([weight + move for weight in weights], biases), path)
        files.append(path.read_bytes())
    models = [read_model(data, "f.onnx") for data in files]
    stated = tuple(
        File(name, digest(data), len(data)) for name, data in zip("fg", files, strict=True)
    )
    layers = [
        [
            name
            for name, node in zip(model.names, model.nodes, strict=True)
            if isinstance(node, Relu)
        ]
        for model in models
    ]
    twins = tuple(Twins((0, one), (1, two)) for one, two in zip(*layers, strict=True))
    subjects = (Subject(0, (0, 1)), Subject(1, (0, 1)))
    proofs = []
    box = (Fraction(-1, 2),) * 2, (Fraction(1, 2),) * 2
    within, best = Within(Fraction(1, 4), (0, 1)), SameBest(1, Fraction(1, 2), 2)
    claims: tuple[Within | SameBest, ...] = (within, best)
    for claim, few in itertools.product(claims, (2, 0)):  # boxes are halved, or phases fixed
        lemma, _ = record(Lemma(subjects, *box, claim, twins, (), EMPTY), models, 10.0, few=few)
        if lemma is not None:
            proofs.append(write_proof(Proof(stated, (lemma,))))
    axis, cut = np.array([0, -1, 1, -1, -1]), np.array([0.25, 0.0, 0.0, 0.0, 0.0])
    cover = Cover(*box, axis, cut, within, ("", "5e" * 32, ""))
    proofs.append(write_proof(Proof(stated[:1], (), None, {}, cover)))
    return files, proofs


def main() -> None:
    """Fuzz for a while and print what was tried."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--corpus", type=Path, help="folder that keeps inputs; new when absent")
    given = parser.parse_args()
    try:
        atheris: Any = importlib.import_module("atheris")
    except ImportError:
        raise SystemExit(MISSING) from None
    warnings.simplefilter("error")
    folder = given.corpus or Path(tempfile.mkdtemp(prefix="secateur-fuzz-"))
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        files, proofs = seeds(Path(place), given.seed)
    for number, proof in enumerate(proofs):
        (folder / f"seed-{number}-c").write_bytes(RAW + proof[:-32])
        (folder / f"seed-{number}-h").write_bytes(apart(proof))
    for name, module in sorted(sys.modules.items()):
        if name.startswith("secateur.engine.proofs."):
            _instrument(atheris, module)
    target = Target(files)

    def told(data: bytes) -> None:
        target(data)
        if target.tried % 5000 == 0:
            print(f"{target.tried} tried, {target.read} read, {target.accepted} accepted, all true")

    def mutator(data: bytes, most: int, seed: int) -> bytes:
        return mutated(data, most, Random(seed), atheris.Mutate)

    words = [
        sys.argv[0],
        f"-max_total_time={given.seconds}",
        f"-seed={given.seed + 1}",
        "-max_len=16384",
        "-rss_limit_mb=4096",
        "-timeout=30",
        "-print_final_stats=1",
        str(folder),
    ]
    atheris.Setup(words, told, custom_mutator=mutator)
    atheris.Fuzz()


def _instrument(atheris: Any, module: Any) -> None:
    """Let the fuzzer see which parts of a module's functions an input reaches."""
    for name, thing in list(vars(module).items()):
        if getattr(thing, "__module__", None) == module.__name__ and hasattr(thing, "__code__"):
            setattr(module, name, atheris.instrument_func(thing))


if __name__ == "__main__":
    main()
