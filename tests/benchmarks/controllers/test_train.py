"""Training: the same bytes each time, and networks that know more than the commonest advisory."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from secateur.benchmarks.controllers.encounter import Advisory
from secateur.benchmarks.controllers.problem import HORIZONTAL, Schedule
from secateur.benchmarks.controllers.table import Table, Winner
from secateur.benchmarks.controllers.train import asymmetric_loss, train
from secateur.engine.network import Network


@pytest.fixture(scope="module")
def table():
    return HORIZONTAL.tiny().tables()[Advisory.COC]


def agreement(table, weights, biases):
    network = Network.dense(weights, biases)
    inputs = table.normalisation().to_network(table.points())
    return float((table.winner.of(network.evaluate(inputs)) == table.advisories()).mean())


def test_the_same_seed_gives_the_same_bytes(table):
    schedule = Schedule(epochs=1, batch=1024)
    first, again = (train(table, (8, 8), 3, schedule) for _ in range(2))
    other = train(table, (8, 8), 4, schedule)
    flat = [b"".join(a.tobytes() for part in run for a in part) for run in (first, again, other)]
    assert flat[0] == flat[1]
    assert flat[0] != flat[2]


def test_layers_have_the_stated_shapes_and_type(table):
    weights, biases = train(table, (8, 6), 0, Schedule(epochs=1, batch=4096))
    assert [w.shape for w in weights] == [(8, 3), (6, 8), (5, 6)]
    assert [b.shape for b in biases] == [(8,), (6,), (5,)]
    assert {a.dtype for a in (*weights, *biases)} == {np.dtype(np.float32)}


def test_a_small_network_beats_the_commonest_advisory_by_far(table):
    commonest = np.bincount(table.advisories()).max() / table.advisories().size
    weights, biases = train(table, (25, 25, 25), 0, Schedule(epochs=30, batch=128))
    # Most of what always advising the commonest gets wrong is now right.
    assert agreement(table, weights, biases) > 0.5 + 0.5 * commonest


def test_costs_are_fitted_as_scores_with_their_sign_turned(table):
    costs = Table(table.axes, -table.scores, Winner.SMALLEST)
    schedule = Schedule(epochs=4, batch=256)
    scored = agreement(table, *train(table, (16, 16), 0, schedule))
    costed = agreement(costs, *train(costs, (16, 16), 0, schedule))
    # The mean is taken off before the sign is turned, which rounds differently.
    assert costed == pytest.approx(scored, abs=0.02)


def test_training_leaves_the_number_of_threads_as_it_was(table):
    before = torch.get_num_threads()
    train(table, (4,), 0, replace(Schedule(), epochs=1, batch=8192))
    assert torch.get_num_threads() == before


def test_errors_in_the_dangerous_direction_weigh_more():
    wanted = torch.tensor([[1.0, 0.0, 0.0]])

    def loss(*scores):
        return float(asymmetric_loss(torch.tensor([scores]), wanted, 5.0))

    fall_short, overshoot = loss(0.5, 0.0, 0.0), loss(1.5, 0.0, 0.0)
    assert fall_short == pytest.approx((1 + 4 * 2) * overshoot)
    assert loss(1.0, 0.5, 0.0) == pytest.approx(5 * loss(1.0, -0.5, 0.0))
    assert loss(1.0, 0.0, 0.0) == 0.0


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch": 0}, {"rate": 0.0}, {"weight": 0.5}])
def test_a_senseless_schedule_is_refused(wrong):
    with pytest.raises(ValueError, match="schedule"):
        Schedule(**wrong)
