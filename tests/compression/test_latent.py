"""The study of layers: rows, samples, training that resumes, fine-tuning and correlations."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from secateur.compression.architectures import Architecture, Plan
from secateur.compression.architectures.build import fresh
from secateur.compression.data import Dataset
from secateur.compression.divergence import Projection
from secateur.compression.latent import Settings, Spread, basis_of, compressed, study
from secateur.compression.latent_certify import Judge, balls
from secateur.compression.latent_cut import Method
from secateur.compression.latent_samples import (
    directions,
    fisher,
    gathered,
    iterates,
    layers_of,
    replaced,
    weights_of,
)
from secateur.compression.latent_table import CERTIFIED, Damage, groups, predictors
from secateur.compression.latent_train import Course, Lesson, Optimiser, performance, train
from secateur.compression.latent_tune import fine_tune
from secateur.engine.answer import Effort
from secateur.engine.errors import FormatError, InputError


def pictures(rows=120, side=8, seed=0):
    """Pictures whose brighter half is their label."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, rows)
    light = rng.random((rows, 1, side, side)) * 0.5
    light[:, :, : side // 2] += 0.5 * (labels == 0)[:, None, None, None]
    light[:, :, side // 2 :] += 0.5 * (labels == 1)[:, None, None, None]
    return Dataset(light.reshape(rows, -1).astype(np.float32), (1, side, side), labels, None, 2)


@pytest.fixture(scope="module")
def trained():
    data = pictures()
    module = fresh(Plan(Architecture.SMALL, 2, 1, 0.5), 8, 0)
    lesson = Lesson.of(data, (1, 8, 8))
    train(module, lesson, Course(16, 20, 4e-3), 0)
    return module, lesson, Lesson.of(pictures(seed=1), (1, 8, 8))


@pytest.fixture(scope="module")
def samples(trained):
    module, lesson, _ = trained
    return iterates(module, lesson, Course(0, 20, 1e-2, Optimiser.SGD), 0, 6, 3)


EVERY = Settings(shares=(0.5, 0.9), spreads=tuple(Spread), rank=2, general=True, examples=12)


@pytest.fixture(scope="module")
def basis(trained, samples):
    module, lesson, _ = trained
    return basis_of(module, EVERY, samples, lesson, directions(module, lesson.drawn(8, 0), 0))


@pytest.fixture(scope="module")
def rows(trained, basis):
    module, lesson, test = trained
    return list(study(module, EVERY, basis, lesson, test))


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(one, two):
    return all(torch.equal(one[name], two[name]) for name in one)


def test_the_training_learns(trained):
    module, _, test = trained
    assert performance(module, test).accuracy > 0.9


def test_every_layer_gets_a_row_for_each_method_and_share(trained, rows):
    names = [layer.name for layer in layers_of(trained[0])]
    assert len(names) == 6
    wanted = {(n, m, s) for n in names for m in Method for s in (0.5, 0.9)}
    assert {(row.layer, row.method, row.share) for row in rows} == wanted
    for row in rows:
        assert set(row.ap2) == set(Projection)
        assert row.ap2[Projection.INPUTS] <= row.ap2[Projection.NONE] * (1 + 1e-9)
        for one in row.ap3.values():
            assert one.gaussian >= 0
            assert row.ap2[Projection.NONE] <= one.limit * (1 + 1e-9) + 1e-12
            assert one.student.low <= one.student.value <= one.student.high
        assert row.ap3[Spread.FISHER].general is not None
        assert row.ap3[Spread.DIAGONAL].general is None


def test_a_study_leaves_the_network_as_it_was_and_repeats_itself(trained, basis, rows):
    module, lesson, test = trained
    before = state(module)
    again = list(study(module, EVERY, basis, lesson, test))
    assert same(before, module.state_dict())
    assert again == rows


def test_rows_that_are_known_are_left_out_and_the_others_are_the_same(trained, basis, rows):
    module, lesson, test = trained
    done = [(row.layer, row.method, row.share) for row in rows[:50]]
    assert list(study(module, EVERY, basis, lesson, test, None, done)) == rows[50:]


def test_damage_is_what_the_compressed_network_does(trained, rows):
    module, _, test = trained
    row = rows[7]
    layer = next(one for one in layers_of(module) if one.name == row.layer)
    _, found = compressed(module, layer, row.method, row.share, 0)
    before = performance(module, test)
    with replaced(module, {layer: found.weights}):
        after = performance(module, test)
    assert row.loss == after.loss - before.loss
    assert row.accuracy == before.accuracy - after.accuracy


def test_weights_come_back_even_when_something_fails(trained):
    module = trained[0]
    before = state(module)
    layer = layers_of(module)[0]
    with pytest.raises(KeyError), replaced(module, {layer: 0 * weights_of(module, layer)}):
        raise KeyError
    assert same(before, module.state_dict())


def test_an_interrupted_training_ends_with_the_same_weights(tmp_path):
    lesson = Lesson.of(pictures(), (1, 8, 8))
    plan = Plan(Architecture.SMALL, 2, 1, 0.5)
    whole = fresh(plan, 8, 1)
    train(whole, lesson, Course(4, 20), 5)
    file = tmp_path / "checkpoint"
    broken = fresh(plan, 8, 1)

    def stop(step):
        if step == 15:  # in the third epoch
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        train(broken, lesson, Course(4, 20), 5, checkpoint=file, after_step=stop)
    resumed = fresh(plan, 8, 2)
    train(resumed, lesson, Course(4, 20), 5, checkpoint=file)
    assert same(whole.state_dict(), resumed.state_dict())
    for other, seed in ((Course(4, 20, 2e-3), 5), (Course(4, 20), 6)):
        with pytest.raises(FormatError, match="another training"):
            train(fresh(plan, 8, 1), lesson, other, seed, checkpoint=file)
    file.write_bytes(b"nothing")
    with pytest.raises(FormatError, match="no checkpoint"):
        train(fresh(plan, 8, 1), lesson, Course(4, 20), 5, checkpoint=file)


def test_dropout_is_drawn_from_the_seed():
    lesson = Lesson.of(pictures(side=32), (1, 32, 32))
    ends = []
    for seed in (0, 0, 1):
        module = fresh(Plan(Architecture.ALEXNET, 2, 1, 1 / 32), 32, 0)
        torch.manual_seed(len(ends))
        train(module, lesson, Course(1, 40), seed)
        ends.append(state(module))
    assert same(ends[0], ends[1])
    assert not same(ends[0], ends[2])


def test_iterates_go_on_from_the_network_and_are_kept(trained, samples, tmp_path):
    module, lesson, _ = trained
    before, walk = state(module), Course(0, 20, 1e-2, Optimiser.SGD)
    file = tmp_path / "iterates.npy"
    made = iterates(module, lesson, walk, 0, 6, 3, file)
    read = iterates(module, lesson, walk, 0, 6, 3, file)
    assert same(before, module.state_dict())
    for layer in layers_of(module):
        np.testing.assert_array_equal(made.of(layer), samples.of(layer))
        np.testing.assert_array_equal(read.of(layer), samples.of(layer))
        assert made.of(layer).shape == (6, layer.weights)
    with pytest.raises(FormatError, match="other iterates"):
        iterates(module, lesson, walk, 0, 5, 3, file)
    file.write_bytes(b"nothing")
    with pytest.raises(FormatError, match=r"no \.npy"):
        iterates(module, lesson, walk, 0, 6, 3, file)


def test_samples_of_seeds_are_the_networks_weights():
    modules = [fresh(Plan(Architecture.SMALL, 2, 1, 0.5), 8, seed) for seed in range(3)]
    layers = layers_of(modules[0])
    found = gathered(modules, layers)
    for layer in layers:
        for row, module in zip(found.of(layer), modules, strict=True):
            np.testing.assert_array_equal(row, weights_of(module, layer).ravel())


def test_fisher_information_of_a_linear_network_is_known():
    """Of ``w x`` with target t the log-likelihood's derivative is ``(t - w x) x``."""
    module = nn.Linear(2, 1, bias=False)
    inputs, targets = torch.tensor([[1.0, 2.0], [3.0, -1.0]]), torch.tensor([[0.5], [1.0]])
    found = fisher(module, Lesson(inputs, None, targets), layers_of(module))
    slopes = ((targets - module(inputs)) * inputs).detach().double().numpy()
    np.testing.assert_allclose(next(iter(found.values())), (slopes**2).mean(axis=0), rtol=1e-5)


def test_directions_of_a_convolution_hold_its_patches():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 3, 3, bias=False))
    flat = torch.zeros(2, 1, 5, 5)
    flat[0], flat[1] = 1.0, -2.0  # every patch is a multiple of one
    basis = next(iter(directions(module, Lesson(flat, torch.zeros(2).long()), 0).values()))
    np.testing.assert_allclose(np.abs(basis), np.full((9, 1), 1 / 3), atol=1e-6)


def test_fine_tuning_keeps_zeros_and_ranks_and_comes_nearer_in_loss(trained, basis):
    module, lesson, test = trained
    before = state(module)
    for method in (Method.LOWEST, Method.ROWS, Method.LOWRANK):
        curve = fine_tune(module, (method, 0.5), EVERY, basis, lesson, test, Course(2, 20))
        assert [one.epoch for one in curve.epochs] == [0, 1, 2]
        assert all(one.total(Spread.DIAGONAL) > 0 for one in curve.epochs)
    assert same(before, module.state_dict())


def test_masked_weights_stay_zero_in_training(trained):
    module, lesson, _ = trained
    tuned = fresh(Plan(Architecture.SMALL, 2, 1, 0.5), 8, 0)
    tuned.load_state_dict(module.state_dict())
    name = "features.2.weight"
    mask = (torch.arange(tuned.get_parameter(name).numel()) % 3 > 0).float()
    mask = mask.reshape(tuned.get_parameter(name).shape)
    train(tuned, lesson, Course(1, 20), 0, kept={name: mask})
    assert not tuned.get_parameter(name)[mask == 0].any()
    assert tuned.get_parameter(name)[mask == 1].any()


def test_groups_are_those_of_methods_and_shares_and_all(rows):
    found = groups(rows, 0, 200)
    kinds = {(one.method, one.share) for one in found}
    assert kinds == {
        *((m, s) for m in Method for s in (0.5, 0.9)),
        *((m, None) for m in Method),
        (None, None),
    }
    assert {one.damage for one in found} == set(Damage)
    assert found[-1].found.rows == len(rows)
    assert found[-1].found.layers == 6
    assert CERTIFIED not in predictors(rows)


def test_the_certified_discrepancy_holds_what_data_show(trained, basis):
    module, lesson, test = trained
    data = pictures(rows=4, seed=1)
    regions = balls(data, 1, Fraction(1, 100))
    judge = Judge(module, (1, 8, 8), regions, Effort(boxes=1, workers=1))
    few = Settings(methods=(Method.LOWEST,), shares=(0.9,), spreads=(Spread.DIAGONAL,))
    others = [(layer.name, Method.LOWEST, 0.9) for layer in layers_of(module)[:-3]]
    found = list(study(module, few, basis, lesson, test, judge, others))
    assert len(found) == 3
    middle = torch.from_numpy(data.inputs[:1].reshape(1, 1, 8, 8).copy())
    for row in found:
        layer = next(one for one in layers_of(module) if one.name == row.layer)
        _, cut = compressed(module, layer, row.method, row.share, 0)
        with torch.no_grad():
            original = module(middle)
            with replaced(module, {layer: cut.weights}):
                apart = float((original - module(middle)).abs().max())
        assert row.certified.attained <= row.certified.proved
        assert apart <= row.certified.proved + 1e-5
    assert CERTIFIED in predictors(found)
    assert list(study(module, few, basis, lesson, test, judge, others[1:] + others[:1])) == found


def test_pictures_are_widened_and_greys_repeated():
    lesson = Lesson.of(pictures(rows=3), (3, 32, 32))
    assert lesson.inputs.shape == (3, 3, 32, 32)
    np.testing.assert_array_equal(
        lesson.inputs[0, 2, 12:20, 12:20].numpy().ravel(), pictures(rows=3).inputs[0]
    )
    assert torch.equal(lesson.inputs[:, 0, 0, 0], lesson.inputs[:, 1, 12, 12])


def test_what_cannot_be_studied_is_refused(trained):
    module, lesson, _ = trained
    for free in (
        {"methods": ()},
        {"shares": (0.5, 0.5)},
        {"shares": (1.0,)},
        {"general": True},
        {"rank": 0},
        {"freedom": 0.0},
    ):
        with pytest.raises(InputError):
            Settings(**free)
    with pytest.raises(InputError, match="needs samples"):
        basis_of(module, Settings(), None, lesson, {})
    with pytest.raises(InputError, match="no layer"):
        layers_of(nn.ReLU())
    with pytest.raises(InputError, match="row has shape"):
        Lesson.of(pictures(rows=3), (1, 5, 5))
    with pytest.raises(InputError, match="fewer than a batch"):
        train(module, lesson.drawn(3, 0), Course(1, 20), 0)
    with pytest.raises(InputError, match="learning rate"):
        Course(1, 20, 0.0)
    with pytest.raises(InputError, match="to certify around"):
        balls(pictures(rows=3), 4, Fraction(1))


def test_a_training_that_diverges_says_so(trained):
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    inputs = torch.full((20, 1, 8, 8), torch.inf)
    with pytest.raises(InputError, match="no longer finite"):
        train(module, Lesson(inputs, torch.zeros(20).long()), Course(3, 20, 5.0), 0)
