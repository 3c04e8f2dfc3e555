"""Bisection where it saves most: the best first, within limits, and independent of batches."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slices_drawn import regions
from strategies import dense_networks

from secateur.engine.errors import RegionError
from secateur.engine.network import Network
from secateur.engine.region import Region
from secateur.slicing import adaptive as module
from secateur.slicing.adaptive import Until, adaptive, middles, zeros
from secateur.slicing.cover import cover
from secateur.slicing.route import Router
from secateur.slicing.slices import LEAF
from secateur.slicing.undecided import Undecided

UNIT = Region.box([0, 0], [1, 1], "unit")


def curved(lower, upper, known=None):
    """Return a cost that grows with width, most in input 0 near the lower corner."""
    wide = upper - lower
    cost = 4 * wide[:, 0] * np.exp(-3 * lower[:, 0]) + wide[:, -1] ** 2
    return cost, np.zeros((len(lower), 1), np.uint8)


def network(seed=0, sizes=(2, 14, 14, 3)):
    rng = np.random.default_rng(seed)
    shapes = [(b, a) for a, b in itertools.pairwise(sizes)]
    return Network.dense(
        [rng.normal(size=s) for s in shapes], [0.5 * rng.normal(size=s[0]) for s in shapes]
    )


def plainly(whole, cost, cells):
    """Return the cells of bisection as told in a few lines: boxes by number of splits."""
    found = [(whole.lower, whole.upper, 1.0)]
    birth = [0]
    born = 1

    def best(box):
        low, high, share = box
        own = cost(low[None], high[None])[0][0]
        gains = []
        for at in np.flatnonzero(high > low):
            middle = low[at] + 0.5 * (high[at] - low[at])
            if not low[at] < middle < high[at]:
                continue
            ends = [(low.copy(), high.copy()) for _ in range(2)]
            ends[0][1][at] = ends[1][0][at] = middle
            costs = [cost(a[None], b[None])[0][0] for a, b in ends]
            wide = (high[at] - low[at]) / (whole.upper[at] - whole.lower[at])
            gains.append((share * own - share / 2 * sum(costs), wide, -at, ends))
        return max(gains, key=lambda g: g[:3]) if gains and own > 0 else None

    while len(found) < cells:
        options = [(best(box), n) for n, box in enumerate(found)]
        options = [(b[0], found[n][2], -birth[n], n, b) for b, n in options if b is not None]
        if not options:
            break
        *_, n, (_, _, _, ends) = max(options, key=lambda o: o[:3])
        share = found.pop(n)[2] / 2
        birth.pop(n)
        found += [(*ends[0], share), (*ends[1], share)]
        birth += [born, born + 1]
        born += 2
    return {(*low, *high) for low, high, _ in found}


def boxes_of(slices):
    return {(*low, *high) for low, high in zip(slices.lower, slices.upper, strict=True)}


@pytest.mark.parametrize("cells", [1, 2, 5, 40])
@pytest.mark.parametrize("kind", ["curved", "network"])
def test_the_cells_are_those_of_strict_best_first(cells, kind):
    cost = curved if kind == "curved" else Undecided(network())
    whole = UNIT if kind == "curved" else Region.box([-1, -1], [1, 1])

    def alone(lower, upper, known=None):  # nothing is known of the parent box
        return cost(lower, upper)

    grown = adaptive(whole, alone, Until(cells=cells))
    assert boxes_of(grown.slices) == plainly(whole, alone, cells)


@given(regions(), st.integers(1, 40))
@settings(max_examples=40)
def test_what_is_grown_is_a_cover_with_its_costs(whole, cells):
    grown = adaptive(whole, curved, Until(cells=cells))
    slices = grown.slices
    assert cover(slices).cells == slices.count <= cells
    assert (grown.cost == curved(slices.lower, slices.upper)[0]).all()
    assert grown.reason in {"cells", "size", "mean"}


@given(dense_networks(), st.sampled_from([1, 2, 7]))
@settings(max_examples=15)
def test_batches_and_threads_change_nothing(drawn, ahead):
    whole, until = Region.box([-2, -2], [2, 2]), Until(cells=30)
    grown = adaptive(whole, Undecided(drawn), until)
    kept = module.AHEAD, module.NUMBERS
    try:
        module.AHEAD, module.NUMBERS = ahead, 16 * ahead
        again = adaptive(whole, Undecided(drawn, workers=2), until)
    finally:
        module.AHEAD, module.NUMBERS = kept
    assert again.slices.digest == grown.slices.digest
    assert (again.cost == grown.cost).all()
    assert again.mean == grown.mean


def test_the_mean_is_weighted_and_a_network_gets_cheaper_than_on_a_grid():
    from secateur.slicing.split import grid

    whole, cost = Region.box([-2, -2], [2, 2]), Undecided(network(3))
    grown = adaptive(whole, cost, Until(cells=64))
    sizes = np.prod((grown.slices.upper - grown.slices.lower) / 4, axis=1)
    assert grown.mean == pytest.approx(float(sizes @ grown.cost))
    even = grid(whole, [8, 8])
    assert grown.mean < cost(even.lower, even.upper)[0].mean()
    enough = adaptive(whole, cost, Until(cells=64, mean=grown.mean + 1))
    assert enough.reason == "mean"
    assert enough.mean <= grown.mean + 1
    assert enough.slices.count < 64


def test_limits_are_kept():
    deep = adaptive(UNIT, curved, Until(cells=1000, depth=5))
    assert (deep.slices.depth, deep.slices.count, deep.reason) == (5, 32, "size")
    narrow = adaptive(UNIT, curved, Until(cells=1000, narrowest=np.array([0.25, 0.5])))
    wide = narrow.slices.upper - narrow.slices.lower
    assert (wide.min(axis=0) == [0.25, 0.5]).all()
    assert (narrow.slices.count, narrow.reason) == (8, "size")
    late = adaptive(UNIT, curved, Until(cells=1000, seconds=0.0))
    assert (late.slices.count, late.reason) == (1, "time")
    one = adaptive(UNIT, curved, Until(cells=50), inputs=[1])
    assert one.slices.inputs.tolist() == [1]
    none = adaptive(UNIT, curved, Until(cells=50), inputs=[])
    assert (none.slices.count, none.reason) == (1, "size")
    free = adaptive(UNIT, lambda low, high, known=None: (0 * low[:, 0], low > 5), Until(cells=50))
    assert (free.slices.count, free.reason) == (1, "mean")


def test_where_floats_run_out_cells_stay_whole():
    thin = Region.box([1.0], [1.0 + 3 * 2.0**-52])
    grown = adaptive(thin, curved, Until(cells=50))
    assert (grown.slices.count, grown.reason) == (3, "size")


def test_equal_savings_go_to_the_larger_cell_and_the_wider_input():
    def flat(lower, upper, known=None):
        return np.ones(len(lower)), np.zeros((len(lower), 0), np.uint8)

    grown = adaptive(Region.box([0, 0], [1, 100]), flat, Until(cells=16))
    assert len({tuple(w) for w in grown.slices.upper - grown.slices.lower}) == 1
    assert np.bincount(grown.slices.axis[grown.slices.axis != LEAF]).tolist() == [5, 10]


def test_points_weigh_cells_by_what_they_own():
    points = np.random.default_rng(0).uniform(0, 1, (500, 2)) ** 6
    points[:20] = 0.5  # on the first cut
    grown = adaptive(UNIT, curved, Until(cells=20), points=points)
    owner = Router(grown.slices).route(points)
    shares = np.bincount(owner, minlength=20) / 500
    assert grown.mean == pytest.approx(float(shares @ grown.cost))
    by_volume = adaptive(UNIT, curved, Until(cells=20))
    weighed = np.bincount(Router(by_volume.slices).route(points), minlength=20) / 500
    assert grown.mean < weighed @ by_volume.cost


def test_among_equal_savings_the_cell_with_most_points_is_cut():
    def flat(lower, upper, known=None):
        return np.ones(len(lower)), np.zeros((len(lower), 0), np.uint8)

    points = np.array([[0.9, 0.9], [0.8, 0.8], [0.7, 0.3], [0.1, 0.1]])
    grown = adaptive(UNIT, flat, Until(cells=4), points=points)
    assert boxes_of(grown.slices) == {
        (0.0, 0.0, 0.5, 1.0),
        (0.5, 0.0, 1.0, 0.5),
        (0.5, 0.5, 0.75, 1.0),
        (0.75, 0.5, 1.0, 1.0),
    }


def test_zero_comes_before_the_middle():
    lower, upper = np.array([[-1.0, 1.0, 0.0]]), np.array([[3.0, 2.0, 1.0]])
    assert zeros(lower, upper).tolist() == [[0.0, 1.5, 0.5]]
    assert middles(lower, upper).tolist() == [[1.0, 1.5, 0.5]]
    whole = Region.box([-1, 0], [3, 1])
    grown = adaptive(whole, curved, Until(cells=2), inputs=[0], places=zeros)
    assert grown.slices.cut[0] == 0.0
    assert grown.mean == pytest.approx(grown.cost @ [0.25, 0.75])


@pytest.mark.parametrize(
    ("until", "inputs", "said"),
    [
        (Until(cells=0), None, "0 cells: give a number"),
        (Until(cells=10**9), None, "1000000000 cells"),
        (Until(), [2], "not all among its 2 inputs"),
        (Until(), [-1], "not all among its 2 inputs"),
    ],
)
def test_limits_that_allow_nothing_are_refused(until, inputs, said):
    with pytest.raises(RegionError, match=said):
        adaptive(UNIT, curved, until, inputs=inputs)
