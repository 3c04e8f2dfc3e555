"""Torch modules read: each operation agrees with torch, and what is not handled says so."""

import copy
import threading
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from secateur.engine.errors import FileError, FormatError, MismatchError, UnsupportedError
from secateur.engine.formats.torch_module import read_torch, read_torch_file
from secateur.engine.network import (
    Affine,
    Origin,
)

torch.set_num_threads(1)


class Function(nn.Module):
    """A module of one function, with a layer in front that mixes the entries."""

    def __init__(self, function, shape):
        super().__init__()
        size = int(np.prod(shape))
        self.mix, self.shape, self.function = nn.Linear(size, size), shape, function
        self.register_buffer("constant", torch.linspace(-1, 2, size).reshape(1, *shape))

    def forward(self, x):
        return self.function(self, self.mix(x.flatten(1)).view(x.size(0), *self.shape))


def agree(module, shape, double=False):
    """Read a module and compare it with itself at points of its own type."""
    torch.manual_seed(1)
    module = module.double() if double else module
    network = read_torch(module, shape)
    points = torch.randn(40, *shape, dtype=torch.float64)
    points = points if double else points.float()
    with torch.no_grad():
        outputs = copy.deepcopy(module).eval()(points.clone())
    wanted = outputs.double().reshape(40, -1).numpy()
    found = network.evaluate(points.double().reshape(40, -1).numpy())
    bound = 1e-12 if double else 1e-5
    assert np.abs(found - wanted).max() <= bound * max(1.0, np.abs(wanted).max())
    return network


def settled(norm):
    """Return a batch normalisation with statistics and weights of its own."""
    with torch.no_grad():
        for values in (norm.running_mean, norm.weight, norm.bias):
            values.copy_(torch.linspace(-1, 1.5, len(values)))
        norm.running_var.copy_(torch.linspace(0.5, 3, len(norm.running_var)))
    return norm


def prelu(channels):
    layer = nn.PReLU(channels)
    with torch.no_grad():
        layer.weight.copy_(torch.linspace(-0.5, 0.75, channels))
    return layer


IMAGE = (2, 6, 5)
LAYERS = [
    (nn.Linear(4, 3), (4,)),
    (nn.Linear(4, 3, bias=False), (4,)),
    (nn.Linear(4, 3), (2, 4)),
    (nn.Conv2d(2, 3, 3), IMAGE),
    (nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2), IMAGE),
    (nn.Conv2d(2, 3, (2, 3), padding="same", bias=False), IMAGE),
    (nn.Conv2d(2, 3, 2, padding="valid"), IMAGE),
    (nn.Conv1d(2, 3, 3, stride=2, padding=1, dilation=2), (2, 9)),
    (nn.Conv1d(2, 3, 4, padding="same"), (2, 9)),
    (nn.ReLU(), (4,)),
    (nn.LeakyReLU(0.1), (4,)),
    (nn.LeakyReLU(0.1, inplace=True), (2, 3)),
    (nn.PReLU(), IMAGE),
    (prelu(2), IMAGE),
    (nn.Hardtanh(-0.3, 0.7), (4,)),
    (nn.ReLU6(), (4,)),
    (nn.MaxPool2d(2), IMAGE),
    (nn.MaxPool2d(3, stride=2, padding=1, dilation=(1, 2)), IMAGE),
    (nn.MaxPool2d((2, 3), stride=(2, 2), ceil_mode=True), IMAGE),
    (nn.MaxPool1d(3, stride=2, padding=1), (2, 9)),
    (nn.AvgPool2d(2), IMAGE),
    (nn.AvgPool2d(3, stride=2, padding=1), IMAGE),
    (nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False), IMAGE),
    (nn.AvgPool2d((3, 2), stride=2, padding=1, ceil_mode=True), IMAGE),
    (nn.AvgPool1d(3, stride=2, padding=1), (2, 9)),
    (nn.AdaptiveAvgPool2d(1), IMAGE),
    (nn.AdaptiveAvgPool2d((1, 1)), IMAGE),
    (nn.AdaptiveAvgPool1d(1), (2, 9)),
    (settled(nn.BatchNorm2d(2)), IMAGE),
    (settled(nn.BatchNorm1d(4)), (4,)),
    (settled(nn.BatchNorm1d(2)), (2, 9)),
    (nn.BatchNorm1d(4, affine=False), (4,)),
    (nn.Sequential(nn.Dropout(), nn.Identity(), nn.Flatten(), nn.Unflatten(1, (5, 12))), IMAGE),
    (nn.PixelShuffle(2), (4, 3, 2)),
]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("double", [False, True], ids=["float32", "float64"])
@pytest.mark.parametrize(
    ("layer", "shape"), LAYERS, ids=[f"{layer}".replace("\n", " ") for layer, _ in LAYERS]
)
def test_a_layer_agrees_with_torch(layer, shape, double):
    torch.manual_seed(0)
    module = nn.Sequential(copy.deepcopy(layer))
    module.register_buffer("type_of_layers_without_weights", torch.zeros(1))
    assert agree(module, shape, double).origin.dtype == ("float64" if double else "float32")


FUNCTIONS = {
    "relu": (lambda m, x: functional.relu(x) + torch.relu(x - 1) + (x + 1).relu(), (4,)),
    "leaky": (lambda m, x: functional.leaky_relu(x, 0.3), (4,)),
    "clip": (lambda m, x: torch.clamp(x, -0.1, 0.3) + x.clamp(min=0.2) - x.clip(max=0.1), (4,)),
    "clip by tensors": (lambda m, x: torch.clamp(x, m.constant - 1, m.constant), (4,)),
    "hardtanh": (lambda m, x: functional.hardtanh(x) + functional.relu6(3 * x), (4,)),
    "absolute": (lambda m, x: torch.abs(x) + abs(x - 1) + (2 * x).abs(), (4,)),
    "numbers": (lambda m, x: (3 - x) * 0.1 / 3 + (-x) + torch.neg(x) + 0.7, (4,)),
    "constants": (lambda m, x: (x * m.constant + m.constant[0]) - m.constant / 3, (2, 3)),
    "alpha": (lambda m, x: torch.add(x, x.relu(), alpha=2).sub(m.constant, alpha=0.5), (4,)),
    "named": (lambda m, x: torch.mul(other=0.3, input=torch.sub(input=x, other=0.1)), (4,)),
    "in place": (lambda m, x: (x * 2).relu_().add_(1).mul_(3).clamp_(max=4), (4,)),
    "residual": (lambda m, x: functional.relu(x) + x, (2, 3)),
    "spread": (lambda m, x: x[:, :, :1] + x - x[:, :1].relu(), (2, 3)),
    "extremes": (lambda m, x: torch.maximum(x, -x) - torch.minimum(x, m.constant), (4,)),
    "matmul": (lambda m, x: x @ m.constant[0].T + torch.matmul(x, m.constant[0].T), (2, 3)),
    "linear": (lambda m, x: functional.linear(x, m.mix.weight[:, :3], m.mix.bias), (2, 3)),
    "cat": (lambda m, x: torch.cat([x, x.relu(), x[:, 1:]], dim=1), (3, 2)),
    "cat along the last": (lambda m, x: torch.cat((x, x.relu()), -1), (3, 2)),
    "stack": (lambda m, x: torch.stack([x, x.relu()], dim=2), (3, 2)),
    "chunk": (lambda m, x: torch.chunk(x, 2, 1)[1] - x.chunk(2, dim=1)[0], (4, 2)),
    "split": (lambda m, x: x.split([1, 3], dim=1)[1].relu(), (4, 2)),
    "unbind": (lambda m, x: torch.unbind(x, 1)[2] - x.unbind(1)[0], (3, 2)),
    "slice": (lambda m, x: x[:, 1:, ::2] + x[..., -3:-1][:, :2], (3, 4)),
    "transpose": (lambda m, x: x.transpose(1, 2).relu() + torch.permute(x, (0, 2, 1)), (3, 2)),
    "squeeze": (lambda m, x: x.unsqueeze(1).squeeze(1).contiguous().expand(-1, 3, 2), (3, 2)),
    "reshape": (lambda m, x: x.reshape(x.shape[0], -1).view(-1, 2, 3).flatten(1), (3, 2)),
    "flip": (lambda m, x: torch.flip(x, [1]).repeat(1, 2, 1), (3, 2)),
    "mean": (lambda m, x: x.mean((2, 3)) + x.mean(dim=[2, 3], keepdim=True).flatten(1), (2, 3, 4)),
    "pools": (
        lambda m, x: torch.nn.functional.max_pool2d(x, 2) + functional.avg_pool2d(x, 2, 2),
        (2, 4, 4),
    ),
    "adaptive pool": (lambda m, x: functional.adaptive_avg_pool2d(x, 1), (2, 4, 4)),
    "convolution": (
        lambda m, x: functional.conv2d(x, m.constant.reshape(4, 2, 2, 2), padding=1),
        (2, 4, 4),
    ),
    "dropout": (lambda m, x: functional.dropout(x, 0.5, m.training), (4,)),
    "same type": (lambda m, x: x.to(x.dtype).detach().clone(), (4,)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_agrees_with_torch(name):
    torch.manual_seed(0)
    function, shape = FUNCTIONS[name]
    network = agree(Function(function, shape), shape)
    assert network.origin == Origin("Function", "torch", "", "float32")


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = settled(nn.BatchNorm2d(4))
        self.second = nn.Conv2d(4, 4, 3, padding="same", bias=False)
        self.pool, self.drop = nn.MaxPool2d(2), nn.Dropout()
        self.last = nn.Linear(64, 5)

    def forward(self, x):
        active = functional.relu(self.norm(self.first(x)))
        y = self.second(active)
        y += active
        left, right = torch.chunk(self.pool(functional.leaky_relu(y, 0.1)), 2, dim=1)
        return self.last(self.drop(torch.cat([right, left], 1).view(y.size(0), -1)))


def test_a_residual_network_keeps_the_names_of_its_nodes():
    torch.manual_seed(0)
    network = agree(Residual(), (1, 8, 8))
    names = [node.name for node in network.nodes]
    assert {"x", "first", "norm", "relu", "second", "add", "pool", "cat", "last"} <= set(names)
    assert network.input.shape == (1, 8, 8)
    assert network.output == "last"


def test_the_module_stays_as_it_is():
    torch.manual_seed(0)
    module = Residual().train()
    before = copy.deepcopy(module.state_dict())
    read_torch(module, (1, 8, 8))
    assert module.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_weights_are_widened_exactly():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    network = read_torch(module, (3,))
    layers = [node.layer for node in network.nodes if isinstance(node.layer, Affine)]
    assert len(network.nodes) == 4
    for layer, source in zip(layers, (module[0], module[2]), strict=True):
        assert (layer.operator.weight == source.weight.detach().double().numpy()).all()
        assert (layer.bias == source.bias.detach().double().numpy()).all()


def test_a_leaky_slope_is_the_float32_number_and_the_lowering_is_exact():
    network = read_torch(nn.LeakyReLU(0.1), (1,))
    slope = Fraction(float(np.float32(0.1)))
    found = network.evaluate([[Fraction(-3)], [Fraction(7)]], exact=True)
    assert found.tolist() == [[-3 * slope], [7]]


@pytest.mark.parametrize("double", [False, True])
def test_max_pooling_is_exact_in_rationals(double):
    module = nn.Sequential(nn.MaxPool2d(2), nn.Flatten())
    network = read_torch(module.double() if double else module, (1, 2, 4))
    point = [Fraction(n, 7) for n in (3, -1, 9, 2, 4, 0, -8, 1)]
    assert network.evaluate([point], exact=True).tolist() == [[Fraction(4, 7), Fraction(9, 7)]]


REFUSED = {
    "product": (lambda m, x: x * x, UnsupportedError, "multiplies two activations"),
    "sigmoid": (lambda m, x: torch.sigmoid(x), UnsupportedError, "is not handled; handled are Lin"),
    "method": (lambda m, x: x.softmax(1), UnsupportedError, "(method softmax)"),
    "first point": (lambda m, x: x - x[:1], UnsupportedError, "between the points of a batch"),
    "batch flip": (lambda m, x: x.flip(0), UnsupportedError, "between the points of a batch"),
    "batch mean": (lambda m, x: x - x.mean(0), UnsupportedError, "keep the first axis"),
    "fold": (lambda m, x: x.reshape(-1, 2), UnsupportedError, "between the points of a batch"),
    "fixed batch": (lambda m, x: x.reshape(1, -1), UnsupportedError, "between the points"),
    "constant moved": (
        lambda m, x: torch.cat([x, m.constant[[0] * 7]], 1),
        UnsupportedError,
        "moves constants among entries",
    ),
    "branch": (lambda m, x: x if x.sum() > 0 else -x, UnsupportedError, "torch.fx cannot trace"),
    "two outputs": (lambda m, x: (x, x), UnsupportedError, "the output is not one tensor"),
    "constant output": (lambda m, x: m.constant, UnsupportedError, "the output is not one tensor"),
    "dropping": (lambda m, x: functional.dropout(x), UnsupportedError, "drops at random"),
    "whole mean": (lambda m, x: x - x.mean(), UnsupportedError, "these arguments are not handled"),
    "rounding": (
        lambda m, x: torch.div(x, 2, rounding_mode="floor"),
        UnsupportedError,
        "rounds its quotient",
    ),
    "other type": (lambda m, x: x.double(), UnsupportedError, "turns torch.float32 into"),
    "indices": (
        lambda m, x: functional.max_pool1d(x.unsqueeze(1), 2, return_indices=True)[0],
        UnsupportedError,
        "(function max_pool1d_with_indices): this operation is not handled",
    ),
    "adaptive": (
        lambda m, x: functional.adaptive_avg_pool1d(x.unsqueeze(1), 2),
        UnsupportedError,
        "has output_size 2: only 1 is handled",
    ),
    "divisor": (
        lambda m, x: functional.avg_pool2d(x.view(-1, 1, 2, 2), 2, divisor_override=3),
        UnsupportedError,
        "overrides its divisor",
    ),
    "weights": (
        lambda m, x: functional.linear(x, x),
        UnsupportedError,
        "has weights that depend on the input",
    ),
    "not finite": (lambda m, x: x * float("inf"), FormatError, "holds inf at [0]"),
    "zero divisor": (lambda m, x: x / 0.0, FormatError, "divides by a constant that holds a zero"),
    "wrong shape": (lambda m, x: x.view(-1, 3), FormatError, "the module fails on 7 inputs of"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_handled_is_named(name):
    torch.manual_seed(0)
    function, kind, what = REFUSED[name]
    with pytest.raises((UnsupportedError, FormatError)) as caught:
        read_torch(Function(function, (4,)), (4,))
    assert what in str(caught.value)
    assert str(caught.value).startswith("Function: ")
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, kind)


@pytest.mark.parametrize(
    ("module", "what"),
    [
        (
            nn.Sequential(nn.Linear(4, 4), nn.Tanh()),
            "Sequential: module '1' (Tanh): this operation",
        ),
        (nn.Sequential(nn.Softmax(1)), "module '0' (Softmax)"),
        (nn.Linear(4, 4).half(), "the parameters are float16: make all float32"),
        (nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4).double()), "are float32 and float64"),
        (nn.Unflatten(1, (2, 2)), None),
        (nn.Sequential(nn.Unflatten(1, (1, 4)), nn.MaxPool1d(2, return_indices=True)), "gives ind"),
        (nn.Sequential(nn.Unflatten(1, (1, 4)), nn.Conv1d(1, 1, 3, padding=1)), None),
        (
            nn.Sequential(
                nn.Unflatten(1, (1, 4)), nn.Conv1d(1, 1, 3, padding=1, padding_mode="circular")
            ),
            "has padding_mode 'circular'",
        ),
        (nn.BatchNorm1d(4, track_running_stats=False), "takes its statistics from the batch"),
    ],
)
def test_modules_that_are_not_handled_are_named(module, what):
    if what is None:
        assert read_torch(module, (4,)).size_in == 4
        return
    with pytest.raises(UnsupportedError) as caught:
        read_torch(module, (4,))
    assert what in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_module_that_cannot_be_copied_says_so():
    module = nn.Linear(2, 1)
    module.lock = threading.Lock()
    with pytest.raises(UnsupportedError, match="Linear: this module cannot be copied"):
        read_torch(module, (2,))


def test_a_weight_that_is_not_finite_is_refused():
    module = nn.Linear(2, 1)
    with torch.no_grad():
        module.weight[0, 1] = float("nan")
    with pytest.raises(FormatError, match=r"Linear: .*weight holds nan at \[0, 1\]"):
        read_torch(module, (2,))


class Aliasing(nn.Module):
    """Changes its input in place behind the back of the trace."""

    def forward(self, x):
        y = x * 1.0
        view = y.flatten(1)
        view.relu_()
        return y + 0.0


class Random(nn.Module):
    def forward(self, x):
        return x + torch.rand(3)


class Hooked(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 3)
        self.layer.register_forward_hook(lambda module, args, output: output * 2)

    def forward(self, x):
        return self.layer(x)


@pytest.mark.parametrize("module", [Aliasing(), Random(), Hooked()])
def test_what_the_trace_does_not_see_never_passes_the_check(module):
    torch.manual_seed(0)
    with pytest.raises(MismatchError, match="disagrees with the reference evaluator"):
        read_torch(module, (3,))


def test_a_saved_module_is_read_without_running_its_code(tmp_path):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    torch.save(module, tmp_path / "plain.pt")
    network = read_torch_file(tmp_path / "plain.pt", (3,))
    points = np.random.default_rng(0).normal(size=(9, 3))
    assert (network.evaluate(points) == read_torch(module, (3,)).evaluate(points)).all()
    assert len(network.origin.digest) == 64
    torch.save(Residual(), tmp_path / "code.pt")
    with pytest.raises(UnsupportedError, match=r"code\.pt: this holds more than torch's own"):
        read_torch_file(tmp_path / "code.pt", (1, 8, 8))
    torch.save(module.state_dict(), tmp_path / "state.pt")
    with pytest.raises(FormatError, match=r"state\.pt: this holds a OrderedDict and no module"):
        read_torch_file(tmp_path / "state.pt", (3,))


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 cut", b"\x80\x02."])
def test_a_file_that_is_none_of_torch_says_so(tmp_path, content):
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises((FormatError, UnsupportedError), match=r"a\.pt: this"):
        read_torch_file(tmp_path / "a.pt", (3,))
    with pytest.raises(FileError, match="there is no such file"):
        read_torch_file(tmp_path / "b.pt", (3,))
