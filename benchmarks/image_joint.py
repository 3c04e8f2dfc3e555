"""Joint redundancy of dense, convolutional and residual MNIST networks around test images.

`python -m secateur.benchmarks.image_joint [--images FILE] [--networks DIR] [--pictures 2]` takes
infinity balls around test images, cut to [0, 1], and removes neurons so that every logit stays
within a tolerance, or so that the class stays: phases, forward or result-preserving removals, and
relaxed ones, proved together, as `redundancy_cells` does on cells. Networks and images are those of
`image_redundancy`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from ..engine.agreement import Best
from ..engine.errors import SecateurError
from ..engine.formats import load
from .image_redundancy import NETWORKS, files, folder_for, read_given
from .images import Images
from .machine import machine, table
from .redundancy_cells import race, summary, tolerance_of
from .redundancy_rows import Asked, Row, Subject


def subjects(
    networks: dict[str, Path], test: Images, pictures: int, radii: Sequence[Fraction]
) -> list[Subject]:
    """Return each network with balls around test images, once for each radius.

    Args:
        networks: their files by name.
        test: images that were not trained on; the first ones are taken.
        pictures: how many.
        radii: of the balls, network units.
    """
    return [
        Subject(
            f"{name}, {float(radius):g}",
            load(path),
            Best.MAX,
            tuple(test.ball(image, radius) for image in range(pictures)),
        )
        for name, path in networks.items()
        for radius in radii
    ]


def run(given: argparse.Namespace) -> list[Row]:
    """Do what the command line asks and return the rows."""
    found = read_given(given)
    every = [
        Asked(keep=keep, tolerance=tolerance, seconds=given.seconds, points=given.points)
        for keep, tolerance in (("outputs", given.tolerance), ("best", 0.0))
    ]
    with folder_for(given.networks) as folder:
        paths = files(found.names, folder, found.images, given.seed)
        some = subjects(paths, found.test, given.pictures, found.radii)
        rows = []
        for row in race(some, every, given.seed, given.json):
            rows.append(row)
            print(
                f"{row['net']} image {row['cell']} {row['keep']}: {row['removed']} of "
                f"{row['neurons']}, {row['seconds']:.1f} s, {row['violations']} violations",
                file=sys.stderr,
                flush=True,
            )
        return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, help="mnist_5k.csv.gz; default: the installed one")
    parser.add_argument("--networks", type=Path, help="folder to keep the trained networks in")
    parser.add_argument("--nets", default=",".join(NETWORKS))
    parser.add_argument("--radii", default="0.005,0.01")
    parser.add_argument("--tolerance", type=tolerance_of, default=0.1, help="of the logits")
    parser.add_argument("--pictures", type=int, default=2, help="test images for each radius")
    parser.add_argument("--seconds", type=float, default=60.0, help="time limit a region")
    parser.add_argument("--points", type=int, default=10_000, help="attacked a region")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="rows as JSON lines; goes on where it stopped")
    given = parser.parse_args()
    try:
        rows = run(given)
    except (SecateurError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    print(table(summary(rows)))
    print(
        f"\n{given.pictures} images, limit {given.seconds:g} s a region, seed {given.seed}, one "
        f"thread, {given.points:,} points attacked a region; "
        f"{machine('numpy', 'numba', 'highspy', 'onnxruntime')}"
    )


if __name__ == "__main__":
    main()
