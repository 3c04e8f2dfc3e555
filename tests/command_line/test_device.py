"""`--device`: used where it is of use, refused in one line elsewhere, never passed over."""

import numpy as np
import pytest
import torch
from calls import REGION, call, recorded, refused, tiny

import secateur
from secateur.engine.bounds import device as devices
from secateur.engine.errors import InputError
from secateur.engine.formats import load, save
from secateur.engine.region import Region


@pytest.fixture
def net(tmp_path):
    """Write the tiny network."""
    save(tiny(), tmp_path / "tiny.onnx")
    return tmp_path / "tiny.onnx"


@pytest.fixture
def lent(monkeypatch):
    """Let the processor stand for a CUDA device, so that the way to it is tested without one."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(devices, "named", lambda device: torch.device("cpu"))


def test_cuda_is_refused_where_there_is_none(net, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    said = refused(capsys, tmp_path, "bounds", net, "--region", REGION, "--device", "cuda")
    assert "sees no CUDA device" in said


def test_verbs_without_use_for_a_device_say_so(net, tmp_path, capsys, lent):
    query = tmp_path / "query.vnnlib"
    query.write_text("(declare-const X_0 Real)\n")
    out, where = ("-o", tmp_path / "out.onnx"), ("--region", REGION)
    for words in (
        ("info", net),
        ("verify", query, "--network", f"N={net}"),
        ("simplify", net, *where, *out),
        ("compare", net, net, *where, "--epsilon", "1"),
        ("check", tmp_path / "proof"),
    ):
        said = refused(capsys, tmp_path, *words, "--device", "cuda")
        assert "computes on the CPU alone" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--grid", "2,2,2"), "--stage phases"),
        (("--grid", "2,2,2", "--stage", "phases", "--effort", "long"), "--effort usual"),
        (("--grid", "2,2,2", "--stage", "phases", "--workers", "2"), "--workers"),
        (("--grid", "2,2,2", "--stage", "phases", "--ray", "local"), "--ray"),
        (("--adaptive", "4", "--stage", "phases"), "--adaptive"),
    ],
)
def test_what_a_slice_does_on_the_cpu_is_refused_elsewhere(
    net, tmp_path, capsys, lent, words, said
):
    where = ("--region", REGION, "-o", tmp_path / "out.family", "--device", "cuda")
    assert said in refused(capsys, tmp_path, "slice", net, *where, *words)


def test_linear_programs_are_refused_elsewhere(net, tmp_path, capsys, lent):
    words = ("--region", REGION, "--method", "lp", "--device", "cuda")
    assert "linear programs" in refused(capsys, tmp_path, "bounds", net, *words)


def test_bounds_of_a_device_are_those_of_the_cpu(net, tmp_path, lent):
    for method in ("interval", "linear", "optimised"):
        ends = []
        for device in ("cpu", "cuda"):
            words = ("--region", REGION, "--method", method, "--hidden", "--device", device)
            assert call("bounds", net, *words, "--json", tmp_path / "r.json") == 0
            record = recorded(tmp_path / "r.json")
            assert record["device"] == device
            ends.append([(one["lower"], one["upper"]) for one in record["outputs"]])
        # Slopes are climbed to in other steps there; either way each bound holds.
        assert np.allclose(*ends, rtol=1e-9, atol=0.05 if method == "optimised" else 0.0)


def test_a_slice_on_a_device_decides_what_it_decides_on_the_cpu(net, tmp_path, lent):
    shares = []
    for device in ("cpu", "cuda"):
        words = ("--region", REGION, "--grid", "2,2,2", "--stage", "phases", "--workers", "0")
        out = ("-o", tmp_path / f"{device}.family", "--json", tmp_path / "r.json")
        assert call("slice", net, *words, *out, "--device", device) == 0
        assert recorded(tmp_path / "r.json")["device"] == device
        shares.append((tmp_path / f"{device}.family").read_bytes())
    assert shares[0] == shares[1]


def test_the_public_bounds_take_a_device(net):
    network, region = load(net), Region.box([0] * 3, [1] * 3)
    one = secateur.bounds(network, region, "linear")
    two = secateur.bounds(network, region, "linear", device="cpu:0")
    assert one.keys() == two.keys()
    for name in (network.output, *(node.sources[0] for node in network.piecewise)):
        assert np.allclose(one[name], two[name], rtol=1e-9)
    with pytest.raises(InputError, match="device tpu"):
        secateur.bounds(network, region, "linear", device="tpu")
    with pytest.raises(InputError, match="linear programs"):
        secateur.bounds(network, region, "lp", device="cpu:0")
