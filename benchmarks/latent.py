"""Which numbers predict what a layer's compression costs: rank correlations, by architecture.

`python -m secateur.benchmarks.latent FOLDER --data mnist5k --spec small vgg16` trains each network,
compresses every layer alone by every method, and prints Spearman's correlation of each predictor
with the rise of the loss, over all rows and with a 95 % interval from resampled layers. A second
call goes on where the first was stopped. The specs are frozen: what they stand for does not change.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Final

from ..__main__ import run
from .machine import machine, peak_memory, table

EVERY: Final = ("--covariance", "diagonal,lowrank,fisher", "--sparsities", "0.5,0.9")
SAMPLES: Final = ("--snapshots", "8", "--every", "10")

NARROW: Final = ("--width", "0.0625", "--rate", "0.002")
HALF: Final = ("--sparsities", "0.5")
FULL: Final = ("--epochs", "60", "--device", "cuda")
CERTIFIED: Final = ("--certify", "--radius", "0.02", "--fine-tune", "1")

SPECS: Final[dict[str, tuple[str, ...]]] = {
    "small": ("--width", "0.5", "--rows", "2500", "--epochs", "12", "--rate", "0.003", *CERTIFIED),
    "alexnet": (*NARROW, "--rows", "1000", "--epochs", "10"),
    "vgg16": (*NARROW, "--rows", "1000", "--epochs", "10"),
    "resnet50": (*NARROW, "--rows", "1000", "--epochs", "10", "--batch", "32", *HALF),
    "small-least": ("--width", "0.25", "--rows", "500", "--epochs", "2", "--rate", "0.003"),
    "alexnet-full": FULL,
    "vgg16-full": FULL,
    "resnet50-full": FULL,
}
"""What each name stands for; its first part is the architecture."""


def study(folder: Path, spec: str, data: str, seed: int) -> dict[str, Any]:
    """Return the record of a spec's study, made or gone on with.

    Raises:
        SystemExit: it ended with an error.
    """
    record = folder / f"{spec}.json"
    kind = spec.partition("-")[0]
    words = [
        "--architecture",
        kind,
        *EVERY,
        *SAMPLES,
        *SPECS[spec],
        "--data",
        data,
        "--seed",
        str(seed),
    ]
    words += ["-o", str(folder / spec), "--resume", "--json", str(record)]
    words += ["--report", str(folder / f"{spec}.html"), "--quiet"]
    code = run(["forget", "latent", *words])
    if code:
        raise SystemExit(code)
    found: dict[str, Any] = json.loads(record.read_text())
    return found


def pooled(record: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    """Return the correlations over the most rows."""
    chosen = [
        group
        for group in record["correlations"]
        if (group["damage"], group["rank"]) == ("loss", "spearman")
    ]
    each: dict[str, dict[str, float | None]] = chosen[-1]["each"]
    return each


def said(one: dict[str, float | None] | None) -> str:
    """Return a correlation and its interval."""
    if one is None or one["value"] is None:
        return ""
    if one["low"] is None:
        return f"{one['value']:+.2f}"
    return f"{one['value']:+.2f} [{one['low']:+.2f}, {one['high']:+.2f}]"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", default="mnist5k")
    parser.add_argument("--spec", nargs="+", choices=SPECS, default=["small"])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    records = {one: study(given.folder, one, given.data, given.seed) for one in given.spec}
    found = {name: pooled(record) for name, record in records.items()}
    names = list(dict.fromkeys(name for each in found.values() for name in each))
    rows = [
        {"predictor": name, **{spec: said(each.get(name)) for spec, each in found.items()}}
        for name in names
    ]
    print(table(rows))
    for spec, record in records.items():
        before = record["before"]
        print(
            f"\n{spec}: {len(record['network']['layers'])} layers, {len(record['rows'])} rows, "
            f"accuracy {before['accuracy']} and loss {before['loss']:.3f} before, last call "
            f"{record['seconds']:.0f} s"
        )
    print(f"\nseed {given.seed}, {peak_memory():.0f} MB; {machine('torch', 'numpy', 'scipy')}")


if __name__ == "__main__":
    main()
