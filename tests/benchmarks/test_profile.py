"""Stacks belong to the part that their innermost telling frame names; both samplers write them."""

import sys

import pytest

from secateur.benchmarks.profile import JOBS
from secateur.benchmarks.profile_parts import EXPLAINED, PARTS, part_of, shares
from secateur.benchmarks.profile_sample import stack


@pytest.mark.parametrize(
    ("frames", "part"),
    [
        (["main (secateur/__main__.py:1)", "look (secateur/redundancy/seen.py:9)"], "points"),
        (
            [
                "look (secateur/redundancy/seen.py:9)",
                "Network.trace (secateur/engine/network.py:9)",
                "Dense.push (secateur/engine/operators.py:9)",
            ],
            "points",
        ),
        (
            [
                "interval (secateur/engine/bounds/interval.py:3)",
                "Dense.push (secateur/engine/operators.py:9)",
            ],
            "bounds",
        ),
        (["Paired.bound.<locals>.work (secateur/engine/bounder.py:140)"], "bounds"),
        (["Cases.judge (secateur/engine/cases.py:1)", "sum (numpy/_core/x.py:1)"], "search"),
        (["<module> (a.py:1)", "_find_and_load (<frozen importlib._bootstrap>:1)"], "start-up"),
        (["work (somewhere.py:1)"], "rest"),
    ],
)
def test_the_innermost_frame_that_tells_decides(frames, part):
    assert part_of(frames) == part


def test_weights_add_up_and_threads_are_no_frames():
    line = 'process 1:"x";thread (2): a;look (secateur/redundancy/seen.py:9)'
    parts, places = shares([f"{line} 3", f"{line} 4"])
    assert parts == {"points": 7}
    assert places == {"points: redundancy/seen.py look": 7}


def test_all_parts_are_explained_and_jobs_have_names_of_their_own():
    assert {part for part, _ in PARTS} <= EXPLAINED.keys()
    assert len({job.name for job in JOBS}) == len(JOBS)


def test_a_sampled_stack_reads_as_one_of_the_other_sampler():
    frames = stack(sys._getframe()).split(";")
    assert frames[-1].startswith("test_a_sampled_stack_reads_as_one_of_the_other_sampler (")
    assert part_of(frames) == "rest"
