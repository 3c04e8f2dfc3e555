"""Killed drivers and workers: the measurement of the benchmark, with few kills."""

import pytest

from secateur.benchmarks.slices_killed import drivers_killed, workers_killed


@pytest.mark.parametrize(("way", "kills"), [("here", 8), ("processes", 4)])
def test_a_driver_that_is_killed_loses_nothing_that_it_had_reported(tmp_path, way, kills):
    campaign = drivers_killed(kills, 0, tmp_path, way)
    assert campaign.kills == kills
    assert campaign.lost == 0
    assert campaign.wrong == 0


def test_workers_that_are_killed_cost_no_cell():
    campaign = workers_killed(12, 0)
    assert campaign.kills == 12
    assert campaign.wrong == 0
