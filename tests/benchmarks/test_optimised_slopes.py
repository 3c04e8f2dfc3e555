"""The comparison of optimised slopes: who is compared with whom, and over which neurons."""

import numpy as np
import pytest

from secateur.benchmarks.optimised_slopes import Entry, looked_at, numbers, quality, ratios

LOW = np.array([[-1.0, -1.0, 1.0]])


def entry(name, steps, high, seconds):
    found = (LOW, np.array([high]))
    out = Entry(name, steps, lambda: (found, seconds, 2 * seconds))
    out.again()
    out.again()
    return out


def test_widths_are_of_neurons_that_some_method_leaves_open():
    loose, tight = entry("a", 0, [3.0, 1.0, 9.0], 1.0), entry("b", 1, [1.0, -0.5, 9.0], 1.0)
    compared = looked_at([loose, tight])
    np.testing.assert_array_equal(compared, [[True, True, False]])
    assert quality(loose, compared) == (2.0, 3.0)
    assert quality(tight, compared) == (1.0, 1.25)


def test_the_cheapest_setting_that_is_as_tight_is_compared():
    found = [
        entry("secateur", 0, [9.0, 9.0, 9.0], 0.1),
        entry("secateur", 5, [1.0, 1.0, 9.0], 0.5),
        entry("secateur", 9, [0.5, -0.5, 9.0], 0.7),
        entry("auto_LiRPA", 7, [2.0, 1.0, 9.0], 5.0),
        entry("auto_LiRPA", 8, [0.1, -0.9, 9.0], 7.0),
    ]
    rows = ratios(found, looked_at(found)).splitlines()[2:]
    assert rows[0] == "| 7 | 5 | 10 (10 to 10) | 10 (10 to 10) |"
    assert rows[1].split("|")[2].strip() == ""  # none of ours is as tight


def test_lists_of_steps():
    assert numbers("0,5,10") == (0, 5, 10)
    with pytest.raises(ValueError, match="x"):
        numbers("x")
