"""Garbage is looked for after a command has loaded what it needs, and then as usual."""

import subprocess
import sys

CODE = """
import gc
usual = gc.get_threshold()
from secateur.commands import garbage
garbage.collect_later()
before = gc.get_count()[0], gc.get_threshold()[0], sum(one["collections"] for one in gc.get_stats())
kept = [[] for _ in range(100_000)]
assert sum(one["collections"] for one in gc.get_stats()) == before[2]
kept += [[] for _ in range(150_000)]
assert gc.get_threshold() == usual and gc.get_freeze_count() > 200_000
assert sum(one["collections"] for one in gc.get_stats()) > before[2]
garbage.collect_later()
gc.collect()
assert gc.get_threshold() == usual and not gc.callbacks
garbage.collect_no_more()
assert not gc.isenabled()
"""


def test_garbage_is_looked_for_late_and_then_as_usual():
    subprocess.run([sys.executable, "-c", CODE], check=True)
