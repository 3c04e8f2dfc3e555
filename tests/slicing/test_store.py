"""A store: each cell once, never of two runs, nothing lost, clear lines for what is wrong."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slicing_runs import KEY, cells, ended, filled, rows, stored

from secateur.engine.errors import FileError, FormatError, InputError, UnsupportedError
from secateur.slicing.blobs import blobs_of
from secateur.slicing.key import Key, Shard
from secateur.slicing.store import Store
from secateur.slicing.stored import Progress, Stored
from secateur.slicing.work import Cell, Done, Ended, Failed, Late, Quarantined, Result

TESTS = Path(__file__).resolve().parents[1]


outcomes = st.one_of(
    st.builds(
        Done,
        st.builds(
            Result,
            st.dictionaries(st.text(max_size=8), st.floats(allow_nan=False, allow_infinity=False)),
            st.binary(max_size=20),
            st.dictionaries(st.text("abc", max_size=3), st.binary(max_size=50), max_size=2),
        ),
    ),
    st.builds(Failed, st.text(max_size=20)),
    st.builds(Late, st.text(max_size=20)),
    st.builds(Quarantined, st.text(max_size=20)),
)


@settings(max_examples=40)
@given(st.dictionaries(st.integers(0, 29), outcomes))
def test_what_is_recorded_is_read_back_in_the_order_of_cells(tmp_path_factory, found):
    path = tmp_path_factory.mktemp("store") / "a.store"
    with Store(path, KEY, 30, environment={"seed": 1}) as store:
        store.record([ended(number, outcome) for number, outcome in found.items()])
    with Stored(path) as source:
        read = list(source.rows())
        assert [row.cell for row in read] == sorted(found)
        for row in read:
            outcome = found[row.cell]
            assert type(row.outcome) is type(outcome)
            if isinstance(outcome, Done):
                assert row.outcome.result.figures == outcome.result.figures
                assert row.outcome.result.code == outcome.result.code
                blobs = {name: source.blob(row.cell, name) for name in row.blobs}
                assert blobs == outcome.result.blobs
            else:
                assert row.outcome == outcome
        progress = source.progress()
        assert progress.left == 30 - len(found)
        assert progress.done == sum(isinstance(one, Done) for one in found.values())
        assert source.environments == [{"seed": 1}]


def test_a_row_is_known_again_whatever_kind_of_number_its_cell_was_given(tmp_path):
    odd = Ended(Cell(numpy.int64(3), "cell 3", None), Late("late"), numpy.int64(2), 5)
    with Store(tmp_path / "a.store", KEY, 12) as store:
        store.record([odd])
    with Stored(tmp_path / "a.store") as source:
        (row,) = source.rows()
    assert (row.cell, row.attempts, row.seconds) == (3, 2, 5.0)


def test_equal_blobs_lie_there_once(tmp_path):
    path = tmp_path / "a.store"
    same = Done(Result(blobs={"proof": b"same", "other": b"same"}))
    with Store(path, KEY, 9) as store:
        store.record([ended(number, same) for number in range(9)])
    assert sum(file.is_file() for file in blobs_of(path).rglob("*")) == 1


def test_what_is_left_is_what_has_no_outcome_in_the_shard(tmp_path):
    path = filled(tmp_path / "a.store", [1, 5], shard=Shard(2, 4))
    with Store(path, KEY, 12, Shard(2, 4), resume=True) as store:
        assert [cell.id for cell in store.left(cells(12))] == [9]


def test_a_store_that_is_there_is_not_gone_on_with_unasked(tmp_path):
    path = filled(tmp_path / "a.store", [0])
    with pytest.raises(InputError, match="there is a store already"):
        Store(path, KEY, 12)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"network": "ef" * 32}, "network is efefefefefefefef... here and abababababababab... "),
        ({"region": (("0x1.0p+0", "2/3"),)}, "region's input 0 is 0x1.0p+0..2/3 here and 0x1.0p"),
        ({"region": ()}, "region has 0 inputs here and 1 there"),
        ({"slices": "00"}, "slices is 00 here"),
        ({"options": {"samples": 5}}, "option samples is 5 here and 4 there"),
        ({"options": {"samples": 4, "more": 1}}, "option more is 1 here and unset there"),
        ({"version": "0.2.0"}, "version is 0.2.0 here and 0.1.0 there"),
    ],
)
def test_runs_are_not_mixed_and_the_line_says_what_differs(tmp_path, change, said):
    path = filled(tmp_path / "a.store", [0, 1])
    before = rows(path)
    other = Key.of({**KEY.parts(), **json.loads(json.dumps(change))})
    with pytest.raises(InputError, match="another run") as caught:
        Store(path, other, 12, resume=True)
    assert said in str(caught.value)
    assert rows(path) == before


def test_another_number_of_cells_or_shard_is_another_run(tmp_path):
    path = filled(tmp_path / "a.store", [0])
    with pytest.raises(InputError, match="cells is 13 here and 12 there"):
        Store(path, KEY, 13, resume=True)
    with pytest.raises(InputError, match="shard is 1/2 here and 1/1 there"):
        Store(path, KEY, 12, Shard(1, 2), resume=True)


def test_a_cell_with_other_limits_than_it_had_is_refused(tmp_path):
    path = filled(tmp_path / "a.store", [0, 3])
    with Store(path, KEY, 12, resume=True) as store:
        moved = (
            type(cell)(cell.id, "moved" if cell.id == 3 else cell.identity, None)
            for cell in cells(12)
        )
        with pytest.raises(InputError, match="cell 3 is stored with other limits"):
            list(store.left(moved))


def test_a_cell_that_ends_twice_is_refused(tmp_path):
    path = filled(tmp_path / "a.store", [0])
    store = Store(path, KEY, 12, resume=True, commit_seconds=0.0)
    with store, pytest.raises(InputError, match="ended twice"):
        store.record([ended(0)])
    with Store(path, KEY, 12, resume=True) as store, pytest.raises(InputError, match="no result"):
        store.record([ended(1, Done(7))])
    assert len(rows(path)) == 1


def test_kinds_are_forgotten_when_asked(tmp_path):
    path = tmp_path / "a.store"
    with Store(path, KEY, 12) as store:
        store.record([ended(0), ended(1, Late("late")), ended(2, Failed("failed"))])
        assert store.forget([Late, Quarantined]) == 1
        assert [cell.id for cell in store.left(cells(4))] == [1, 3]


def test_one_writer_at_a_time_and_readers_meanwhile(tmp_path):
    path = tmp_path / "a.store"
    with Store(path, KEY, 12, commit_seconds=0.0) as store:
        store.record([ended(4)])
        with pytest.raises(FileError, match="another run writes to this store"):
            Store(path, KEY, 12, resume=True)
        with Stored(path) as source:
            assert source.progress() == Progress(12, done=1)
            store.record([ended(2)])
            assert [row.cell for row in source.rows()] == [2, 4]
    with Store(path, KEY, 12, resume=True):
        pass


def test_outcomes_are_committed_together_by_number_and_by_time(tmp_path):
    path = tmp_path / "a.store"
    with Store(path, KEY, 5000, commit_seconds=1e9) as store, Stored(path) as source:
        store.record([ended(number) for number in range(1000)])
        assert source.progress().done == 0
        store.record([ended(number) for number in range(1000, 2000)])
        assert source.progress().done == 2000
        store.record([ended(3000)])
        assert source.progress().done == 2000
        store.commit()
        assert source.progress().done == 2001


def test_files_that_are_no_store_are_refused_and_stay_as_they_are(tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("not a database, but long enough to be read as the head of one" * 4)
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as link:
        link.execute("CREATE TABLE t (a)")
    link.close()
    for path in (words, other):
        before = path.read_bytes()
        for opened in (lambda p: Store(p, KEY, 12, resume=True), Stored):
            with pytest.raises(FormatError, match=f"{path.name}: this is .*no store of cells"):
                opened(path)
        assert path.read_bytes() == before
    with pytest.raises(FileError, match="there is no such store"):
        Stored(tmp_path / "missing")
    with pytest.raises(FileError, match="cannot be written"):
        Store(tmp_path / "no folder" / "a.store", KEY, 12)


def test_a_newer_store_is_refused(tmp_path):
    path = filled(tmp_path / "a.store", [0])
    with sqlite3.connect(path) as link:
        link.execute("PRAGMA user_version = 99")
    link.close()
    with pytest.raises(UnsupportedError, match="edition 99"):
        Stored(path)
    with pytest.raises(UnsupportedError, match="edition 99"):
        Store(path, KEY, 12, resume=True)


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_store_is_refused_or_read_as_it_was(tmp_path_factory, data):
    path = filled(tmp_path_factory.mktemp("store") / "a.store", range(12))
    before = rows(path)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans(), label="cut"):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        start = data.draw(st.integers(0, len(content) - 1))
        content[start : start + 64] = data.draw(st.binary(min_size=1, max_size=64))
    path.write_bytes(content)
    try:
        with Store(path, KEY, 12, resume=True) as store:
            list(store.left(cells(12)))
    except InputError as error:
        said = [str(error)]
    else:
        said = []
    try:
        read = rows(path)
    except InputError as error:
        read = []
        said.append(str(error))
    assert set(read) <= set(before)
    assert all(line.startswith(str(path)) and "\n" not in line for line in said)


def test_a_damaged_blob_is_not_handed_out(tmp_path):
    path = tmp_path / "a.store"
    with Store(path, KEY, 12) as store:
        store.record([ended(0, Done(Result(blobs={"proof": b"right"})))])
    (file,) = (file for file in blobs_of(path).rglob("*") if file.is_file())
    file.write_bytes(b"wrong")
    with Stored(path) as source:
        with pytest.raises(FormatError, match="damaged"):
            source.blob(0, "proof")
        file.unlink()
        with pytest.raises(FileError):
            source.blob(0, "proof")
        with pytest.raises(FileError, match="cell 1 has no proof"):
            source.blob(1, "proof")


def test_on_a_full_disk_nothing_is_lost(tmp_path):
    large = Done(Result({"words": "x" * 4000}))
    with Store(tmp_path / "a.store", KEY, 4000, commit_seconds=0.0) as store:
        link = store.connection()
        store.record([ended(0)])
        pages = link.execute("PRAGMA page_count").fetchone()[0]
        link.execute(f"PRAGMA max_page_count = {pages + 4}")
        with pytest.raises(FileError, match="disk is full: free some space and resume"):
            store.record([ended(number, large) for number in range(1, 60)])
        with Stored(store.path) as source:
            assert source.progress().done == 1
        link.execute(f"PRAGMA max_page_count = {pages + 4000}")
        store.commit()
        with Stored(store.path) as source:
            assert source.progress().done == 60


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_keeps_what_has_ended_and_goes_on_from_there(tmp_path, number):
    path = tmp_path / "a.store"
    given = {"path": str(path), "count": 200, "pause": 0.005, "workers": 1}
    env = {**os.environ, "PYTHONPATH": str(TESTS)}
    driver = subprocess.Popen(
        [sys.executable, str(TESTS / "slicing_runs.py"), json.dumps(given)],
        stdout=subprocess.PIPE,
        env=env,
    )
    while not (path.exists() and _done(path) > 20):
        assert driver.poll() is None
    driver.send_signal(number)
    said = json.loads(driver.communicate()[0])
    assert said["stopped"]
    assert driver.returncode == 0
    assert _done(path) == said["done"]
    assert stored(path, 200, way="here").done == 200 - said["done"]
    stored(tmp_path / "quiet.store", 200, way="here")
    assert rows(path) == rows(tmp_path / "quiet.store")


def _done(path):
    try:
        with Stored(path) as source:
            return source.progress().done
    except FormatError:  # its tables are not there yet
        return 0
