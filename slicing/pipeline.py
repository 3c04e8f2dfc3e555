"""The pipeline of cells: what is done to each, as work for the schedule.

The phases of all cells of a batch are decided together; then each cell goes through the steps of
the recipe by itself, each of which makes its draft smaller and keeps what was proved. A cell that
the first stage leaves open goes on alone, as long as its time lasts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ..compression.packed import pack
from ..engine.errors import InputError, UnsupportedError
from ..engine.network import Affine, Network
from ..engine.region import Region
from ..redundancy import phase
from ..redundancy.aim import Aim
from ..redundancy.chain import chained
from ..redundancy.guarantee import Outputs, SameBest
from ..redundancy.known import Known, KnownLayer, known_of
from ..redundancy.plan import Plan, simplify
from ..redundancy.relus import activations
from .codes import record, records
from .figures import figures_of, figures_of_phases
from .lossy import Lossy, lose
from .phases import Effort, decide_cells
from .phases_found import CellPhases
from .undecided import LARGEST
from .work import Json, Result, Work

PROOF_SHARE = 0.5
"""Part of a cell's time that is kept for its certificate, which may take what else is left too."""

GRACE = 30.0
"""Seconds beyond its own time after which a worker is ended that does not end its cell itself."""

LOADING = 600.0
"""Seconds in which a small cell is done even by a worker that compiles its loops first."""

PATIENCE = 2
"""Sets of removals in a row that may stay without a proof before a cell is left as it is: on ACAS
Xu, what was tried after that took half of a hard cell's time, and removed next to nothing."""

TOGETHER_SHARE = 0.25
"""Part of the cells' time after which no round is begun while they are bounded together, where they
go on alone afterwards: a round takes about eight times as long as the one before."""

FURTHER = 8
"""So many times the sub-boxes where neurons that stay open would be searched for alone: one round
more while cells are bounded together costs a quarter of that, and proves as much."""

LOSSY_SHARE = 0.5
"""Part of a cell's time for compression and repair, where they are asked for."""

PROOF, WRITTEN = "proof", "network.onnx"
"""The blobs of a cell with a certificate, and the file that it speaks of beside the original's."""

COMPRESSED = "network.sec"
"""The blob of a cell that is compressed: the packed file."""


class Stage(StrEnum):
    """How far cells go."""

    PHASES = "phases"
    """Neurons that are zero or the identity, decided for all cells of a batch together."""
    SIMPLIFY = "simplify"
    """Then whatever else the guarantee lets go, cell by cell."""


@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """What is done to each cell.

    Attributes:
        network: the original.
        aim: what must stay; equal outputs where the stage is phases.
        stage: how far cells go.
        boxes: sub-boxes a cell at most, while cells are bounded together; 0 not to split.
        seconds: wall time for what is done to a cell alone.
        proof: whether each cell gets a certificate.
        seed: of all randomness.
        alone: whether each cell's open phases are searched for by themselves, where phases are all.
        lossy: what cells lose with loss, after all that; None for nothing.
        device: where phases are decided, as torch names it: cpu stands for compiled loops, another
            for batches of thousands of cells.

    Raises:
        InputError: another device for more than phases of cells together; a certificate or a
            compression of phases alone, or a certificate of a network without a file; no time; a
            hidden layer to be kept.
        UnsupportedError: layers that are too large to be written as matrices.
    """

    network: Network
    aim: Aim = field(default_factory=Aim)
    stage: Stage = Stage.SIMPLIFY
    boxes: int = 512
    seconds: float = 10.0
    proof: bool = False
    seed: int = 0
    alone: bool = False
    lossy: Lossy | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.device != "cpu" and self.one_by_one:
            raise InputError(
                f"device {self.device}: it decides the phases of all cells together, and what is "
                "done to cells one by one runs on the CPU: take the stage phases and no long "
                "effort, or leave the device away"
            )
        if not 0.0 < self.seconds < float("inf"):
            raise InputError(f"{self.seconds:g} seconds for a cell: give a number above 0")
        if self.aim.until is not None:
            raise InputError(
                f"layer {self.aim.until}: a family keeps what its networks give out: leave the "
                "layer away"
            )
        if self.alone and self.stage is Stage.SIMPLIFY:
            raise InputError("simplifying searches each cell alone as it is: leave `alone` away")
        if self.lossy is not None and self.stage is Stage.PHASES:
            raise InputError("compression is of simplified networks: take the stage simplify too")
        if self.proof and self.stage is Stage.PHASES:
            raise InputError("certificates are of simplified networks: take the stage simplify too")
        layers = [node.layer for node in self.network.nodes if isinstance(node.layer, Affine)]
        entries = sum(layer.operator.size_in * layer.operator.size_out for layer in layers)
        if entries > LARGEST:
            raise UnsupportedError(
                f"{self.network.origin.path}: its layers as matrices have {entries:,} entries, at "
                f"most {LARGEST:,} are bounded cell by cell: simplify it region by region"
            )
        if self.proof and not self.network.origin.digest:
            raise InputError("certificates speak of files: load the network from one")

    def options(self) -> dict[str, Json]:
        """Return what results depend on beside network and cells, for the key of a store."""
        words = words_of(self.aim)
        file = self.network.origin.digest if self.proof else None
        options: dict[str, Json] = {"stage": self.stage.value, **words, "boxes": self.boxes}
        options |= {"proof": self.proof, "file": file, "seed": self.seed}
        options |= {"alone": True} if self.alone else {}
        options |= {} if self.device == "cpu" else {"device": self.device}
        return options | ({} if self.lossy is None else {"lossy": self.lossy.words()})

    @property
    def one_by_one(self) -> bool:
        """Whether something is done to each cell by itself."""
        return self.alone or self.stage is Stage.SIMPLIFY

    def work(self) -> Work:
        """Return the work; the payload of a cell is its region."""
        return Work(load, run, self)


def words_of(aim: Aim) -> dict[str, Json]:
    """Return an aim as words, in which different aims differ."""
    match aim.guarantee:
        case Outputs(tolerance=tolerance):
            keep, exact = "outputs", tolerance
        case SameBest(best=best, band=band):
            keep, exact = f"arg{best}", band
    lines, order = aim.lines.value, aim.order.value
    return {"keep": keep, "tolerance": str(exact), "order": order, "lines": lines}


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """A cell on its way through the steps.

    Attributes:
        region: the cell.
        known: the phases, as they were found with those of the other cells.
        network: the original with all that was removed so far as lines.
        plan: of the simplification; None before.
        boxes: sub-boxes bounded so far.
        seconds: wall time by step.
        words: what a step wants to have said of the cell.
        blobs: what a step wants to have kept.
    """

    region: Region
    known: Known
    network: Network
    plan: Plan | None = None
    boxes: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    words: Mapping[str, Json] = field(default_factory=dict)
    blobs: Mapping[str, bytes] = field(default_factory=dict)


Step = Callable[[Recipe, Draft], Draft]


def searched(recipe: Recipe, draft: Draft) -> Draft:
    """Return the draft with what a search of the cell alone finds of its open phases."""
    if not any((one.how < 0)[~one.refuted].any() for one in draft.known.values()):
        return draft
    effort = phase.Effort(seconds=recipe.seconds, workers=1, seed=recipe.seed)
    found = phase.decide_phases(recipe.network, draft.region, effort, known=draft.known)
    known = known_of(found)
    layers = {
        name: replace(activations(recipe.network.by_name[name]), state=one.state)
        for name, one in known.items()
    }
    network, boxes = recipe.network.with_layers(layers), draft.boxes + found.boxes
    return replace(draft, known=known, network=network, boxes=boxes)


def simplified(recipe: Recipe, draft: Draft) -> Draft:
    """Return the draft without all that the guarantee lets go; open phases are searched first."""
    share = (1.0 - PROOF_SHARE if recipe.proof else 1.0) * (1.0 - _lossy_share(recipe))
    effort = phase.Effort(
        seconds=share * recipe.seconds,
        patience=PATIENCE,
        workers=1,
        seed=recipe.seed,
    )
    aim, known = recipe.aim, draft.known
    plan = simplify(recipe.network, draft.region, effort, aim=aim, known=known)
    boxes = draft.boxes + sum(step.boxes for step in plan.steps)
    return replace(draft, network=plan.linearised, plan=plan, boxes=boxes)


def certified(recipe: Recipe, draft: Draft) -> Draft:
    """Return the draft with a certificate and the file it speaks of, or why there is none."""
    from ..engine.formats import load as load_network
    from ..engine.formats import save
    from ..engine.proofs.store import write_proof
    from ..redundancy.certify import certify

    assert draft.plan is not None
    with TemporaryDirectory(prefix="secateur-") as folder:
        path = Path(folder) / WRITTEN
        try:
            save(draft.plan.network, path)
            rng = np.random.default_rng(recipe.seed)
            whole = (1.0 - _lossy_share(recipe)) * recipe.seconds
            seconds = max(PROOF_SHARE * whole, whole - draft.seconds.get("simplify", 0.0))
            made = certify(draft.plan, load_network(path), seconds, rng)
        except UnsupportedError as error:
            return replace(draft, words={**draft.words, "proof": f"{error}"})
        if made.proof is None:
            return replace(draft, words={**draft.words, "proof": made.reason})
        first, second = made.proof.files  # named by labels alone: a folder's name would differ
        proof = replace(made.proof, files=(first, replace(second, name=WRITTEN)))
        blobs = {**draft.blobs, PROOF: write_proof(proof), WRITTEN: path.read_bytes()}
    return replace(draft, words={**draft.words, "proof": ""}, blobs=blobs)


def lost(recipe: Recipe, draft: Draft) -> Draft:
    """Return the draft with its network compressed and repaired, or why it is not."""
    assert draft.plan is not None
    assert recipe.lossy is not None
    seconds = LOSSY_SHARE * recipe.seconds
    try:
        small = chained(draft.plan).network  # bounds of two chains are far tighter than of graphs
        found = lose(small, draft.region, recipe.lossy, seconds, recipe.seed)
    except (InputError, UnsupportedError) as error:
        return replace(draft, words={**draft.words, "lossy": {"reason": f"{error}"}})
    blobs = {**draft.blobs, COMPRESSED: pack(found.compressed)}
    return replace(draft, words={**draft.words, "lossy": found.words()}, blobs=blobs)


def _lossy_share(recipe: Recipe) -> float:
    return 0.0 if recipe.lossy is None else LOSSY_SHARE


def steps_of(recipe: Recipe) -> tuple[tuple[str, Step], ...]:
    """Return what each cell goes through after its phases, by name and in order."""
    steps: list[tuple[str, Step]] = []
    if recipe.alone:
        steps.append(("alone", searched))
    if recipe.stage is Stage.SIMPLIFY:
        steps.append(("simplify", simplified))
    if recipe.proof:
        steps.append(("proof", certified))
    if recipe.lossy is not None:
        steps.append(("compress", lost))
    return tuple(steps)


def load(recipe: Recipe) -> Recipe:
    """Make a worker ready: the compiled loops that cells need are there when this returns."""
    network, region = _small()
    boxes = min(recipe.boxes, Effort().boxes)
    run(replace(recipe, network=network, boxes=boxes, seconds=LOADING, proof=False), [region])
    return recipe


def run(recipe: Recipe, regions: Sequence[Region]) -> list[Result]:
    """Return the results of a batch of cells."""
    begun = time.perf_counter()
    lower, upper = (np.stack([getattr(one, side) for one in regions]) for side in _SIDES)
    more = recipe.one_by_one
    effort = Effort(
        seconds=TOGETHER_SHARE * recipe.seconds * len(regions) if more else float("inf"),
        boxes=min(Effort().boxes, recipe.boxes),
        most_boxes=FURTHER * recipe.boxes if more else recipe.boxes,
        workers=1,
        seed=recipe.seed,
    )
    if recipe.device == "cpu":
        found = decide_cells(recipe.network, lower, upper, effort)
    else:
        from .phases_device import decide_cells_on

        found = decide_cells_on(recipe.device, recipe.network, lower, upper, effort)
    share = (time.perf_counter() - begun) / len(regions)
    if not recipe.one_by_one:
        return _phases_alone(recipe, found, share)
    drafts = (first_draft(recipe, found, at, region, share) for at, region in enumerate(regions))
    return [_finished(recipe, draft) for draft in drafts]


_SIDES = ("lower", "upper")


def first_draft(
    recipe: Recipe, found: CellPhases, at: int, region: Region, seconds: float
) -> Draft:
    """Return the draft of the cell at a place of a batch."""
    known, layers, first = {}, {}, 0
    for node in recipe.network.piecewise:
        here = slice(first, first := first + node.size)
        state = found.state[at, here]
        known[node.name] = KnownLayer(state, found.how[at, here], found.refuted[at, here])
        layers[node.name] = replace(activations(node), state=state)
    network = recipe.network.with_layers(layers)
    boxes, spent = int(found.boxes[at]), {"phases": seconds}
    return Draft(region, known, network, boxes=boxes, seconds=spent)


def _phases_alone(recipe: Recipe, found: CellPhases, seconds: float) -> list[Result]:
    """Return what is kept of cells that go through no further step."""
    layers = [activations(node) for node in recipe.network.piecewise]
    codes = records(found.state, layers)
    spent: dict[str, Json] = {"phases": round(seconds, 6)}
    return [
        Result({**figures, "boxes": boxes, "seconds": spent}, code)
        for figures, boxes, code in zip(
            figures_of_phases(found), found.boxes.tolist(), codes, strict=True
        )
    ]


def _finished(recipe: Recipe, draft: Draft) -> Result:
    """Return what is kept of a cell once it has gone through all steps."""
    for name, step in steps_of(recipe):
        begun = time.perf_counter()
        draft = step(recipe, draft)
        spent = {**draft.seconds, name: time.perf_counter() - begun}
        draft = replace(draft, seconds=spent)
    figures = figures_of(recipe.network, draft.known, draft.network, draft.plan)
    figures |= {"boxes": draft.boxes, **draft.words}
    figures["seconds"] = {name: round(one, 6) for name, one in draft.seconds.items()}
    code = record([activations(node) for node in draft.network.piecewise])
    return Result(figures, code, draft.blobs)


def _small() -> tuple[Network, Region]:
    """Return a network and a region on which every loop has something to do."""
    rng = np.random.default_rng(0)
    sizes = (2, 6, 6, 2)
    pairs = list(zip(sizes[1:], sizes, strict=False))
    weights = [rng.integers(-8, 9, shape) / 8 for shape in pairs]
    biases = [rng.integers(-4, 5, shape[0]) / 8 for shape in pairs]
    return Network.dense(weights, biases), Region.box([-1.0, -1.0], [1.0, 1.0], "the box")
