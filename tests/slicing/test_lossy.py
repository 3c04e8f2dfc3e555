"""What cells lose with loss: bounds hold, and different losses have different words."""

from fractions import Fraction

import numpy as np
import pytest

from secateur.benchmarks.controllers import controller
from secateur.compression.method import (
    Float16,
    Int8,
    Int8Weights,
    LowRank,
    Magnitude,
    ProvedRanges,
    Rows,
    SeenRanges,
)
from secateur.engine.errors import InputError
from secateur.engine.formats.regions import parse_region
from secateur.slicing.lossy import Lossy, lose

ENTRY = controller("horizontal-coc")


@pytest.fixture(scope="module")
def coc():
    network = ENTRY.network()
    return network, parse_region("0.1:0.15,0.1:0.15,0:0.05", network, "network")


def test_different_losses_have_different_words(coc):
    _, region = coc
    methods = [
        Magnitude(0.5),
        Magnitude(0.25),
        Rows(0.5),
        Float16(),
        Int8Weights(),
        LowRank(3),
        Int8(ProvedRanges(region)),
        Int8(SeenRanges(np.zeros((3, 2)))),
        Int8(SeenRanges(np.ones((3, 2)))),
    ]
    said = [Lossy(method).words() for method in methods]
    said += [Lossy(methods[0], Fraction(1, 8)).words(), Lossy(methods[0], Fraction(1, 4)).words()]
    assert len({str(one) for one in said}) == len(said)


def test_ranges_are_proved_over_the_cell_and_not_over_the_region(coc):
    network, region = coc
    whole = parse_region("0:0.3,-0.1:0.3,-0.2:0.2", network, "network")
    assert Lossy(Int8(ProvedRanges(whole))).on(region).ranges.region is region
    assert Lossy(Float16()).on(region) == Float16()


@pytest.mark.parametrize("method", [Float16(), Int8Weights(), Magnitude(0.2)])
def test_the_bound_of_a_compressed_cell_holds(coc, method):
    network, region = coc
    found = lose(network, region, Lossy(method), 5.0, 0)
    points = np.random.default_rng(0).uniform(region.lower, region.upper, (2000, 3))
    apart = np.abs(network.evaluate(points) - found.compressed.network.evaluate(points))
    assert apart.max() <= found.proved
    assert found.attained <= found.proved == found.before
    assert found.within is None
    assert found.words()["rounds"] == 0


def test_repair_of_a_cell_is_never_proved_worse(coc):
    network, region = coc
    found = lose(network, region, Lossy(Magnitude(0.2), Fraction(1, 100)), 20.0, 0)
    assert found.proved <= found.before
    assert found.within == (found.proved <= 0.01)


def test_repair_to_nothing_is_refused():
    with pytest.raises(InputError, match="above 0"):
        Lossy(Float16(), Fraction(0))
