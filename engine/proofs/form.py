"""The form of a proof: what it says, and the evidence for it. See docs/certificates.md.

A proof speaks of networks that all read one vector of inputs, and of a box of inputs. What it says
is a list of cases, conjunctions of linear inequalities that no input of the box satisfies. The
evidence is a tree that halves the box, or fixes the phase of a neuron: at every node some cases are
*excluded*, by a non-negative combination of a case's inequalities that cannot hold there; on every
way from the root to a leaf every case has to be excluded. How a combination is bounded is the
checker's business; an entry may come with multipliers that help.

This file, and all that the checker imports, needs python's standard library and numpy alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from .evidence import PLAIN, Array, Duals, Form, Index, Tree

Words = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Line:
    """A neuron of an activation that is replaced by a line.

    Attributes:
        node: name of the layer of activations in its file.
        neuron: index there.
        slope, intercept: of the line; exact float64.
    """

    node: str
    neuron: int
    slope: float
    intercept: float


@dataclass(frozen=True, slots=True)
class Subject:
    """A network that a proof speaks of.

    Attributes:
        file: index of its file.
        inputs: for each of its inputs which of the proof's inputs it is.
        lines: neurons that are replaced by lines; none for the file as it is.
    """

    file: int
    inputs: tuple[int, ...]
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class Value:
    """A number that a network computes.

    Attributes:
        subject: index of the network.
        node: name of a layer in its file; None for the outputs.
        index: which of the layer's values.
    """

    subject: int
    node: str | None
    index: int


@dataclass(frozen=True, slots=True)
class Row:
    """A linear form, ``constant + sum inputs + sum values``.

    Attributes:
        inputs: coefficients of the proof's inputs.
        values: coefficients of what networks compute.
        constant: exact.
    """

    inputs: Mapping[int, Fraction]
    values: Mapping[Value, Fraction]
    constant: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Atom:
    """``row <= 0``, or ``row < 0`` if strict.

    Attributes:
        row: index of the row.
        strict: whether zero fails it.
    """

    row: int
    strict: bool


Case = tuple[Atom, ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """What is to be excluded, in rows and cases, over one box.

    Attributes:
        rows: linear forms.
        cases: conjunctions of atoms; no input of the box satisfies any.
    """

    rows: tuple[Row, ...]
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """The cases themselves are what is said.

    Attributes:
        negation: the cases.
    """

    negation: Negation
    kind: Literal["query"] = "query"


@dataclass(frozen=True, slots=True)
class Within:
    """Outputs of subjects 0 and 1 are nowhere farther apart than a tolerance.

    Attributes:
        tolerance: at least 0.
        outputs: which ones.
    """

    tolerance: Fraction
    outputs: tuple[int, ...]
    kind: Literal["within"] = "within"


@dataclass(frozen=True, slots=True)
class SameBest:
    """Wherever one output of subject 0 leads by more than a band, subject 1 prefers no other to it.

    Attributes:
        sign: 1 where the largest output is the best, -1 where the smallest is.
        band: at least 0.
        outputs: how many there are, at least 2.
        room: at least 0; what subject 1 prefers may even be nearer to another output than to the
            first by this, so that its outputs may still be moved by half of it.
    """

    sign: int
    band: Fraction
    outputs: int
    room: Fraction = Fraction(0)
    kind: Literal["same-best"] = "same-best"


@dataclass(frozen=True, slots=True)
class Limits:
    """Values of networks stay between limits, which belong to it.

    Attributes:
        limits: of each value the least and the largest; None for no limit.
    """

    limits: tuple[tuple[Value, Fraction | None, Fraction | None], ...]
    kind: Literal["limits"] = "limits"


Claim = Query | Within | SameBest | Limits


@dataclass(frozen=True, slots=True)
class Twins:
    """Layers of two subjects whose differences are worth bounding; a hint, any pairing is sound.

    Attributes:
        first, second: subject and name of the layer of activations.
        order: for each neuron of the first the neuron of the second; None where they go in order.
    """

    first: tuple[int, str]
    second: tuple[int, str]
    order: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Lemma:
    """A claim over a box, and its evidence.

    Attributes:
        subjects: the networks.
        lower, upper: limits of the inputs, closed, exact, network units.
        claim: what holds.
        twins: hints.
        forms: combinations that entries of the tree speak of.
        tree: the evidence.
        duals: multipliers for entries of the tree.
    """

    subjects: tuple[Subject, ...]
    lower: tuple[Fraction, ...]
    upper: tuple[Fraction, ...]
    claim: Claim
    twins: tuple[Twins, ...]
    forms: tuple[Form, ...]
    tree: Tree
    duals: Duals = PLAIN


@dataclass(frozen=True, slots=True)
class Match:
    """A ReLU of the simplified network that is all but a multiple of one of the original's.

    Attributes:
        node, neuron: of the simplified network.
        like: node and neuron of the original.
        scale: above 0.
    """

    node: str
    neuron: int
    like: tuple[str, int]
    scale: Fraction


@dataclass(frozen=True, slots=True)
class Simplified:
    """One file may stand for another over a box; what follows from lemmas and from algebra.

    File 0 with the phases' lines equals file 0, by lemmas `phases`. That with the removals' lines
    besides keeps the claim, by lemma `joint`. File 1 with its own lines equals file 1, by lemmas
    `signs`. And what the removals leave is within `distance` of that, by the algebra of both.

    Attributes:
        claim: what file 1 keeps of file 0.
        phases: indices of lemmas that bound the pre-activations of phases, each in file 0 with
            lines that those before it cover.
        joint: index of the lemma that has file 0 with the phases' lines as subject 0, and with all
            lines as subject 1; None where there are no removals.
        signs: the same of file 1.
        lines: of file 0, phases and removals.
        lines_after: of file 1.
        matches: hints for the algebra.
        distance: proved by the algebra; at least 0.
        lower, upper: of the box.
    """

    claim: Within | SameBest
    phases: tuple[int, ...]
    joint: int | None
    signs: tuple[int, ...]
    lines: tuple[Line, ...]
    lines_after: tuple[Line, ...]
    matches: tuple[Match, ...]
    distance: Fraction
    lower: tuple[Fraction, ...]
    upper: tuple[Fraction, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Cover:
    """The cells into which cuts part a box, and proofs of what holds on each of them.

    Attributes:
        lower, upper: of the box.
        axis, cut: of the tree of cuts, as of the evidence of a lemma; its leaves are the cells.
        claim: what each named proof says of file 0, and of the file that may stand for it; None
            where no proofs are named.
        proofs: for each cell, in the order of the leaves, the digest of its proof; "" for none.
    """

    lower: tuple[Fraction, ...]
    upper: tuple[Fraction, ...]
    axis: Index
    cut: Array
    claim: Within | SameBest | None
    proofs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class File:
    """A network's file.

    Attributes:
        name: how to speak of it, as it was named.
        digest: SHA-256 of its bytes, hexadecimal.
        size: its bytes.
    """

    name: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class Proof:
    """What is proved, of which files, and the evidence.

    Attributes:
        files: of the networks.
        lemmas: all of them hold.
        simplified: what follows from the lemmas for files 0 and 1; None where the lemmas
            themselves are what is proved.
        said: what the prover says of it besides; nothing is checked of that.
        cover: cells that cover a box; None where it speaks of none.
    """

    files: tuple[File, ...]
    lemmas: tuple[Lemma, ...]
    simplified: Simplified | None = None
    said: Words = field(default_factory=dict)
    cover: Cover | None = None
