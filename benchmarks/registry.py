"""Every measurement there is: one tuple of specs, each module of this folder in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .registry_tables import TABLES
from .spec import Call, Command, Need, Paired, Smoke, Spec, Verifier

ENTRIES: Final = ".arms:acas_entry"

VERIFIERS: Final = tuple(
    Verifier(name, ENTRIES) for name in ("secateur", "marabou", "neuralsat", "vibecheck")
)

TINY: Final = (
    *("-m", "secateur", "verify", "{data}/acasxu/prop_2.vnnlib", "--quiet"),
    "--network=N={data}/acasxu/ACASXU_run2a_2_2_batch_2000.onnx",
)
"""A query that the first box settles."""

PAIRED: Final = (
    Paired(
        name="acas-race",
        measures="ACAS Xu, one instance of each property, by four verifiers as processes",
        arms=VERIFIERS,
        instances=".arms:acas_stratified",
        smoke=Smoke(("secateur",)),
        limit=30.0,
        count=10,
        needs=(Need.ACAS,),
    ),
    Paired(
        name="acas-race-all",
        measures="ACAS Xu, all 186 instances of VNN-COMP, by four verifiers as processes",
        arms=VERIFIERS,
        instances=".arms:acas_all",
        smoke=Smoke(("secateur",)),
        limit=116.0,
        needs=(Need.ACAS,),
    ),
    Paired(
        name="cells",
        measures="bounds of 32 random cells of the 8^5 grid of a network, by numpy and compiled",
        arms=(
            Call("arrays", ".arms:cells_by_arrays"),
            Call("compiled", ".arms:cells_compiled"),
            Call("intervals", ".arms:cells_by_intervals"),
        ),
        instances=".arms:networks",
        smoke=Smoke(("arrays", "compiled")),
        limit=60.0,
        rounds=5,
        count=9,
        needs=(Need.ACAS,),
    ),
    Paired(
        name="programs",
        measures="building the big-M program of a network, through arrays and by PuLP",
        arms=(
            Call("arrays", ".arms:program_by_arrays"),
            Call("PuLP-terms", ".arms:program_by_terms"),
            Call("PuLP-to-HiGHS", ".arms:program_handed_over"),
        ),
        instances=".arms:networks",
        smoke=Smoke(("arrays", "PuLP-terms", "PuLP-to-HiGHS")),
        limit=60.0,
        rounds=5,
        count=9,
        needs=(Need.ACAS,),
    ),
    Paired(
        name="start",
        measures="a process that does next to nothing: Python alone, the version, a tiny query",
        arms=(
            Command("python", ("-c", "pass")),
            Command("--version", ("-m", "secateur", "--version")),
            Command("verify", TINY),
        ),
        instances=".arms:tiny",
        smoke=Smoke(("python", "--version")),
        limit=30.0,
        rounds=15,
        needs=(Need.ACAS,),
    ),
)

SPECS: Final[tuple[Spec, ...]] = (*PAIRED, *TABLES)


def named(names: Sequence[str]) -> list[Spec]:
    """Return the specs of these names, in this order.

    Raises:
        SystemExit: a name that is not in the registry.
    """
    known = {spec.name: spec for spec in SPECS}
    for name in names:
        if name not in known:
            raise SystemExit(f"there is no measurement {name!r}: --list prints what there is")
    return [known[name] for name in names]
