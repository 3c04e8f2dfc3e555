"""Self-compression: accuracy over bytes, safety at equal bits, and whether removal keeps the bits.

`python -m secateur.benchmarks.selfcompress --data mnist5k [--parts curve,arms,exact]` trains a
float network for each seed. *curve* compresses it with several gamma, and beside each prunes it by
magnitude along the cubic schedule to the same bytes, with as many epochs; int8 weights have a size
of their own. *arms* compares plain, unsafe and safe runs at equal bits. *exact* counts random
networks whose outputs are the same bits before and after channels are removed, with sums in order
and as torch's products take them. Rows go to a file by `--json`, and a run that was broken off goes
on with it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from ..compression.compress import compress
from ..compression.data import Dataset, Split, load_data
from ..compression.gradual import Descent, Lesson, Schedule, gradual
from ..compression.method import Int8Weights, Magnitude
from ..compression.packed import pack as pack_plain
from ..compression.safety import safety_set
from ..compression.selfcompress import selfcompress
from ..compression.selfcompress_arms import Arm, Run, gains, means, run_arms
from ..compression.selfcompress_chain import fresh, links_of
from ..compression.selfcompress_file import pack
from ..compression.selfcompress_fresh import trained
from ..compression.selfcompress_module import Stack
from ..compression.selfcompress_plan import Guard, Plan, accuracy
from ..compression.selfcompress_removal import in_order, remove_silent
from ..engine.errors import InputError, SecateurError
from ..engine.network import Network
from .machine import machine, peak_memory, table

Row = dict[str, Any]

SHARES: Final = (0.7, 0.1, 0.2)
PARTS: Final = ("curve", "arms", "exact")
HALVINGS: Final = 12
"""Of the interval in which the share of zeros is looked for."""

TRIES: Final = 4
"""Prunings at most until the file is as small as it is to be: trained masks take other bytes."""

NEAR: Final = 1.03
"""As many bytes is up to this factor more."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What is trained.

    Attributes:
        channels, hidden: sizes of the networks.
        before: epochs as floats.
        plan: of self-compression.
    """

    channels: tuple[int, ...]
    hidden: tuple[int, ...]
    before: int
    plan: Plan

    def start(self, data: Split, seed: int) -> Network:
        """Return the float network of a seed."""
        plan = replace(self.plan, epochs=self.before, seed=seed)
        return trained(data.train, self.channels, self.hidden, plan)


def right(network: Network, data: Dataset) -> float:
    """Return the share of rows with the right label."""
    assert data.labels is not None
    return accuracy(network.evaluate(data.inputs), data.labels)


def compressed_row(start: Network, data: Split, plan: Plan) -> Row:
    """Return what self-compression came to."""
    began = time.monotonic()
    done = selfcompress(start, data, plan)
    return {
        "method": f"self-compression, gamma {plan.gamma:g}",
        "bytes": len(pack(done.coded)),
        "test": right(done.coded.network(), data.test),
        "left": done.coded.network().parameters / start.parameters,
        "bits": done.coded.weight_bits / Stack(links_of(start), start.input.shape, 8.0).weights,
        "seconds": time.monotonic() - began,
    }


def share_of(start: Network, size: int) -> float:
    """Return the least share of zeros with which the packed file has at most so many bytes.

    Raises:
        InputError: no share does.
    """
    low, high = 0.0, 0.9999
    if len(pack_plain(compress(start, Magnitude(high)))) > size:
        raise InputError(f"no share of zeros brings {start.origin.path} down to {size} bytes")
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if len(pack_plain(compress(start, Magnitude(middle)))) > size:
            low = middle
        else:
            high = middle
    return high


def pruned_row(start: Network, data: Split, plan: Plan, size: int) -> Row:
    """Return what pruning along the cubic schedule came to, at about as many bytes."""
    began = time.monotonic()
    share = share_of(start, size)
    lesson = Lesson(data.train.inputs.astype(np.float64), labels=data.train.labels)
    for _ in range(TRIES):
        steps = plan.epochs * -(-len(data.train) // plan.batch)
        every = max(1, steps // 20)
        schedule = Schedule(share, every=every, times=max(1, steps * 3 // 4 // every))
        found = gradual(start, schedule, lesson, Descent(steps, plan.batch, plan.rate, plan.seed))
        length = len(pack_plain(found))
        if length <= NEAR * size:
            break
        share = 1.0 - (1.0 - share) * size / length
    return {
        "method": f"magnitude, {share:.1%} zeros",
        "bytes": length,
        "test": right(found.network, data.test),
        "left": 1.0 - share,
        "seconds": time.monotonic() - began,
    }


def curve(setting: Setting, data: Split, gammas: Sequence[float], seed: int) -> Iterator[Row]:
    """Yield accuracy over bytes for several gamma, and what other methods reach there."""
    start = setting.start(data, seed)
    yield {"method": "float32", "bytes": 4 * start.parameters, "test": right(start, data.test)}
    whole = compress(start, Int8Weights())
    yield {
        "method": "int8 weights",
        "bytes": len(pack_plain(whole)),
        "test": right(whole.network, data.test),
    }
    for gamma in gammas:
        plan = replace(setting.plan, gamma=gamma, seed=seed, most_bytes=None)
        row = compressed_row(start, data, plan)
        yield row
        yield pruned_row(start, data, plan, row["bytes"])


def arms(setting: Setting, data: Split, count: int, seeds: Sequence[int]) -> list[Run]:
    """Return runs of the three arms at equal bytes."""
    safety = safety_set(setting.start(data, seeds[0]), data, count, 0)

    def show(step: str, done: int, total: int) -> None:
        print(f"{step}: {done} of {total}", file=sys.stderr, flush=True)

    return run_arms(
        lambda seed: setting.start(data, seed),
        data,
        setting.plan,
        safety,
        Guard(safety.images),
        seeds,
        show=show,
    )


def exact(count: int) -> Row:
    """Return in how many random networks a removal keeps every bit of the outputs."""
    ordered = products = removed = 0
    for seed in range(count):
        rng = np.random.default_rng(seed)
        shape, channels = ((1, 8, 8), (6,)) if seed % 2 else ((50,), ())
        start = fresh(shape, 5, channels, (64, 32), rng)
        stack = Stack(links_of(start), shape, 4.0)
        with torch.no_grad():
            for layer in stack.every():
                layer.bits.mul_(torch.tensor(rng.integers(0, 2, len(layer.bits))))
        inputs = torch.tensor(rng.normal(size=(16, start.size_in)), dtype=torch.float32)
        before, first = stack.coded(), stack(inputs).detach()
        removed += remove_silent(stack, torch.optim.Adam(stack.parameters()))
        links = [[one.link for one in coded.layers] for coded in (before, stack.coded())]
        ordered += torch.equal(*(in_order(one, inputs) for one in links))
        products += torch.equal(first, stack(inputs).detach())
    return {
        "networks": count,
        "channels removed": removed,
        "same bits, sums in order": ordered,
        "same bits, torch's products": products,
    }


def said_of(runs: Sequence[Run]) -> list[Row]:
    """Return a row for each arm, and by how much the safe one is above the others."""
    rows: list[Row] = []
    for arm in Arm:
        row: Row = {"arm": arm.value, "bytes": f"{means(runs, 'bytes')[arm].mean:.0f}"}
        for name in ("test", "hard", "safety"):
            one = means(runs, name)[arm]
            row[name] = f"{one.mean:.2%} [{one.lower:.2%}, {one.upper:.2%}]"
        row["restored"] = f"{means(runs, 'restored')[arm].mean:.1f}"
        rows.append(row)
    for arm in (Arm.PLAIN, Arm.UNSAFE):
        row = {"arm": f"safe - {arm.value}", "bytes": "", "restored": ""}
        for name in ("test", "hard", "safety"):
            one = gains(runs, name, arm)
            row[name] = f"{one.mean:+.2%} [{one.lower:+.2%}, {one.upper:+.2%}]"
        rows.append(row)
    return rows


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(",")) if text else ()


def _shown(rows: Sequence[Row]) -> list[Row]:
    return [
        {
            "seed": row["seed"],
            "method": row["method"],
            "bytes": row["bytes"],
            "test": f"{row['test']:.2%}",
            "bits a weight": f"{row['bits']:.2f}" if "bits" in row else "",
            "weights left": f"{row['left']:.1%}" if "left" in row else "",
            "s": f"{row['seconds']:.0f}" if "seconds" in row else "",
        }
        for row in rows
    ]


def _read() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="mnist5k", help="data set by name or file")
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--channels", type=_sizes, default=(), help="of convolutions")
    parser.add_argument("--hidden", type=_sizes, default=(256, 64), help="dense hidden layers")
    parser.add_argument("--before", type=int, default=10, help="epochs as floats")
    parser.add_argument("--epochs", type=int, default=40, help="epochs of compression")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--gammas", default="0.005,0.01,0.02,0.05")
    parser.add_argument("--gamma", type=float, default=0.05, help="of the arms")
    parser.add_argument("--bytes", type=int, default=18_000, help="of the arms' files")
    parser.add_argument("--safety", type=int, default=150, help="images of the safety set")
    parser.add_argument("--seeds", type=_sizes, default=(0, 1, 2, 3, 4))
    parser.add_argument("--networks", type=int, default=100, help="of exact")
    parser.add_argument("--json", type=Path, help="rows as JSON lines")
    return parser.parse_args()


def _measured(given: argparse.Namespace) -> None:
    known: list[Row] = []
    if given.json is not None and given.json.exists():
        known = [json.loads(line) for line in given.json.read_text(encoding="utf-8").splitlines()]

    def keep(row: Row) -> None:
        known.append(row)
        print(row, file=sys.stderr, flush=True)
        if given.json is not None:
            with given.json.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

    parts = given.parts.split(",")
    if set(parts) - set(PARTS):
        raise InputError(f"--parts {given.parts}: give some of {', '.join(PARTS)}")
    plan = Plan(given.gamma, given.epochs, given.batch, most_bytes=given.bytes)
    setting = Setting(given.channels, given.hidden, given.before, plan)
    if parts != ["exact"]:
        data = load_data(given.data).split(SHARES, 0)
    seeds = list(given.seeds)
    for seed in seeds if "curve" in parts else ():
        if not any(row.get("part") == "curve-done" and row["seed"] == seed for row in known):
            gammas = [float(word) for word in given.gammas.split(",")]
            for row in curve(setting, data, gammas, seed):
                keep({"part": "curve", "seed": seed} | row)
            keep({"part": "curve-done", "seed": seed})
    for seed in seeds if "arms" in parts else ():
        if not any(row.get("part") == "arms" and row["seed"] == seed for row in known):
            for run in arms(setting, data, given.safety, [seed]):
                keep({"part": "arms", **asdict(run)})
    if "exact" in parts:
        keep({"part": "exact", **exact(given.networks)})
    _print(known)


def _print(known: Sequence[Row]) -> None:
    found = {part: [row for row in known if row["part"] == part] for part in PARTS}
    if found["curve"]:
        print(table(_shown(found["curve"])) + "\n")
    if found["arms"]:
        fields = [{k: v for k, v in row.items() if k != "part"} for row in found["arms"]]
        print(table(said_of([Run(**{**one, "arm": Arm(one["arm"])}) for one in fields])) + "\n")
    if found["exact"]:
        print(table([{k: v for k, v in found["exact"][-1].items() if k != "part"}]) + "\n")


def main() -> None:
    """Print the tables."""
    given = _read()
    try:
        _measured(given)
    except (SecateurError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    sizes = f"channels {list(given.channels)}, hidden {list(given.hidden)}"
    print(
        f"{given.data}, {sizes}, {given.before} + {given.epochs} epochs, batch {given.batch}, "
        f"seeds {list(given.seeds)}; {peak_memory():.0f} MB; {machine('torch', 'numpy')}"
    )


if __name__ == "__main__":
    main()
