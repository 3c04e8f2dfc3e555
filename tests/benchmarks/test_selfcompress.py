"""The benchmark of self-compression: sizes that are met, and removals that keep every bit."""

import numpy as np
import pytest
from pictures_drawn import pictures

from secateur.benchmarks.selfcompress import Setting, curve, exact, said_of, share_of
from secateur.compression.compress import compress
from secateur.compression.method import Magnitude
from secateur.compression.packed import pack
from secateur.compression.selfcompress_arms import Arm, Run
from secateur.compression.selfcompress_chain import fresh
from secateur.compression.selfcompress_plan import Plan
from secateur.engine.errors import InputError


def test_removal_keeps_every_bit():
    row = exact(4)
    assert row["same bits, sums in order"] == 4
    assert row["channels removed"] > 0


def test_the_share_of_zeros_is_the_least_that_is_small_enough():
    network = fresh((20,), 3, (), (30,), np.random.default_rng(0))
    share = share_of(network, 1500)
    assert len(pack(compress(network, Magnitude(share)))) <= 1500
    assert len(pack(compress(network, Magnitude(share - 0.02)))) > 1500
    with pytest.raises(InputError):
        share_of(network, 10)


def test_a_curve_has_a_row_for_each_method():
    plan = Plan(epochs=2, batch=16, rate=5e-3)
    setting = Setting((), (12,), 2, plan)
    rows = list(curve(setting, pictures().split((6, 2, 2), 0), [0.05], 0))
    assert [row["method"].split(",")[0] for row in rows] == [
        "float32",
        "int8 weights",
        "self-compression",
        "magnitude",
    ]
    assert rows[2]["bytes"] < rows[1]["bytes"] < rows[0]["bytes"]


def test_the_table_has_means_and_differences():
    runs = [
        Run(arm, seed, True, 100, 700, test, 0.5, 0.9, 0)
        for seed in (0, 1)
        for arm, test in zip(Arm, (0.8, 0.85, 0.9), strict=True)
    ]
    rows = said_of(runs)
    assert [row["arm"] for row in rows] == [
        "plain",
        "unsafe",
        "safe",
        "safe - plain",
        "safe - unsafe",
    ]
    assert rows[3]["test"].startswith("+10.00%")
