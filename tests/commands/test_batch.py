"""`secateur simplify --batch`: every row has its outcome, and a second call goes on."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur.commands.outcomes import FILE, add, begin, holds, read_outcomes
from secateur.engine.errors import MismatchError
from secateur.engine.formats import load, save
from secateur.engine.network import Network

ROW = '"-1/4:3/4,0:1/2,-1/2:0"'


def tiny(seed=3, sizes=(3, 8, 6, 2)):
    """Return a network of eighths, so every element type holds it."""
    rng = np.random.default_rng(seed)
    weights = [rng.integers(-8, 9, (b, a)) / 8 for a, b in itertools.pairwise(sizes)]
    biases = [rng.integers(-4, 5, b) / 8 for b in sizes[1:]]
    return Network.dense(weights, biases)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with two networks, in which commands run."""
    monkeypatch.chdir(tmp_path)
    save(tiny(), tmp_path / "a.onnx")
    save(tiny(4), tmp_path / "b.onnx")
    save(tiny(5, (3, 4, 1)), tmp_path / "one.onnx")
    (tmp_path / "box.csv").write_text("0,1\n0,1\n0,1/2\n")
    return tmp_path


@pytest.fixture
def batch(call, here, capsys):
    """Run a batch; return exit code, record and what was said."""

    def batch(table, *words):
        (here / "jobs.csv").write_text(table)
        given = ("--batch", "jobs.csv", "-o", "out", "--json", "r.json", "--workers", 1)
        limit = () if "--timeout" in words else ("--timeout", 60)
        code = call("simplify", *given, *limit, *words)
        out, err = capsys.readouterr()
        assert err == ""
        return code, json.loads((here / "r.json").read_text()), " ".join(out.split())

    return batch


TABLE = f"""network,region,keep,tolerance,output
a.onnx,{ROW},,,
a.onnx,{ROW},argmin,,best.onnx
b.onnx,box.csv,outputs,0.5,chain.nnet
"""


def test_every_row_has_its_outcome_and_its_file(batch, here):
    code, record, said = batch(TABLE, "--report", "r.html")
    assert code == 0
    assert record["schema"] == "secateur.batch/1"
    assert (record["done"], record["failed"], record["skipped"]) == (3, 0, 0)
    for row in record["rows"]:
        network = load(here / "out" / row["output"])
        assert network.origin.digest == row["sha256"]
        assert network.neurons == row["after"]["neurons"]
        assert sum(row["phases"].values()) == row["neurons"] == 14
        assert sum(row["removed"].values()) + sum(row["left"].values()) == 14
    assert [row["keep"] for row in record["rows"]] == ["outputs", "argmin", "outputs"]
    assert [row["output"] for row in record["rows"]][1:] == ["best.onnx", "chain.nnet"]
    assert record["removed"]["neurons"] == 3 * 14
    assert sum(row["removed"]["phase"] for row in record["rows"]) == record["removed"]["phase"]
    lines = (here / "out" / FILE).read_text().splitlines()
    assert [json.loads(line)["line"] for line in lines] == [2, 3, 4]
    assert "3 of 3 rows are done, 0 of them from an earlier call" in said
    page = (here / "r.html").read_text()
    for row in record["rows"]:
        assert row["guarantee"].replace("'", "&#39;") in page
    assert page.count('role="img"') == 1


def test_a_second_call_does_only_what_has_changed(batch, here, monkeypatch):
    from secateur.commands import batch as module

    _, first, _ = batch(TABLE)
    worked = []
    make = module.make_cut
    monkeypatch.setattr(
        module, "make_cut", lambda *a, **k: worked.append(a[2].name) or make(*a, **k)
    )
    code, again, said = batch(TABLE)
    assert (code, again["skipped"], worked) == (0, 3, [])
    assert "3 of them from an earlier call" in said
    for one, two in zip(first["rows"], again["rows"], strict=True):
        assert {**one, "skipped": True} == two
    # A result that was lost, one that was changed, and one whose network was.
    (here / "out" / "best.onnx").unlink()
    with (here / "out" / "chain.nnet").open("ab") as file:
        file.write(b"\n")
    assert batch(TABLE)[1]["skipped"] == 1
    assert worked == ["best.onnx", "chain.nnet"]
    save(tiny(9), here / "b.onnx")
    assert batch(TABLE)[1]["skipped"] == 2
    (here / "box.csv").write_text("0,1\n0,1\n0,1/4\n")
    assert batch(TABLE)[1]["skipped"] == 2
    assert batch(TABLE, "--seed", 5)[1]["skipped"] == 0
    assert batch(TABLE.replace("0.5", "0.25"), "--seed", 5)[1]["skipped"] == 2
    assert worked[2:] == ["chain.nnet"] * 2 + [r["output"] for r in first["rows"]] + ["chain.nnet"]


def test_rows_may_move_and_be_added(batch):
    assert batch(TABLE)[1]["skipped"] == 0
    head, one, two, three = TABLE.splitlines()
    moved = "\n".join([head, three, two, f"b.onnx,{ROW},,,", one]) + "\n"
    _, record, _ = batch(moved)
    assert [row["skipped"] for row in record["rows"]] == [True, True, False, True]
    assert [row["line"] for row in record["rows"]] == [2, 3, 4, 5]


def test_a_row_that_fails_does_not_stop_the_others(batch, monkeypatch, here):
    from secateur.commands import batch as module

    make = module.make_cut

    def fail(network, region, target, **more):
        if target.name == "best.onnx":
            raise MismatchError("planted\nfailure")
        if target.name == "chain.nnet":
            raise KeyError("odd")
        return make(network, region, target, **more)

    monkeypatch.setattr(module, "make_cut", fail)
    code, record, said = batch(TABLE, "--report", "r.html")
    assert code == 20
    assert (record["done"], record["failed"]) == (1, 2)
    assert [row["state"] for row in record["rows"]] == ["done", "failed", "failed"]
    assert record["rows"][1]["reason"] == "planted failure"
    assert "KeyError" in record["rows"][2]["reason"]
    assert "Line 3 failed: planted failure" in said
    assert "failed: planted failure" in (here / "r.html").read_text()
    monkeypatch.setattr(module, "make_cut", make)
    code, record, _ = batch(TABLE)
    assert (code, record["done"], record["skipped"]) == (0, 3, 1)


def test_a_file_that_changes_under_a_batch_fails_its_rows(batch, here, monkeypatch):
    from secateur.commands import batch as module

    monkeypatch.setattr(module, "warm_up", lambda *_: save(tiny(8), here / "b.onnx"))
    code, record, _ = batch(TABLE)
    assert code == 20
    assert [row["state"] for row in record["rows"]] == ["done", "done", "failed"]
    assert "has changed since the batch began" in record["rows"][2]["reason"]


def test_rows_that_no_time_is_left_for_are_said_to_have_failed(batch, monkeypatch):
    code, record, _ = batch(TABLE, "--timeout", "0.001")
    assert code == 20
    assert record["failed"] == 3
    assert all("time" in row["reason"] for row in record["rows"])


def test_a_killed_batch_goes_on_where_it_was(batch, here):
    rows = [f'a.onnx,"-1/4:{n}/32,0:1/2,-1/2:0",outputs,0.25,' for n in range(24, 36)]
    table = "network,region,keep,tolerance,output\n" + "\n".join(rows) + "\n"
    (here / "jobs.csv").write_text(table)
    words = ("--batch", "jobs.csv", "-o", "out", "--workers", "1", "-q")
    running = subprocess.Popen([sys.executable, "-m", "secateur", "simplify", *words], cwd=here)
    until = time.monotonic() + 120
    log = here / "out" / FILE
    while not (log.exists() and log.read_bytes().count(b"\n") >= 2):
        assert running.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    os.kill(running.pid, signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    with log.open("ab") as file:  # as if the kill had come while a line was written
        file.write(b'{"key": "cut sho')
    (here / "out" / ".half.onnx.1.2.part").write_bytes(b"half")
    code, record, _ = batch(table, "--timeout", 120)
    assert code == 0
    assert record["done"] == 12
    assert 2 <= record["skipped"] < 12
    assert all(json.loads(line)["state"] == "done" for line in log.read_text().splitlines())
    assert len(log.read_text().splitlines()) == 12
    assert not list((here / "out").glob("*.part"))
    assert not list((here / "out").glob(".*.part"))


def test_two_batches_do_not_share_a_folder(batch, call, here, capsys):
    fcntl = pytest.importorskip("fcntl")
    batch(TABLE)
    with (here / "out" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert call("simplify", "--batch", "jobs.csv", "-o", "out") == 2
    assert "another batch works in this folder" in capsys.readouterr().err


@given(st.lists(st.integers(0, 255), max_size=40))
def test_what_is_no_outcome_is_passed_over(tmp_path_factory, junk):
    folder = tmp_path_factory.mktemp("log")
    begin(folder, [{"key": "one", "line": 2}])
    add(folder, {"key": "two", "line": 3})
    with (folder / FILE).open("ab") as file:
        file.write(bytes(junk))
    found = read_outcomes(folder)
    assert {"one", "two"} <= set(found)
    assert not any(holds(outcome, folder) for outcome in found.values())


BAD = [
    ("", "this is empty"),
    ("\n\n", "this is empty"),
    ("network,region\n", "no row below the header"),
    (f"network,region\na.onnx,{ROW}", "the last line does not end"),
    (f"a.onnx,{ROW}\n", ":1: the column 'a.onnx' is unknown"),
    ("network\na.onnx\n", ":1: the column 'region' is missing"),
    ("network,region,network\n", "the column 'network' stands twice"),
    ("network,region\na.onnx,0:1,0:1,0:1\n", ":2: 4 cells where the header names 2"),
    ("network,region\na.onnx\n", ":2: 1 cells where the header names 2"),
    (f'network,region\n"a.onnx{ROW}\n', "check its quotes"),
    (f"network,region\n,{ROW}\n", ":2: column network: this is empty"),
    ("network,region\na.onnx,\n", ":2: column region: this is empty"),
    (f"network,region\nnone.onnx,{ROW}\n", ":2: column network: none.onnx: there is no such file"),
    ("network,region\nbox.csv,net\n", ":2: column network"),
    ("network,region\na.onnx,none.csv\n", ":2: column region: none.csv: there is no such file"),
    ('network,region\na.onnx,"0:1,0:1"\n', ":2: column region: "),
    ('network,region\na.onnx,"1:0,0:1,0:1"\n', ":2: column region: "),
    ('network,region\na.onnx,"0,1,2"\n', ":2: column region: "),
    (f"network,region\n\na.onnx,{ROW}\na.onnx,net\n", ":4: column region: net"),
    (f"network,region,keep\na.onnx,{ROW},best\n", ":2: column keep: 'best' is unknown"),
    (f"network,region,keep\none.onnx,{ROW},argmin\n", ":2: column keep: one.onnx"),
    (f"network,region,tolerance\na.onnx,{ROW},-1\n", ":2: column tolerance"),
    (f"network,region,tolerance\na.onnx,{ROW},nan\n", ":2: column tolerance"),
    (f"network,region,tolerance\na.onnx,{ROW},inf\n", ":2: column tolerance"),
    (f"network,region,units\na.onnx,{ROW},feet\n", ":2: column units: 'feet' is unknown"),
    (f"network,region,units\na.onnx,{ROW},raw\n", ":2: column region: "),
    (f"network,region,output\na.onnx,{ROW},x.pt\n", ":2: column output: .pt is no format"),
    (f"network,region,output\na.onnx,{ROW},../x.onnx\n", ":2: column output"),
    (f"network,region,output\na.onnx,{ROW},{'x' * 200}.onnx\n", ":2: column output"),
    (
        f"network,region,output\na.onnx,{ROW},x.onnx\na.onnx,{ROW},X.onnx\n",
        ":3: column output: line 2 writes 'X.onnx' too",
    ),
]


@pytest.mark.parametrize(("table", "said"), BAD)
def test_a_table_with_anything_wrong_is_refused_before_any_work(here, call, capsys, table, said):
    (here / "jobs.csv").write_text(table)
    assert call("simplify", "--batch", "jobs.csv", "-o", "out") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("secateur: error: jobs.csv")
    assert err.count("\n") == 1
    assert said in err
    assert not (here / "out").exists()


def test_other_words_that_make_no_sense_are_refused(here, call, capsys):
    (here / "jobs.csv").write_text(TABLE)
    for words, said in (
        (("a.onnx", "--batch", "jobs.csv", "-o", "out"), "a.onnx: with --batch"),
        (("--batch", "jobs.csv", "--region", "net", "-o", "out"), "--region: with --batch"),
        (("--batch", "none.csv", "-o", "out"), "none.csv: there is no such file"),
        (("--batch", "jobs.csv", "-o", "a.onnx"), "this is a file"),
        (("--batch", "jobs.csv", "-o", "out", "--report", "r.txt"), "--report r.txt"),
        (("--batch", "jobs.csv", "-o", "out", "--json", "jobs.csv"), "--json jobs.csv"),
        (("--batch", "jobs.csv", "-o", "out", "--tolerance", "x"), "--tolerance"),
    ):
        assert call("simplify", *words) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert said in err
        assert err.count("\n") == 1


def test_no_row_writes_over_what_a_row_reads(here, call, capsys):
    (here / "jobs.csv").write_text(f"network,region,output\na.onnx,{ROW},b.onnx\nb.onnx,{ROW},\n")
    before = (here / "b.onnx").read_bytes()
    assert call("simplify", "--batch", "jobs.csv", "-o", ".") == 2
    assert ":2: column output: b.onnx is an input" in capsys.readouterr().err
    assert (here / "b.onnx").read_bytes() == before


def test_results_without_a_name_get_names_of_their_own(batch):
    table = f"network,region,keep\na.onnx,{ROW},\na.onnx,{ROW},argmin\nb.onnx,box.csv,\n"
    names = [row["output"] for row in batch(table)[1]["rows"]]
    assert len({name.casefold() for name in names}) == 3
    assert names[2] == "b-box.onnx"
    assert Path(names[1]).stem == Path(names[0]).stem + "-2"


def test_many_rows_are_shown_network_by_network(batch, monkeypatch, here):
    import secateur.report
    from secateur.commands import batch as module

    monkeypatch.setattr(module, "SHOWN", 2)
    monkeypatch.setattr(secateur.report, "ROWS_SHOWN", 2)
    monkeypatch.setattr(secateur.report, "ROWS_LISTED", 1)
    _, record, said = batch(TABLE, "--report", "r.html")
    assert "a.onnx 2/2" in said
    page = (here / "r.html").read_text()
    assert "network by network" in page
    assert "1 of 3 rows are listed" in page
    zeros = sum(row["phases"]["zero"] for row in record["rows"] if row["network"] == "a.onnx")
    assert f"a.onnx: {zeros} zero" in page
