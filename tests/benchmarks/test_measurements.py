"""The measurements run, small, and say on what."""

import sys

import pytest

from secateur.benchmarks import cell_bounds, program_build, startup, whole_domain
from secateur.benchmarks.machine import machine, table


def test_a_row_says_the_machine_and_the_commit():
    line = machine("numpy")
    assert "cores" in line
    assert "numpy" in line
    assert "commit" in line


def test_rows_become_a_markdown_table():
    assert table([{"a": 1, "b": "x"}]) == "| a | b |\n| --- | --- |\n| 1 | x |"


@pytest.mark.parametrize(
    ("module", "arguments", "says"),
    [
        (cell_bounds, ["--cells", "2", "--lp", "1", "--samples", "4000"], "triangle LP"),
        (program_build, ["--pairs", "1"], "ratio, to HiGHS"),
        (startup, ["--runs", "1"], "--version"),
        (whole_domain, ["--nets", "5_9", "--seconds", "2"], "undecided"),
    ],
)
def test_each_measurement_runs(data, monkeypatch, capsys, module, arguments, says):
    assert data.is_dir()
    monkeypatch.setattr(sys, "argv", ["measure", *arguments])
    module.main()
    assert says in capsys.readouterr().out
