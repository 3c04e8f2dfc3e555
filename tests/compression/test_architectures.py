"""Architectures: torchvision's names and shapes, state dicts, and seeds."""

import numpy as np
import pytest
import torch

from secateur.compression.architectures import Architecture, Plan
from secateur.compression.architectures.build import fresh, plan_of, read_state, restore
from secateur.engine.errors import FormatError, InputError
from secateur.engine.formats.torch_module import read_torch

PARAMETERS = {
    Plan(Architecture.ALEXNET, 1000, pooled=6): 61_100_840,
    Plan(Architecture.VGG16, 1000, pooled=7): 138_357_544,
    Plan(Architecture.VGG16, 1000, pooled=7, batch_norm=True): 138_365_992,
    Plan(Architecture.RESNET50, 1000): 25_557_032,
}
"""Trainable numbers that torchvision's definitions have."""

TENSORS = {Architecture.ALEXNET: 16, Architecture.VGG16: 32, Architecture.RESNET50: 320}


def narrow(kind, **free):
    return Plan(kind, 10, 3, 1 / 16, **free)


@pytest.mark.parametrize(("plan", "count"), PARAMETERS.items(), ids=lambda x: str(x)[:60])
def test_the_published_sizes_have_torchvisions_parameters(plan, count):
    with torch.device("meta"):
        module = fresh(plan, 32, 0)
    assert sum(one.numel() for one in module.parameters()) == count
    if not plan.batch_norm:
        assert len(module.state_dict()) == TENSORS[plan.architecture]


def test_names_are_torchvisions():
    names = {
        Architecture.ALEXNET: ("features.10.bias", "classifier.1.weight", "classifier.6.bias"),
        Architecture.VGG16: ("features.28.weight", "classifier.0.weight", "classifier.6.bias"),
        Architecture.RESNET50: (
            "conv1.weight",
            "bn1.running_var",
            "layer1.0.downsample.1.num_batches_tracked",
            "layer4.2.conv3.weight",
            "fc.bias",
        ),
    }
    for kind, wanted in names.items():
        assert set(wanted) <= set(fresh(narrow(kind), 32, 0).state_dict())


@pytest.mark.parametrize("kind", Architecture)
def test_a_picture_gets_a_score_for_each_class(kind):
    module = fresh(narrow(kind), 32, 0).eval()
    with torch.no_grad():
        assert module(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize("kind", Architecture)
def test_a_seed_gives_the_same_weights_and_leaves_torchs_generator_alone(kind):
    before = torch.random.get_rng_state()
    one, two, other = (fresh(narrow(kind), 32, seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    "plan",
    [
        narrow(Architecture.ALEXNET),
        narrow(Architecture.ALEXNET, stem=3, pooled=1),
        Plan(Architecture.VGG16, 7, 1, 1 / 16, batch_norm=True),
        narrow(Architecture.VGG16, pooled=2),
        narrow(Architecture.RESNET50, stem=3),
        Plan(Architecture.SMALL, 4, 1),
    ],
)
def test_a_state_dict_says_which_plan_it_is_of(plan, tmp_path):
    module = fresh(plan, 32, 1)
    parallel = {f"module.{name}": value for name, value in module.state_dict().items()}
    torch.save({"state_dict": parallel, "epoch": 3}, tmp_path / "state.pt")
    state = read_state(tmp_path / "state.pt")
    found = plan_of(plan.architecture, state)
    assert (found.classes, found.channels, found.stem, found.pooled, found.batch_norm) == (
        (plan.classes, plan.channels, plan.stem, plan.pooled, plan.batch_norm)
    )
    again = fresh(found, 32, 2)
    restore(again, state, "state.pt")
    pictures = torch.rand(2, plan.channels, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(module.eval()(pictures), again.eval()(pictures))


def test_state_dicts_of_other_networks_are_refused(tmp_path):
    small = fresh(Plan(Architecture.SMALL), 32, 0)
    state = small.state_dict()
    with pytest.raises(FormatError, match="none of resnet50"):
        plan_of(Architecture.RESNET50, state)
    with pytest.raises(FormatError, match=r"lacks features\.0\.bias"):
        restore(small, {k: v for k, v in state.items() if k != "features.0.bias"}, "x")
    with pytest.raises(FormatError, match="has no more"):
        restore(small, {**state, "more": torch.zeros(1)}, "x")
    with pytest.raises(FormatError, match=r"has shape \(1,\)"):
        restore(small, {**state, "features.0.bias": torch.zeros(1)}, "x")
    with pytest.raises(FormatError, match="not finite"):
        restore(small, {**state, "features.0.bias": torch.full((8,), torch.nan)}, "x")
    (tmp_path / "text.pt").write_text("no state")
    with pytest.raises(FormatError, match="no state dict"):
        read_state(tmp_path / "text.pt")
    with pytest.raises(InputError, match="cannot be read"):
        read_state(tmp_path / "absent.pt")
    torch.save(small, tmp_path / "whole.pt")
    with pytest.raises(FormatError, match="no state dict"):
        read_state(tmp_path / "whole.pt")


def test_plans_that_cannot_be_built_are_refused():
    for free in (
        {"classes": 0},
        {"channels": 0},
        {"width": 0.0},
        {"dropout": 1.0},
        {"stem": 4},
        {"batch_norm": True},
    ):
        with pytest.raises(InputError):
            Plan(Architecture.ALEXNET, **free)
    with pytest.raises(InputError, match="32 by 32"):
        fresh(narrow(Architecture.VGG16), 28, 0)


@pytest.mark.parametrize("side", [8, 28])
def test_the_engine_reads_the_small_one(side):
    module = fresh(Plan(Architecture.SMALL, 3, 1, 0.5), side, 0).eval()
    network = read_torch(module, (1, side, side))
    points = np.random.default_rng(0).random((3, side * side)).astype(np.float32)
    with torch.no_grad():
        wanted = module(torch.from_numpy(points).reshape(3, 1, side, side)).numpy()
    np.testing.assert_allclose(network.evaluate(points.astype(np.float64)), wanted, atol=1e-5)
