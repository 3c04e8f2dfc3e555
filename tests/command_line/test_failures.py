"""What goes wrong during the work: it ends in one line, and nothing false is left behind."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from calls import REGION, call, refused

from secateur.engine.formats import load
from secateur.engine.network import State


def test_a_full_disk_is_one_line(net, tmp_path, capsys):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    assert "the disk is full" in refused(capsys, tmp_path, "info", net, "-q", "--json", "/dev/full")


def test_a_file_that_disagrees_with_the_original_is_never_put_in_place(
    net, tmp_path, capsys, monkeypatch
):
    from secateur.redundancy.plan import Plan

    wrong = load(net)
    states = {
        node.name: replace(node.layer, state=np.full(node.size, State.ZERO))
        for node in wrong.piecewise
    }
    monkeypatch.setattr(Plan, "network", property(lambda self: wrong.with_layers(states)))
    words = ("--region", REGION, "-o", tmp_path / "out.onnx")
    assert "nothing was written" in refused(capsys, tmp_path, "simplify", net, *words)


def test_unexpected_file_errors_and_mistakes_are_one_line(net, capsys, monkeypatch):
    from secateur.commands import info

    for error, code, said in (
        (
            PermissionError(13, "Permission denied", "/somewhere"),
            2,
            "/somewhere: Permission denied",
        ),
        (MemoryError(), 2, "memory does not suffice"),
        (RuntimeError("odd\nthing"), 1, "a mistake in secateur itself (RuntimeError: odd thing)"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ):

        def fail(*_args, error=error):
            raise error

        monkeypatch.setattr(info, "load", fail)
        assert call("info", net) == code
        err = capsys.readouterr().err
        assert said in err
        assert err.count("\n") == 1


def test_debugging_shows_the_traceback(net, capsys, monkeypatch):
    monkeypatch.setenv("SECATEUR_DEBUG", "1")
    assert call("info", net.with_name("missing.onnx")) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "secateur: error: " in err.splitlines()[-1]
