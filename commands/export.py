"""`secateur export`: a network, a family, or one of its cells, in another format."""

from __future__ import annotations

import hashlib
import shlex
import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ..engine.errors import InputError
from ..engine.formats import load, save
from ..engine.formats.decimals import exact
from ..engine.formats.files import read_bytes, replace_with
from ..engine.network import Layer, Network, State
from ..slicing.database import is_store
from ..slicing.family import Family, Mark
from ..slicing.family_file import load_family
from ..slicing.stored import Stored
from .options import Exit, Options
from .record import Record, envelope, network_record, region_record, write_record
from .slice_words import Goal, is_family
from .targets import STANDARD_OUTPUT, check_targets
from .terminal import Terminal

ENDINGS = {
    Goal.ONNX: (".onnx",),
    Goal.NNET: (".nnet",),
    Goal.C: (".c", ".h"),
    Goal.PROOF: (".proof",),
}
"""Of the files of each format."""


@dataclass(frozen=True, slots=True)
class Order:
    """What `export` is asked for.

    Attributes:
        source: file of a network or of a family.
        output: the file to write.
        to: its format; None for that of its ending.
        cell: of a family, whose network alone is wanted; None for all.
        at: the same, by an input that the cell owns, as it was typed.
        name: of the function in C.
    """

    source: Path
    output: Path
    to: Goal | None = None
    cell: int | None = None
    at: str | None = None
    name: str = "network"

    @property
    def goal(self) -> Goal:
        """The format to write."""
        ending = self.output.suffix.lower()
        found = next((goal for goal, some in ENDINGS.items() if ending in some), None)
        if self.to is None and found is None:
            raise InputError(
                f"--output {self.output}: {ending or 'no ending'} is no format to write; end the "
                "name in .onnx, .nnet, .c or .proof, or name the format by --to"
            )
        goal = self.to or found
        assert goal is not None
        if ending not in ENDINGS[goal] and self.output != STANDARD_OUTPUT:
            raise InputError(
                f"--output {self.output}: --to {goal} writes files that end in {ENDINGS[goal][0]}"
            )
        return goal


def run(order: Order, options: Options) -> Exit:
    """Write what is asked for; end DONE."""
    began, goal = time.monotonic(), order.goal
    check_targets([("--output", order.output, ()), ("--json", options.json, ())], [order.source])
    if order.cell is not None and order.at is not None:
        raise InputError("--cell and --at both name a cell: give one of them")
    if goal is Goal.PROOF:
        return _proof(order, options, began)
    said: Record = {"cell": None, "mark": None, "region": None}
    if is_store(order.source):
        data, network, said = _compressed(order, goal)
    elif not is_family(order.source):
        if order.cell is not None or order.at is not None:
            raise InputError(
                f"{order.source}: this is one network: --cell and --at are of families"
            )
        network = load(order.source)
        data = _written(network, goal, order)
    else:
        family = load_family(order.source)
        network = family.base
        cell = _cell(order, family)
        if cell is not None:
            mark = Mark(int(family.mark[cell])).name.lower()
            where = region_record(family.region(cell), network)
            said = {"cell": cell, "mark": mark, "region": where}
        data, network = _of_family(family, cell, goal, order)
    replace_with(order.output, data)
    record = envelope(
        "export",
        options,
        Exit.DONE,
        time.monotonic() - began,
        source=str(order.source),
        format=goal.value,
        network=network_record(network),
        **said,
        output=_output(order.output, data),
    )
    write_record(record, options.json)
    terminal = Terminal.of(options)
    part = "" if said["cell"] is None else f", cell {said['cell']} ({said['mark']})"
    terminal.say(f"{order.output}: {len(data)} bytes of {goal}, from {order.source}{part}")
    return Exit.DONE


def _compressed(order: Order, goal: Goal) -> tuple[bytes, Network, Record]:
    """Return the file of the compressed network that a store has of a cell."""
    from ..compression.files import save_compressed
    from ..compression.packed import unpack
    from ..slicing.pipeline import COMPRESSED
    from ..slicing.pipeline_family import begun

    if goal is not Goal.ONNX:
        raise InputError(f"{order.source}: compressed networks are exported to .onnx, not {goal}")
    with Stored(order.source) as stored:
        base = begun(stored)
        cell = _cell(order, base)
        if cell is None:
            raise InputError(f"{order.source}: name a cell by --cell or --at")
        if COMPRESSED not in stored.names(cell):
            raise InputError(
                f"{order.source}: cell {cell} has no compressed network: slice with --compress, or "
                "export the small one from the family"
            )
        packed = unpack(stored.blob(cell, COMPRESSED), f"{order.source}, cell {cell}")
    with TemporaryDirectory(prefix="secateur-") as folder:
        path = Path(folder) / "network.onnx"
        save_compressed(packed, path)
        data = read_bytes(path)
    where = region_record(base.region(cell), base.base)
    return data, packed.network, {"cell": cell, "mark": "compressed", "region": where}


def _proof(order: Order, options: Options, began: float) -> Exit:
    """Write the certificate that a store has of a cell, and the network that it speaks of."""
    from ..slicing.pipeline import PROOF, WRITTEN
    from ..slicing.pipeline_family import begun

    if is_family(order.source):
        raise InputError(
            f"{order.source}: certificates are in the store beside a family: name that, such as "
            f"{order.source}.cells"
        )
    with Stored(order.source) as stored:
        base = begun(stored)
        cell = _cell(order, base)
        if cell is None:
            return _proof_of_all(order, options, began, stored, base)
        network, proof = stored.blob(cell, WRITTEN), stored.blob(cell, PROOF)
    beside = order.output.with_suffix(".onnx")
    check_targets([("--output", beside, ())], [order.source])
    replace_with(beside, network)
    replace_with(order.output, proof)
    files = ("--network", base.base.origin.path, "--network", str(beside))
    check = shlex.join(["secateur", "check", str(order.output), *files])
    more: Record = {"cell": cell, "region": region_record(base.region(cell), base.base)}
    more |= {"output": _output(order.output, proof), "beside": _output(beside, network)}
    said = f"Certificate of cell {cell}: {order.output}; to judge it: {check}"
    return _told(order, options, began, base, said, check=check, **more)


def _proof_of_all(
    order: Order, options: Options, began: float, stored: Stored, base: Family
) -> Exit:
    """Write the proof that the cells cover their region, which names all their certificates."""
    from ..engine.proofs.store import write_proof
    from ..slicing.blobs import blobs_of
    from ..slicing.certificate import proof_of_cells

    found = proof_of_cells(stored, base.slices)
    data = write_proof(found)
    replace_with(order.output, data)
    named = sum(bool(one) for one in found.cover.proofs) if found.cover is not None else 0
    words = ["--network", base.base.origin.path, "--cells", str(blobs_of(order.source))]
    check = shlex.join(["secateur", "check", str(order.output), *words])
    more: Record = {"cell": None, "region": region_record(base.slices.whole, base.base)}
    more["output"] = _output(order.output, data)
    said = (
        f"{order.output}: {base.count} cells cover the region, {named} of them with certificates; "
        f"to judge them all: {check}"
    )
    return _told(order, options, began, base, said, check=check, **more)


def _told(
    order: Order, options: Options, began: float, base: Family, said: str, **more: object
) -> Exit:
    """Write the record of a certificate, and say what was written."""
    record = envelope(
        "export",
        options,
        Exit.DONE,
        time.monotonic() - began,
        source=str(order.source),
        format=Goal.PROOF.value,
        network=network_record(base.base),
        mark=None,
        **more,
    )
    write_record(record, options.json)
    Terminal.of(options).say(said)
    return Exit.DONE


def _output(path: Path, data: bytes) -> Record:
    return {"path": str(path), "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def _cell(order: Order, family: Family) -> int | None:
    """Return the cell that is asked for, if one is."""
    if order.at is None:
        if order.cell is not None:
            family.region(order.cell)
        return order.cell
    from ..slicing.route import Router

    point = np.array([float(exact(one, "--at")) for one in order.at.split(",")])
    return int(Router(family.slices).route(point))


def _of_family(family: Family, cell: int | None, goal: Goal, order: Order) -> tuple[bytes, Network]:
    """Return the file of a family or of one of its cells, and the network that it is of."""
    from ..slicing.c_source import c_cell, c_family
    from ..slicing.folded import folded

    if cell is None and goal is not Goal.C:
        raise InputError(
            f"{order.source}: {goal} holds one network, and this is a family of {family.count}: "
            "name a cell by --cell or --at, or take --to c for all of them"
        )
    if cell is None:
        return c_family(family, order.name).encode(), family.base
    if goal is Goal.C:
        return c_cell(family, cell, order.name).encode(), folded(family, cell)
    small = chained(family, cell) if goal is Goal.NNET else folded(family, cell)
    return _saved(small, goal), small


def chained(family: Family, cell: int) -> Network:
    """Return the small network of a cell as a chain of ReLU layers, as far as that is proved.

    A linear unit that is nowhere below 0 on the cell is a ReLU there. Whether it is, is asked of
    the network in which all of them are ReLUs: up to the first layer with one that is not proved,
    that network computes what the cell's own does.
    """
    from ..redundancy.fold import fold
    from ..redundancy.relus import activations, as_relus
    from ..slicing.phases import Effort, decide_cells

    network, region = family.materialise(cell), family.region(cell)
    units, relus = {}, dict[str, Layer]()
    for node in network.piecewise:
        own = activations(node)
        units[node.name] = own.state == State.IDENTITY
        relus[node.name] = replace(own, state=np.where(units[node.name], State.RELU, own.state))
    asked = network.with_layers(relus)
    found = decide_cells(asked, region.lower[None], region.upper[None], Effort(workers=1))
    masks, first, sound = {}, 0, True
    for name, size in found.layers:
        proved = found.state[0, first : first + size] == State.IDENTITY
        masks[name] = units[name] & proved & sound
        sound &= bool((masks[name] == units[name]).all())
        first += size
    folds = fold(network, region, 0.0, masks, chain=True)
    return as_relus(folds.after, family.base, folds.nonnegative, folds.nonpositive)


def _written(network: Network, goal: Goal, order: Order) -> bytes:
    """Return the file of a network."""
    if goal is Goal.C:
        from ..slicing.c_source import c_network

        return c_network(network, order.name).encode()
    return _saved(network, goal)


def _saved(network: Network, goal: Goal) -> bytes:
    with TemporaryDirectory(prefix="secateur-") as folder:
        path = Path(folder) / f"network{ENDINGS[goal][0]}"
        save(network, path)
        return read_bytes(path)
