"""A schedule: one outcome a cell, the right one, whatever the others of its batch do."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import slicing_work
from hypothesis import given
from hypothesis import strategies as st
from slicing_runs import cells, gather, pool, work

from secateur.engine.errors import InputError
from secateur.slicing.pools import Crew
from secateur.slicing.run_processes import Processes, processes
from secateur.slicing.schedule import Limits, interruptible, run
from secateur.slicing.work import (
    LONGEST,
    Cell,
    Done,
    Failed,
    Late,
    Quarantined,
    Result,
    Work,
    line_of,
)
from secateur.slicing.worker import ONE_THREAD, Died, Overran, Raised, Returned

TESTS = Path(__file__).resolve().parents[1]
NATURES = ("good", "raises", "hangs", "dies", "dies once")
EXPECTED = {"raises": Failed, "hangs": Late, "dies": Quarantined}


class Scripted:
    """A pool whose cells have natures, and that answers in a random order."""

    def __init__(self, workers, rng):
        self.workers, self.rng = workers, rng
        self.running, self.closed = {}, False
        self.begun, self.killed_once = Counter(), set()

    @property
    def free(self):
        return self.workers - len(self.running)

    def begin(self, ticket, payloads, seconds):
        assert self.free
        assert ticket not in self.running
        self.begun.update(number for number, _ in payloads)
        self.running[ticket] = payloads

    def wait(self, seconds):
        tickets = self.rng.sample(sorted(self.running), self.rng.randint(0, len(self.running)))
        return [(ticket, self.reply(self.running.pop(ticket))) for ticket in tickets]

    def reply(self, payloads):
        for number, nature in payloads:
            match nature:
                case "raises":
                    return Raised("refused", 1.0)
                case "hangs":
                    return Overran(2.0)
                case "dies":
                    return Died("ended")
                case "dies once" if number not in self.killed_once:
                    self.killed_once.add(number)
                    return Died("ended")
        return Returned(tuple(10 * number for number, _ in payloads), 4.0)

    def close(self):
        self.closed = True


@given(
    st.lists(st.sampled_from(NATURES), max_size=80),
    st.integers(1, 20),
    st.integers(1, 5),
    st.randoms(use_true_random=False),
)
def test_every_cell_ends_once_and_as_its_nature_says(natures, batch, workers, rng):
    taken, found = 0, {}
    scripted = Scripted(workers, rng)

    def source():
        nonlocal taken
        for number, nature in enumerate(natures):
            taken += 1
            waiting = taken - len(found)
            assert waiting <= (workers + 1) * batch
            yield Cell(number, "", (number, nature))

    def record(ended):
        for one in ended:
            assert one.cell.id not in found
            found[one.cell.id] = one

    tally = run(source(), scripted, Limits(batch=batch), record)
    assert scripted.closed
    assert not tally.stopped
    assert sorted(found) == list(range(len(natures)))
    for number, nature in enumerate(natures):
        one = found[number]
        expected = EXPECTED.get(nature, Done)
        assert type(one.outcome) is expected
        assert one.attempts == scripted.begun[number]
        if expected is Done:
            assert one.outcome.result == 10 * number
        if nature == "dies":
            assert one.attempts >= 3
    assert max(scripted.begun.values(), default=0) <= 2 * batch.bit_length() + 4
    assert tally.done + tally.failed + tally.late + tally.quarantined == len(natures)


def test_cells_are_taken_from_their_iterator_only_as_workers_want_them():
    taken, ended = 0, 0

    def source():
        nonlocal taken
        for number in range(20_000):
            taken += 1
            assert taken <= ended + 4 * 10
            yield Cell(number, "", (number, "good"))

    def record(some):
        nonlocal ended
        ended += len(some)

    run(source(), Scripted(3, random.Random(0)), Limits(batch=10), record)
    assert ended == taken == 20_000


ODD = {
    3: ("raise", 3),
    18: ("die", 1),
    19: ("lambda", 1),
    40: ("hang", 1),
    41: ("exit", 1),
}


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_results_are_those_of_one_process_however_many_workers(workers):
    _, alone = gather(cells(100), pool("here", work()))
    _, found = gather(cells(100), pool("processes", work(), workers))
    assert {number: one.outcome for number, one in found.items()} == {
        number: one.outcome for number, one in alone.items()
    }


def test_a_cell_that_raises_hangs_or_kills_is_found_and_the_others_are_done():
    limits = Limits(batch=8, seconds=0.8, batch_seconds=0.8)
    tally, found = gather(cells(60, ODD), pool("processes", work()), limits)
    assert (tally.done, tally.failed, tally.late, tally.quarantined) == (55, 3, 1, 1)
    assert all(one.outcome == Done(3 * i) for i, one in found.items() if i not in ODD)
    assert found[3].outcome == Failed("ValueError: number 3 is refused")
    assert found[18].outcome == Quarantined("its worker was ended by signal 9, 3 times")
    assert "pickle" in found[19].outcome.reason
    assert found[40].outcome == Late("not done within 0.8 s")
    assert found[41].outcome == Failed("SystemExit: 1")


def test_a_worker_that_died_by_chance_costs_its_cell_nothing(tmp_path):
    once = {4: ("once", str(tmp_path / "been here"))}
    tally, found = gather(cells(6, once), pool("processes", work(), 1), Limits(batch=1))
    assert tally.done == 6
    assert found[4].attempts == 2


def test_a_worker_that_leaves_as_if_all_were_well_has_died():
    limits = Limits(batch=2, deaths=1)
    tally, found = gather(cells(4, {2: ("leave", 0)}), pool("processes", work(), 1), limits)
    assert tally.done == 3
    assert isinstance(found[2].outcome, Quarantined)


def test_a_worker_that_dies_between_two_batches_costs_nothing():
    ground = Processes(work())
    found, killed = {}, []

    def record(ended):
        found.update({one.cell.id: one for one in ended})
        if len(found) in (4, 12) and len(killed) < 2:
            killed.extend(ground.pids())
            for pid in ground.pids():
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.3)

    tally = run(cells(20), Crew(ground, 1), Limits(batch=4, deaths=1), record)
    assert tally.done == 20
    assert len(killed) == 2


def test_in_process_a_cell_that_took_too_long_is_late_once_it_has_ended():
    odd = {2: ("sleep", 0.5), 5: ("raise", 5)}
    tally, found = gather(cells(8, odd), pool("here", work()), Limits(batch=1, seconds=0.4))
    assert (tally.done, tally.failed, tally.late) == (6, 1, 1)
    assert isinstance(found[2].outcome, Late)


def test_errors_may_be_tried_again_and_are_charged_to_a_cell_alone():
    limits = Limits(batch=4, errors=3)
    _, found = gather(cells(8, {1: ("raise", 1)}), pool("here", work()), limits)
    assert found[1].attempts == 2 + 3
    assert isinstance(found[1].outcome, Failed)
    assert isinstance(found[0].outcome, Done)


@pytest.mark.parametrize("way", ["here", "processes"])
def test_work_that_cannot_be_loaded_is_one_clear_line(way):
    unable = Work(slicing_work.cannot_load, slicing_work.multiply, "network")
    with pytest.raises(InputError, match="cannot begin: ValueError: there is no network"):
        gather(cells(3), pool(way, unable))


def test_workers_that_die_while_they_load_are_not_begun_for_ever():
    deadly = Work(slicing_work.dies_loading, slicing_work.multiply)
    with pytest.raises(InputError, match="3 workers died while they loaded"):
        gather(cells(3), pool("processes", deadly, 1))


def test_work_has_to_stand_in_a_module():
    with pytest.raises(InputError, match="cannot be sent to a worker"):
        processes(Work(lambda argument: None, slicing_work.multiply), 1)
    with pytest.raises(InputError, match="0 workers"):
        processes(work(), 0)


def test_a_payload_that_cannot_be_sent_fails_alone():
    tally, found = gather(
        cells(8, {6: lambda: None}), pool("processes", work(), 1), Limits(batch=4)
    )
    assert tally.done == 7
    assert "pickle" in found[6].outcome.reason


def test_workers_keep_numerical_libraries_to_one_thread_and_leave_the_parent_alone():
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    variables = Work(slicing_work.load, slicing_work.variables)
    _, found = gather(
        (Cell(i, "", name) for i, name in enumerate(ONE_THREAD)), pool("processes", variables, 1)
    )
    assert [found[i].outcome for i in range(len(ONE_THREAD))] == [Done("1")] * len(ONE_THREAD)
    assert {name: os.environ.get(name) for name in ONE_THREAD} == before


def test_a_run_that_is_stopped_keeps_what_has_ended_and_its_workers_are_gone():
    found = {}
    ground = Processes(work())
    crew = Crew(ground, 2)
    forever = (Cell(i, "", ("pause", (i, 0.01))) for i in range(10**9))
    tally = run(
        forever,
        crew,
        Limits(batch=4),
        lambda ended: found.update({one.cell.id: one for one in ended}),
        lambda: len(found) >= 20,
    )
    assert tally.stopped
    assert tally.done == len(found) >= 20
    assert ground.pids() == []


def test_an_error_in_what_records_ends_the_workers():
    ground = Processes(work())

    def refuse(ended):
        if ended:
            raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        run(cells(100), Crew(ground, 2), Limits(batch=4), refuse)
    assert ground.pids() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_once_and_then_has_its_usual_effect(number):
    usual = signal.getsignal(number)
    with interruptible() as stop:
        assert not stop()
        os.kill(os.getpid(), number)
        assert stop()
        assert signal.getsignal(number) == usual
    assert signal.getsignal(number) == usual


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_end_with_a_driver_that_is_killed(tmp_path):
    code = (
        "from slicing_runs import *\n"
        "from secateur.slicing.pools import Crew\n"
        "from secateur.slicing.run_processes import Processes\n"
        "if __name__ == '__main__':\n"
        "    ground = Processes(work())\n"
        "    crew = Crew(ground, 2)\n"
        "    while crew.free < 2: crew.wait(0.1)\n"
        "    crew.begin(0, [('hang', 1)], 600.0)\n"
        "    print(*ground.pids(), flush=True)\n"
        "    crew.wait(600.0)\n"
    )
    script = tmp_path / "driver.py"
    script.write_text(code)
    env = {**os.environ, "PYTHONPATH": str(TESTS)}
    driver = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, env=env)
    pids = [int(word) for word in driver.stdout.readline().split()]
    driver.kill()
    driver.wait()
    driver.stdout.close()
    assert len(pids) == 2
    for _ in range(100):
        alive = [pid for pid in pids if _is_alive(pid)]
        if not alive:
            break
        time.sleep(0.05)
    assert not alive


def _is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    "given_limits",
    [{"batch": 0}, {"deaths": 0}, {"errors": 0}, {"seconds": 0.0}, {"batch_seconds": -1.0}],
)
def test_limits_out_of_range_are_refused(given_limits):
    with pytest.raises(InputError, match=next(iter(given_limits))):
        Limits(**given_limits)


def test_an_error_is_one_line_that_can_be_stored():
    said = line_of(ValueError("a\nb \ud800 " + "x" * 1000))
    assert said.startswith("ValueError: a b ? xxx")
    assert len(said) == LONGEST
    assert line_of(InputError("as it is")) == "as it is"


def test_figures_have_to_be_finite_numbers_and_words():
    with pytest.raises(InputError, match="figures of a cell"):
        Result({"error": float("nan")})
