"""A family, or the network of one cell, as one file of C99 that needs nothing else.

It has static tables and no state, takes no memory from the heap, and every output has the bits that
`single.py` defines. Limits of the region and cuts are stated as float32 numbers that decide every
float32 input as the exact ones do: x < c holds where x is below the least float32 that reaches c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, assert_never

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from ..engine.errors import InputError, UnsupportedError
from ..engine.network import (
    Affine,
    Array,
    Concat,
    Input,
    Network,
    Node,
    Piecewise,
    Quantize,
    Select,
    State,
    Sum,
    rounding_refused,
)
from ..engine.operators import Convolution, Dense, Diagonal
from ..engine.region import Region
from .c_tables import Table, at_least, at_most, floats, integers, row_words, words
from .codes import lines_of, unpack
from .family import Family
from .folded import folded
from .single import Single, as_single
from .slices import LEAF, Slices

STACK: Final = 2**20
"""Bytes of values that a call may keep on the stack; small systems have less than larger ones."""

_ROUNDED: Final = "Numbers of the network that float32 does not hold are rounded to it here."

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,30}", re.ASCII)
_TAKEN: Final = re.compile(
    "auto|break|case|char|const|continue|default|do|double|else|enum|extern|float|for|goto|if|"
    "inline|int|long|register|restrict|return|short|signed|sizeof|static|struct|switch|typedef|"
    "union|unsigned|void|volatile|while|main|atol|clock|printf"
)


def c_family(family: Family, name: str = "family") -> str:
    """Return the C source of a family: router, one network, and the codes of all cells.

    Args:
        family: the networks.
        name: of the function; all other names begin with it.

    Raises:
        InputError: the name is none for C.
        UnsupportedError: a number beyond float32, or values beyond `STACK`.
    """
    source = _Source.begun(name)
    routed = _route(source, family.slices)
    if family.codes.sizes:
        _cells(source, family)
    _nodes(source, family.base, coded=True)
    removed = 100.0 * float(family.removed.mean(axis=0).sum()) / max(family.base.neurons, 1)
    about = [
        f"{family.base.origin.path}, simplified on each of {family.count} cells of "
        f"{family.slices.whole.name},",
        f"where {removed:.1f} % of its {family.base.neurons} neurons are no ReLUs on average.",
        f"Digest of the cells: {family.slices.digest}",
    ]
    coded = bool(family.codes.sizes)
    return source.render(family.base, about, regioned=True, coded=coded, **routed)


def c_cell(family: Family, cell: int, name: str = "cell", tolerance: float = 0.0) -> str:
    """Return the C source of the small network of one cell, which refuses inputs outside of it.

    Args:
        family: the networks.
        cell: which one.
        name: of the function; all other names begin with it.
        tolerance: as for `fold_of`.

    Raises:
        RegionError: there is no such cell.
        InputError: the name is none for C.
        UnsupportedError: a number beyond float32, or values beyond `STACK`.
    """
    return c_network(folded(family, cell, tolerance), name, family.region(cell), cell=cell)


def c_network(
    network: Network, name: str = "network", region: Region | None = None, *, cell: int = 0
) -> str:
    """Return the C source of a network.

    Args:
        network: any.
        name: of the function; all other names begin with it.
        region: closed box outside of which inputs are refused; None takes all.
        cell: what the function returns for inputs inside.

    Raises:
        InputError: the name is none for C.
        RegionError: the region has another number of inputs.
        UnsupportedError: a number beyond float32, or values beyond `STACK`.
    """
    source = _Source.begun(name)
    if region is not None:
        source.limits(region.fit(network))
    _nodes(source, network, coded=False)
    where = f" on {region.name}" if region is not None else ""
    about = [f"{network.origin.path}{where}: {network.multiply_adds} multiply-adds a call."]
    return source.render(
        network, about, regioned=region is not None, coded=False, routed=False, root=0, cell=cell
    )


@dataclass(slots=True)
class _Source:
    """A C source on its way.

    Attributes:
        name: what all names begin with.
        tables: constants.
        used: functions that are needed.
        buffers: name and size of arrays on the stack.
        body: statements that compute the nodes, in order.
        result: where the outputs are.
        rounded: whether a number was rounded to float32.
    """

    name: str
    tables: list[Table] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    buffers: dict[str, int] = field(default_factory=dict)
    body: list[str] = field(default_factory=list)
    result: str = "x"
    rounded: bool = False

    @classmethod
    def begun(cls, name: str) -> _Source:
        if not _NAME.fullmatch(name) or _TAKEN.fullmatch(name):
            raise InputError(
                f"{name!r} is no name for a function in C: take up to 31 letters, digits and _, "
                "beginning with a letter"
            )
        return cls(name)

    def limits(self, region: Region) -> None:
        """State the region's limits, rounded inward to float32."""
        least = at_least(region.exact_lower, f"{region.name}: the limit")
        most = at_most(region.exact_upper, f"{region.name}: the limit")
        self.tables += [
            floats("least", least, "Limits of the inputs, closed."),
            floats("most", most),
        ]

    def single(self, values: Array, what: str) -> Single:
        """Return numbers in float32, and take note where that is not all of them."""
        near = as_single(values, what)
        self.rounded |= not np.array_equal(near, values)
        return near

    def render(self, network: Network, about: list[str], **words: Any) -> str:
        """Return the source."""
        return _template().render(
            name=self.name,
            title=_plain(f"{self.name}: a network of ReLUs in C99"),
            about=[_plain(line) for line in [*about, *([_ROUNDED] if self.rounded else [])]],
            inputs=network.size_in,
            outputs=network.size_out,
            tables=self.tables,
            used=self.used,
            buffers=[{"name": one, "size": size} for one, size in self.buffers.items()],
            body=self.body,
            result=self.result,
            stack=4 * sum(self.buffers.values()),
            version=version("secateur"),
            **words,
        )


@cache
def _template() -> Template:
    """Return the text that all sources have in common; C is no markup, so nothing is escaped."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent.parent / "templates"),
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    ).get_template("family.c.j2")


def _plain(line: str) -> str:
    """Return a line that ends no comment of C, and continues none."""
    kept = "".join(one if one.isprintable() and one.isascii() else "?" for one in line)
    return kept.replace("*/", "* /").replace("/*", "/ *").replace("??/", "?/").rstrip("\\")


def _route(source: _Source, slices: Slices) -> dict[str, Any]:
    """Add limits and tree; a child is a split node, or -1 - its cell."""
    source.limits(slices.whole)
    split = np.flatnonzero(slices.axis != LEAF)
    if not split.size:
        return {"routed": False, "root": 0, "cell": 0}
    name = -1 - slices.first
    name[split] = np.arange(split.size)
    first = slices.child[split]
    cuts, which = np.unique(slices.cut[split], return_inverse=True)
    near = at_least([Fraction(cut) for cut in cuts], f"{slices.whole.name}: the cut")[which]
    source.tables += [
        integers("axis", slices.axis[split], "The tree of cuts: what is below goes to child 0."),
        floats("cut", near),
        integers("child", np.stack([name[first], name[first + 1]], axis=1)),
    ]
    return {"routed": True, "root": 0, "cell": 0}


def _cells(source: _Source, family: Family) -> None:
    """Add the codes: a form for each cell and layer, which has packed states and lines."""
    codes = family.codes
    source.tables.append(integers("form", codes.index, "The form of each cell and layer."))
    for number, size in enumerate(codes.sizes):
        states = unpack(codes.forms[number], size)
        source.tables.append(words(f"states{number}", states, f"Forms of layer {number}."))
        first = codes.first[codes.lists[number].astype(np.int64)]
        if len(codes.lines):
            source.tables.append(integers(f"lines{number}", first))
    lines = source.single(codes.lines, family.base.origin.path)
    source.tables.append(floats("line", lines, "Slopes and intercepts."))


def _nodes(source: _Source, network: Network, *, coded: bool) -> None:
    """Add what computes each node, and where its values are."""
    where: dict[str, str] = {}
    hidden = [node.name for node in network.piecewise]
    for number, node in enumerate(network.nodes):
        reads = [where[name] for name in node.sources]
        match node.layer:
            case Input():
                where[node.name] = "x"
                continue
            case Piecewise() if network.readers[node.sources[0]] == (node.name,):
                own = reads[0] if reads[0] != "x" else _buffer(source, number, node)
            case _:
                own = _buffer(source, number, node)
        where[node.name] = own
        match node.layer:
            case Affine():
                _affine(source, number, node.layer, reads[0], own)
            case Piecewise():
                if own != reads[0]:
                    _each(source, node.size, own, f"{reads[0]}[j]")
                layer = hidden.index(node.name) if coded else None
                _activations(source, number, node.layer, own, layer, len(hidden))
            case Quantize():
                raise rounding_refused("C", node.name, network.origin.path)
            case Sum():
                _each(source, node.size, own, " + ".join(f"{one}[j]" for one in reads))
            case Concat(sizes=sizes):
                begin = 0
                for one, size in zip(reads, sizes, strict=True):
                    _each(source, size, f"({own} + {begin})", f"{one}[j]")
                    begin += size
            case Select(indices=indices):
                source.tables.append(integers(f"select{number}", indices))
                _each(source, node.size, own, f"{reads[0]}[{source.name}_select{number}[j]]")
            case _ as never:
                assert_never(never)
    source.result = where[network.output]


def _buffer(source: _Source, number: int, node: Node) -> str:
    source.buffers[f"v{number}"] = node.size
    stack = 4 * sum(source.buffers.values())
    if stack > STACK:
        raise UnsupportedError(
            f"C would keep at least {stack} bytes of values on the stack, {STACK} are the most: "
            "export ONNX for networks of this size"
        )
    return f"v{number}"


def _each(source: _Source, size: int, to: str, value: str) -> None:
    source.body += [f"for (j = 0; j < {size}; j++)", f"    {to}[j] = {value};"]


def _affine(source: _Source, number: int, layer: Affine, read: str, own: str) -> None:
    weight = source.single(layer.operator.weight, "a weight")
    name, size = source.name, layer.size
    source.tables.append(floats(f"bias{number}", source.single(layer.bias, "a bias")))
    match layer.operator:
        case Dense():
            source.used.add("dense")
            source.tables.append(floats(f"weight{number}", weight.T))
            ends = f"{read}, {layer.operator.size_in}, {own}, {size}"
            source.body.append(f"{name}_dense({name}_weight{number}, {name}_bias{number}, {ends});")
        case Diagonal():
            source.tables.append(floats(f"weight{number}", weight))
            product = f"{name}_weight{number}[j] * {read}[j]"
            _each(source, size, own, f"{name}_bias{number}[j] + {product}")
        case Convolution() as one:
            source.used.add("convolution")
            source.tables.append(floats(f"weight{number}", weight))
            out, inside, tall, wide = one.weight.shape
            shape = [one.groups, out // one.groups, inside, tall, wide, *one.shape_in[1:]]
            shape += [*one.shape_out[1:], *one.padding[:2], *one.strides, *one.dilations]
            text = ", ".join(map(str, shape))
            source.tables.append(Table("int32_t", f"shape{number}", len(shape), f"    {text}"))
            tables = ", ".join(f"{name}_{part}{number}" for part in ("weight", "bias", "shape"))
            source.body.append(f"{name}_convolution({tables}, {read}, {own});")
        case _ as never:
            assert_never(never)


def _activations(
    source: _Source, number: int, layer: Piecewise, own: str, coded: int | None, depth: int
) -> None:
    """Add activations in place: those of the cell's form, or of one network."""
    name, size = source.name, layer.size
    if coded is not None:
        source.used.add("coded")
        source.body.append(f"form = {name}_form[(long)cell * {depth} + {coded}];")
        states = f"{name}_states{coded} + form * {row_words(size)}"
        has = any(table.name == f"lines{coded}" for table in source.tables)
        line = f"{name}_line + 2 * (long){name}_lines{coded}[form]" if has else f"{name}_line"
        source.body.append(f"{name}_coded({states}, {line}, {own}, {size});")
    elif (layer.state == State.RELU).all():
        source.used.add("relu")
        source.body.append(f"{name}_relu({own}, {size});")
    elif (layer.state != State.IDENTITY).any():
        source.used.add("coded")
        lines = source.single(lines_of(layer), "a line")
        source.tables += [
            words(f"state{number}", layer.state[None]),
            floats(f"line{number}", lines),
        ]
        source.body.append(
            f"{name}_coded({name}_state{number}, {name}_line{number}, {own}, {size});"
        )
