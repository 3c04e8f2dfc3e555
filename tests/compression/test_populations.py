"""Populations: seeds of their own, the schedule's end, and folders that a run goes on with."""

import numpy as np
import pytest

from secateur.compression.data import Dataset
from secateur.compression.exemplars_store import Store, chosen
from secateur.compression.form import Half, Masked, affine_layers
from secateur.compression.populations import (
    Original,
    Plan,
    Pruned,
    Quantized,
    Storage,
    dense,
    drawn,
    member_seed,
    schedule,
    trained,
)
from secateur.engine.errors import FormatError, InputError
from secateur.engine.network import Quantize

LEVELS = (Pruned(0.5), Quantized(Storage.FLOAT16), Quantized(Storage.INT8))


def table(rows=90, seed=0):
    """Return three clouds of points, a class each."""
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % 3
    centres = np.array([[0.0, 1.0], [1.0, 0.0], [-1.0, -1.0]])
    inputs = centres[labels] + 0.2 * rng.normal(size=(rows, 2))
    return Dataset(inputs.astype(np.float32), (2,), labels, classes=3)


def plan_of(levels=LEVELS, models=2, **more):
    return Plan(dense([8], table()), levels, models, epochs=12, batch=30, rate=0.02, **more)


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*.onnx"))} | {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.onnx")
    }


def test_networks_learn_and_hold_what_their_level_says():
    data = table()
    plan = plan_of()
    for level in plan.every:
        made = trained(plan, level, 0, data)
        right = (chosen(made.network, data.inputs) == data.labels).mean()
        assert right > 0.9, level.name
        weights = [form.weight for form in made.forms.values()]
        match level:
            case Pruned():
                layers = [layer for _, layer in affine_layers(made.network)]
                total = sum(layer.operator.weight.size for layer in layers)
                zeros = sum((layer.operator.weight == 0).sum() for layer in layers)
                assert zeros == total // 2
                assert all(isinstance(form, Masked) for form in weights)
            case Quantized(how=Storage.FLOAT16):
                assert all(isinstance(form, Half) for form in weights)
            case Quantized(how=Storage.INT8):
                assert any(isinstance(node.layer, Quantize) for node in made.network.nodes)


def test_every_network_has_a_seed_of_its_own_whatever_else_is_planned():
    plan = plan_of()
    seeds = [member_seed(plan, level, member) for level in plan.every for member in range(50)]
    assert len(set(seeds)) == len(seeds)
    smaller = plan_of((Pruned(0.5),), models=9)
    assert member_seed(plan, Pruned(0.5), 1) == member_seed(smaller, Pruned(0.5), 1)
    assert member_seed(plan_of(seed=1), Original(), 0) not in seeds


def test_first_weights_are_drawn_anew_from_the_shape_alone():
    shape = plan_of().shape
    one, two = drawn(shape, 1), drawn(drawn(shape, 7), 1)
    for (_, first), (_, second) in zip(affine_layers(one), affine_layers(two), strict=True):
        assert np.array_equal(first.operator.weight, second.operator.weight)
        assert first.operator.weight.astype(np.float32).astype(float).tolist() == (
            first.operator.weight.tolist()
        )


@pytest.mark.parametrize("steps", [1, 2, 7, 40, 333])
def test_the_schedule_ends_before_the_last_fifth(steps):
    made = schedule(0.7, steps)
    assert made.share(made.end) == 0.7
    assert made.end <= max(1, 4 * steps // 5)
    assert made.share(0) <= 0.7


def test_a_run_that_was_broken_off_goes_on_to_the_same_networks(tmp_path):
    data, plan = table(), plan_of()
    whole = Store.open(tmp_path / "whole", plan, data, resume=False)
    assert whole.fill() == 8

    def stop(name, done, total):
        if done == 3:
            raise KeyboardInterrupt

    half = Store.open(tmp_path / "half", plan, data, resume=False)
    with pytest.raises(KeyboardInterrupt):
        half.fill(stop)
    assert len(list(half.missing())) == 5
    again = Store.open(tmp_path / "half", plan, data, resume=True)
    assert again.fill() == 5
    assert files(tmp_path / "half") == files(tmp_path / "whole")
    for level in plan.every:
        network = again.network(level, 1)
        made = trained(plan, level, 1, data).network
        assert np.array_equal(network.evaluate(data.inputs), made.evaluate(data.inputs))


def test_a_folder_of_another_plan_is_refused(tmp_path):
    data = table()
    Store.open(tmp_path, plan_of(), data, resume=False)
    with pytest.raises(InputError, match="--resume"):
        Store.open(tmp_path, plan_of(), data, resume=False)
    with pytest.raises(InputError, match="another seed"):
        Store.open(tmp_path, plan_of(seed=1), data, resume=True)
    with pytest.raises(InputError, match="another data"):
        Store.open(tmp_path, plan_of(), table(seed=1), resume=True)
    Store.open(tmp_path, plan_of((Pruned(0.9),), models=5), data, resume=True)
    (tmp_path / "plan.json").write_text("{")
    with pytest.raises(FormatError, match="no JSON"):
        Store.open(tmp_path, plan_of(), data, resume=True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"levels": ()}, "nothing is compressed"),
        ({"levels": (Pruned(0.5), Pruned(0.5))}, "asked for twice"),
        ({"models": 1}, "two or more"),
    ],
)
def test_plans_that_are_none_are_refused(words, said):
    with pytest.raises(InputError, match=said):
        plan_of(**words)
    with pytest.raises(InputError, match="from 0 to below 1"):
        Pruned(1.0)
    with pytest.raises(InputError, match="sizes of hidden layers"):
        dense([], table())
