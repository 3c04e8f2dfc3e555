"""The networks of a question and how their inputs are one: parts that `question` is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from .claim import Atom, Claim, Part, Tensor
from .errors import UnsupportedError
from .network import Affine, Input, Network, Node, Origin, Select, Sum
from .operators import Dense
from .rounding import LARGEST

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One network of a question.

    Attributes:
        network: as it was loaded.
        inputs: ``(inputs of the network,)`` which input of the question each of its inputs is.
        declared: indices of the claim's networks that it stands for; more than one for copies.
    """

    network: Network
    inputs: NDArray[np.int64]
    declared: tuple[int, ...]


class Ties:
    """Which input each input variable is, where inputs that every case equates are one.

    Variables that are no inputs are numbered after the inputs, in their order.
    """

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        inputs = [t for t in claim.tensors if t.part is Part.INPUT]
        variables = [t.first + at for t in inputs for at in range(t.size)]
        root = {variable: variable for variable in variables}

        def find(variable: int) -> int:
            while root[variable] != variable:
                variable = root[variable]
            return variable

        for left, right in _equated(claim, frozenset(variables)):
            first, second = sorted((find(left), find(right)))
            root[second] = first
        kept = sorted({find(variable) for variable in variables})
        place = {variable: index for index, variable in enumerate(kept)}
        self.size = len(kept)
        self.kept = kept
        self.columns = {variable: place[find(variable)] for variable in variables}
        others = [v for v in range(claim.size) if v not in root]
        self.number = {**self.columns, **{v: self.size + i for i, v in enumerate(others)}}
        self.variable = {self.size + i: v for i, v in enumerate(others)}

    def replaced(self, atom: Atom) -> dict[int, Fraction]:
        """Return an atom's slopes by number, zeros left out."""
        out: dict[int, Fraction] = {}
        for variable, slope in atom.form.slopes.items():
            number = self.number[variable]
            out[number] = out.get(number, Fraction(0)) + slope
        return {number: slope for number, slope in out.items() if slope}

    def named_by_variable(self, form: Mapping[int, Fraction]) -> Mapping[int, Fraction]:
        """Return a form over the claim's variables."""
        return {
            self.kept[number] if number < self.size else self.variable[number]: value
            for number, value in form.items()
        }

    def named(self, index: int) -> str:
        """Return how the claim calls an input."""
        variable = self.kept[index]
        tensor = next(t for t in self.claim.tensors if t.first <= variable < t.first + t.size)
        return f"{tensor.name}[{variable - tensor.first}]"


def _equated(claim: Claim, inputs: frozenset[int]) -> list[tuple[int, int]]:
    """Return the pairs of inputs that every case sets equal."""
    found: frozenset[tuple[int, int]] | None = None
    for case in claim.cases:
        below: set[tuple[int, int]] = set()
        for atom in case:
            slopes = atom.form.slopes
            if len(slopes) == 2 and not atom.form.offset and slopes.keys() <= inputs:
                (left, first), (right, second) = slopes.items()
                if first == -second:
                    below.add((left, right) if first > 0 else (right, left))
        both = frozenset((a, b) for a, b in below if (b, a) in below and a < b)
        found = both if found is None else found & both
    return sorted(found or ())


def near(claim: Claim, value: Fraction) -> float:
    """Return the nearest float."""
    try:
        return float(value)
    except OverflowError:
        raise UnsupportedError(
            f"{claim.name}: an inequality's numbers are too large to be computed with"
        ) from None


class Merged:
    """Builds the merged network."""

    def __init__(
        self,
        claim: Claim,
        sources: tuple[Source, ...],
        columns: Mapping[int, int],
        size: int,
    ) -> None:
        self.claim, self.sources, self.size = claim, sources, size
        self.reads: dict[int, tuple[int, str, int]] = {}
        """Of each variable that is no input: source, node and index there."""
        self.plain = True
        inputs = len(columns)
        others: list[int] = [v for v in range(claim.size) if v not in columns]
        number = {variable: size + index for index, variable in enumerate(others)}
        for at, source in enumerate(sources):
            for declared in source.declared:
                first = 0
                for tensor in (t for t in claim.tensors if t.network == declared):
                    first = self._place(at, source.network, tensor, first, number)
        assert inputs >= size

    def _place(
        self, at: int, network: Network, tensor: Tensor, first: int, number: Mapping[int, int]
    ) -> int:
        match tensor.part:
            case Part.INPUT:
                return first
            case Part.OUTPUT:
                for entry in range(tensor.size):
                    self.reads[number[tensor.first + entry]] = (at, network.output, first + entry)
                return first + tensor.size
            case Part.HIDDEN:
                node = network.by_name.get(str(tensor.node))
                if node is None or node.size != tensor.size:
                    raise UnsupportedError(
                        f"{self.claim.name}: hidden tensor {tensor.name} stands for {tensor.node!r}"
                        f", which {network.origin.path} does not hold as a tensor of {tensor.size} "
                        "numbers: name a tensor of the file"
                    )
                for entry in range(tensor.size):
                    self.reads[number[tensor.first + entry]] = (at, node.name, entry)
                return first

    def build(
        self, forms: Sequence[Mapping[int, Fraction]]
    ) -> tuple[list[Node], tuple[Array, ...], Array, Array, bool]:
        """Return the nodes below the rows, the rows' coefficients, an empty bias, and plainness."""
        count = len(forms)
        blocks: dict[tuple[int, str], list[Array]] = {}
        direct = [np.zeros((count, self.size))]
        outputs = [np.zeros((count, source.network.size_out)) for source in self.sources]
        for row, form in enumerate(forms):
            places: dict[tuple[int, str, int], Fraction] = {}
            for number, value in form.items():
                if number < self.size:
                    self._write(direct, row, number, value)
                else:  # copies of a network share their values: what is said of them adds up
                    place = self.reads[number]
                    places[place] = places.get(place, Fraction(0)) + value
            for (at, node, index), value in places.items():
                network = self.sources[at].network
                if (at, node) not in blocks:
                    blocks[at, node] = [np.zeros((count, network.by_name[node].size))]
                self._write(blocks[at, node], row, index, value)
        nodes: list[Node] = [Node("input", Input((self.size,)))]
        used = {at for at, _ in blocks}
        for at in sorted(used):
            nodes += self._copied(at)
        self.parts: list[tuple[str, Array]] = []
        for (at, node), matrices in blocks.items():
            self.parts += [(self._name(at, node), matrix) for matrix in matrices]
            if node == self.sources[at].network.output:
                outputs[at] = matrices[0]
            else:
                self.plain = False
        for matrix in direct:
            if matrix.any() or not self.parts:
                self.parts.append(("input", matrix))
        plain = self.plain and len(direct) == 1 and all(len(m) == 1 for m in blocks.values())
        return nodes, tuple(outputs), direct[0], np.zeros(count), plain

    def finish(self, nodes: list[Node], bias: Array) -> Network:
        """Return the network: the nodes, and the rows with their bias."""
        names = []
        for index, (source, matrix) in enumerate(self.parts):
            shift = bias if index == 0 else np.zeros_like(bias)
            names.append(f"rows:{index}")
            nodes.append(Node(names[-1], Affine(Dense(matrix), shift), (source,)))
        if len(names) > 1:
            nodes.append(Node("rows", Sum(bias.size), tuple(names)))
        # The coarsest type's numbers are numbers of the others: every file can be given them.
        dtypes = [source.network.origin.dtype for source in self.sources]
        dtype = min(dtypes, key=lambda kind: np.dtype(kind).itemsize)
        return Network(tuple(nodes), nodes[-1].name, Origin(self.claim.name, "built", "", dtype))

    def _write(self, matrices: list[Array], row: int, column: int, value: Fraction) -> None:
        """Write a coefficient as a sum of floats, one to a matrix."""
        for part in range(64):
            if part == len(matrices):
                matrices.append(np.zeros_like(matrices[0]))
            part_value = near(self.claim, value)
            if abs(part_value) > LARGEST:
                break
            matrices[part][row, column] = part_value
            value -= Fraction(part_value)
            if not value:
                return
        raise UnsupportedError(f"{self.claim.name}: a coefficient is too large to be computed with")

    def _name(self, at: int, node: str) -> str:
        """Return the name of a source's node; an input that is the common one has its name."""
        source = self.sources[at]
        whole = np.array_equal(source.inputs, np.arange(self.size))
        return "input" if whole and node == source.network.input.name else f"{at}:{node}"

    def _copied(self, at: int) -> list[Node]:
        """Return a source's nodes under names of their own, reading the common input."""
        source = self.sources[at]
        network = source.network
        nodes: list[Node] = []
        name = self._name(at, network.input.name)
        if name != "input":
            nodes = [Node(name, Select(source.inputs, self.size), ("input",))]
        for node in network.nodes[1:]:
            reads = tuple(self._name(at, read) for read in node.sources)
            nodes.append(Node(f"{at}:{node.name}", node.layer, reads))
        return nodes
