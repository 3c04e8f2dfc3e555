"""Stores that are put together, and a store as a table."""

import sys

import pytest
from slicing_runs import KEY, ended, filled, rows, stored

from secateur.engine.errors import InputError, UnsupportedError
from secateur.slicing.key import Key, Shard
from secateur.slicing.merge import merge
from secateur.slicing.parquet import write_parquet
from secateur.slicing.store import Store
from secateur.slicing.stored import Progress, Stored
from secateur.slicing.work import Done, Failed, Late, Result


def test_shards_are_merged_into_the_store_of_one_run(tmp_path):
    sources = [tmp_path / f"{index}.store" for index in (1, 2, 3)]
    for index, path in enumerate(sources, 1):
        stored(path, 40, shard=Shard(index, 3), way="here")
    stored(tmp_path / "whole.store", 40, way="here")
    assert merge(sources, tmp_path / "merged.store") == Progress(40, done=40)
    assert rows(tmp_path / "merged.store") == rows(tmp_path / "whole.store")
    assert merge(sources, tmp_path / "merged.store").left == 0
    with Stored(tmp_path / "merged.store") as source:
        assert source.blob(5, "proof") == b"1" * 100
        assert source.environments == [{"seed": 0}]
    merge([tmp_path / "merged.store", sources[0]], tmp_path / "again.store")
    assert rows(tmp_path / "again.store") == rows(tmp_path / "whole.store")


def test_stores_that_disagree_or_are_of_other_runs_are_not_merged(tmp_path):
    one = filled(tmp_path / "one.store", range(6))
    target = tmp_path / "target.store"
    different = {
        "figures": ended(3, Done(Result({"n": 4}, b"code"))),
        "code": ended(3, Done(Result({"n": 3}, b"other"))),
        "kind": ended(3, Late("late")),
        "key": ended(3, identity="elsewhere"),
        "blobs": ended(3, Done(Result({"n": 3}, b"code", {"proof": b"more"}))),
    }
    for name, other in different.items():
        path = tmp_path / f"{name}.store"
        with Store(path, KEY, 12) as store:
            store.record([other, ended(9)])
        for pair in ([one, path], [path, one]):
            target = tmp_path / f"{name} {pair[0].name}"
            with pytest.raises(InputError, match="cell 3 ended otherwise"):
                merge(pair, target)
            assert rows(target) == rows(pair[0])
    foreign = filled(tmp_path / "foreign.store", [8], key=Key.of({**KEY.parts(), "version": "9"}))
    with pytest.raises(InputError, match=r"another run than .*one.store \(version is 9"):
        merge([one, foreign], tmp_path / "fresh.store")
    with pytest.raises(InputError, match="into itself"):
        merge([one], one)
    with pytest.raises(InputError, match="one store or more"):
        merge([], target)


def test_a_store_becomes_a_parquet_file(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    path = tmp_path / "a.store"
    figures = [{"n": 1, "x": 1.5, "w": "a", "l": [1]}, {"n": 2, "x": 2, "b": True}]
    with Store(path, KEY, 12) as store:
        store.record([ended(i, Done(Result(one, b"\x01"))) for i, one in enumerate(figures)])
        store.record([ended(7, Failed("so"))])
    with Stored(path) as source:
        assert write_parquet(source, tmp_path / "a.parquet") == 3
    table = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert [line["cell"] for line in table] == [0, 1, 7]
    assert [line["figure.n"] for line in table] == [1, 2, None]
    assert [line["figure.x"] for line in table] == [1.5, 2.0, None]
    assert table[0]["figure.l"] == "[1]"
    assert table[1]["figure.b"] is True
    assert table[2]["outcome"] == "failed"
    assert table[2]["reason"] == "so"


def test_without_pyarrow_the_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = filled(tmp_path / "a.store", [0])
    with Stored(path) as source, pytest.raises(UnsupportedError, match="pip install"):
        write_parquet(source, tmp_path / "a.parquet")


def test_the_same_cell_done_twice_may_have_taken_another_time(tmp_path):
    paths = []
    for name, seconds in (("a", 0.1), ("b", 0.2)):
        path = tmp_path / name
        figures = {"left": 3, "seconds": {"phases": seconds}}
        with Store(path, KEY, 4) as store:
            store.record([ended(1, Done(Result(figures, b"code")))])
        paths.append(path)
    assert merge(paths, tmp_path / "all").done == 1
    with Store(tmp_path / "c", KEY, 4) as store:
        store.record([ended(1, Done(Result({"left": 4, "seconds": {}}, b"code")))])
    with pytest.raises(InputError, match="ended otherwise"):
        merge([paths[0], tmp_path / "c"], tmp_path / "other")
