"""What is looked for: in a few levels, without links, each file once."""

import os

import pytest

from secateur.browse.find import DEEPEST, Kind, find, opened, roots
from secateur.engine.errors import FileError, FormatError


def names(*paths):
    return {item.name: item.kind for item in find(roots(paths)).items}


def test_files_are_found_by_their_names_in_a_few_levels(tmp_path):
    inside = tmp_path
    for level in range(DEEPEST + 2):
        (inside / f"{level}.json").write_text("{}")
        inside = inside / "more"
        inside.mkdir()
    for name in ("a.proof", "outcomes.jsonl", "b.PROOF", "net.onnx", "c.txt"):
        (tmp_path / name).write_text("")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "hidden.json").write_text("{}")
    levels = {f"{'more/' * level}{level}.json": Kind.RUN for level in range(DEEPEST + 1)}
    proofs = {"a.proof": Kind.PROOF, "b.PROOF": Kind.PROOF}
    assert names(tmp_path) == levels | proofs | {"outcomes.jsonl": Kind.ROWS}


def test_no_link_leads_out_and_no_pipe_is_waited_for(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "secret.json").write_text("{}")
    (inside / "folder").symlink_to(outside)
    (inside / "file.json").symlink_to(outside / "secret.json")
    (inside / "loop").symlink_to(inside)
    os.mkfifo(inside / "pipe.json")
    assert not names(inside)
    with pytest.raises(FileError, match="cannot be read"):
        opened(inside / "file.json", 10)
    with pytest.raises(FileError, match="no plain file"):
        opened(inside / "pipe.json", 10)
    with pytest.raises(FileError, match="neither a folder nor a plain file"):
        roots([inside / "pipe.json"])
    # What the user names is the user's own wish.
    assert list(names(inside / "folder")) == ["secret.json"]


def test_a_file_that_is_named_itself_may_have_any_ending(tmp_path, finished):
    (tmp_path / "run.txt").write_bytes((finished / "bounds.json").read_bytes())
    (tmp_path / "proof.bin").write_bytes((finished / "within.proof").read_bytes())
    paths = [tmp_path / "run.txt", tmp_path / "proof.bin"]
    assert list(names(*paths).values()) == [Kind.RUN, Kind.PROOF]


def test_each_file_stands_once_and_its_key_says_nothing_of_its_place(finished):
    once = find(roots([finished]))
    twice = find(roots([finished, finished / "bounds.json", finished / ".." / finished.name]))
    assert {item.key for item in once.items} == {item.key for item in twice.items}
    assert len(once.items) == len(twice.items)
    assert all(len(item.key) == 16 and int(item.key, 16) >= 0 for item in once.items)
    assert not once.more


def test_more_files_than_are_shown_are_told(tmp_path, monkeypatch):
    for number in range(6):
        (tmp_path / f"{number}.json").write_text("{}")
    monkeypatch.setattr("secateur.browse.find.MOST", 4)
    found = find(roots([tmp_path]))
    assert (len(found.items), found.more) == (4, True)
    monkeypatch.setattr("secateur.browse.find.MOST", 100)
    monkeypatch.setattr("secateur.browse.find.ENTRIES", 3)
    assert find(roots([tmp_path])).more


def test_what_is_not_there_or_too_large_is_refused(tmp_path):
    with pytest.raises(FileError, match="No such file"):
        roots([tmp_path / "none"])
    (tmp_path / "a.json").write_bytes(b"x" * 11)
    with pytest.raises(FormatError, match="are not shown"):
        opened(tmp_path / "a.json", 10)
    assert opened(tmp_path / "a.json", 11) == b"x" * 11
