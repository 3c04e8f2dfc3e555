"""Cells that cover a box, and proofs about single cells."""

import hashlib
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from calls import call
from hypothesis import given, settings
from hypothesis import strategies as st
from proved import file_of, written
from simplified_proofs import simple

from secateur.engine.proofs.check import check
from secateur.engine.proofs.cover import cells, check_cell, check_cover
from secateur.engine.proofs.form import Cover, Proof, SameBest, Within
from secateur.engine.proofs.judge import ProofError
from secateur.engine.proofs.model import FormatError
from secateur.engine.proofs.store import read_proof, write_proof

DATA = written([np.eye(2), np.eye(2)], [np.zeros(2), np.zeros(2)])
LOW, HIGH = (Fraction(-1), Fraction(1, 3)), (Fraction(2, 3), Fraction(7))


def covering(axis, cut, claim=None, proofs=None, lower=LOW, upper=HIGH):
    axis = np.array(axis, dtype=np.int64)
    proofs = ("",) * ((axis.size + 1) // 2) if proofs is None else proofs
    return Cover(lower, upper, axis, np.array(cut, dtype=np.float64), claim, tuple(proofs))


GOOD = covering([0, -1, 1, -1, -1], [0.5, 0, 1.0, 0, 0])


def test_a_cover_is_read_as_it_was_written_and_said():
    proof = Proof((file_of("f", DATA),), (), None, {}, GOOD)
    data = write_proof(proof)
    checked = check(data, lambda *_: DATA)
    assert write_proof(read_proof(data)) == data
    (line,) = checked.sentences
    assert line.startswith("The 3 closed boxes into which 2 cuts part the box")
    assert "x0" in line
    assert list(cells(GOOD)) == [
        ((Fraction(-1), Fraction(1, 3)), (Fraction(1, 2), Fraction(7))),
        ((Fraction(1, 2), Fraction(1, 3)), (Fraction(2, 3), Fraction(1))),
        ((Fraction(1, 2), Fraction(1)), (Fraction(2, 3), Fraction(7))),
    ]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_cells_cover_the_box_and_share_no_inner_point(seed):
    rng = np.random.default_rng(seed)
    axis, cut, boxes = [], [], [(LOW, HIGH)]
    at = 0
    while at < len(boxes):
        lower, upper = boxes[at]
        if rng.random() < 0.6 and len(boxes) < 40:
            one = int(rng.integers(2))
            where = float((lower[one] + upper[one]) / 2)
            axis.append(one)
            cut.append(where)
            middle = Fraction(where)
            boxes.append((lower, (*upper[:one], middle, *upper[one + 1 :])))
            boxes.append(((*lower[:one], middle, *lower[one + 1 :]), upper))
        else:
            axis.append(-1)
            cut.append(0.0)
        at += 1
    cover = covering(axis, cut)
    check_cover(cover)
    found = list(cells(cover))
    assert found == [box for box, one in zip(boxes, axis, strict=True) if one < 0]
    area = sum((b[0] - a[0]) * (b[1] - a[1]) for a, b in found)
    assert area == (HIGH[0] - LOW[0]) * (HIGH[1] - LOW[1])


@pytest.mark.parametrize(
    ("cover", "error", "said"),
    [
        (covering([0, -1, -1], [2 / 3 + 1e-9, 0, 0]), ProofError, "not inside"),
        (covering([0, -1, -1], [-1.0, 0, 0]), ProofError, "not inside"),
        (covering([1, -1, -1], [1 / 3, 0, 0]), ProofError, "not inside"),  # below the third
        (covering([0, 0, -1, -1, -1], [0.5, 0.5, 0, 0, 0]), ProofError, "node 1"),
        (covering([0, -1, 0, -1, -1], [0.5, 0, 0.5, 0, 0]), ProofError, "node 2"),
        (covering([2, -1, -1], [0.5, 0, 0]), FormatError, "splits what is none"),
        (covering([0, -1], [0.5, 0]), FormatError, "parent|children"),
        (covering([0, -1, -1], [np.nan, 0, 0]), FormatError, "no number"),
        (covering([-1], [0], None, ("",) * 2), FormatError, "2 proofs of 1 cells"),
        (covering([-1], [0], None, ("ab" * 32,)), FormatError, "not what they say"),
        (covering([-1], [0], lower=HIGH, upper=LOW), FormatError, "empty"),
        (covering([-1], [0], lower=LOW[:1]), FormatError, "as many"),
    ],
)
def test_what_does_not_cover_is_refused(cover, error, said):
    with pytest.raises(error, match=said):
        check_cover(cover)


def test_a_cover_of_another_network_is_refused():
    data = written([np.eye(3), np.eye(3)], [np.zeros(3), np.zeros(3)])
    proof = Proof((file_of("f", data),), (), None, {}, GOOD)
    with pytest.raises(FormatError, match="the cover has 2 inputs, the network 3"):
        check(write_proof(proof), lambda *_: data)


def test_a_digest_that_is_none_is_not_written():
    for wrong in ("ab", "zz" * 32):
        cover = replace(GOOD, claim=Within(Fraction(0), (0,)), proofs=(wrong, "", ""))
        with pytest.raises(FormatError, match="digest"):
            write_proof(Proof((file_of("f", DATA),), (), None, {}, cover))


@pytest.fixture
def proved(tmp_path):
    """Return a folder with a proof of one cell and its networks, and a cover that names it."""
    given_ = simple(0)
    one = given_.proof.simplified
    data = write_proof(given_.proof)
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "anything").write_bytes(data)
    first, second = (given_.files[file.digest] for file in given_.proof.files)
    (tmp_path / "f.onnx").write_bytes(first)
    (tmp_path / "cells" / "g").write_bytes(second)
    digest = hashlib.sha256(data).hexdigest()
    cover = Cover(one.lower, one.upper, np.array([-1]), np.zeros(1), one.claim, (digest,))
    return tmp_path, given_.proof, cover


def checked(folder, proof, cover, *words):
    whole = Proof(proof.files[:1], (), None, {}, cover)
    (folder / "all.proof").write_bytes(write_proof(whole))
    return call(
        "check",
        folder / "all.proof",
        "--network",
        folder / "f.onnx",
        *words,
        "--json",
        folder / "c.json",
    )


def test_proofs_of_cells_are_checked_where_that_is_asked_for(proved, capsys):
    folder, proof, cover = proved
    assert checked(folder, proof, cover) == 0
    assert "named, not checked" in capsys.readouterr().out
    assert checked(folder, proof, cover, "--cells", folder / "cells") == 0
    assert "The proofs of 1 cells were checked too" in capsys.readouterr().out
    (folder / "cells" / "g").unlink()
    assert checked(folder, proof, cover, "--cells", folder / "cells") == 10
    assert "is not there" in capsys.readouterr().out
    (folder / "cells" / "anything").write_bytes(b"other")
    assert checked(folder, proof, cover, "--cells", folder / "cells") == 10
    assert "is not there" in capsys.readouterr().out


def test_a_cell_without_a_proof_is_said(proved, capsys):
    folder, proof, cover = proved
    middle = float((cover.lower[0] + cover.upper[0]) / 2)
    axis = np.array([0, -1, -1])
    halved = replace(cover, axis=axis, cut=np.array([middle, 0, 0]), proofs=(*cover.proofs, ""))
    assert checked(folder, proof, halved, "--cells", folder / "cells") == 0
    assert "Nothing is said of the other 1" in capsys.readouterr().out


def test_folders_and_covers_that_are_none_are_refused(proved, capsys):
    folder, proof, cover = proved
    assert checked(folder, proof, cover, "--cells", folder / "nowhere") == 2
    assert "is no folder" in capsys.readouterr().err
    bare = replace(cover, claim=None, proofs=("",))
    assert checked(folder, proof, bare, "--cells", folder / "cells") == 2
    assert "names no proofs" in capsys.readouterr().err


def test_a_proof_that_says_less_is_refused(proved):
    _, proof, cover = proved
    (cell,) = cells(cover)
    digest = proof.files[0].digest
    check_cell(cover, cell, digest, proof)
    claim = cover.claim
    if isinstance(claim, Within):
        bolder = [replace(claim, tolerance=claim.tolerance / 2 - Fraction(1, 10**9))]
        bolder += [Within(claim.tolerance, (*claim.outputs, 9)), SameBest(1, Fraction(0), 2)]
    else:
        bolder = [replace(claim, sign=-claim.sign), replace(claim, room=claim.room + 1)]
        bolder += [replace(claim, outputs=claim.outputs + 1), Within(Fraction(1), (0,))]
    for one in bolder:
        with pytest.raises(ProofError, match="says less"):
            check_cell(replace(cover, claim=one), cell, digest, proof)
    wider = cell[0], tuple(value + Fraction(1, 10**20) for value in cell[1])
    with pytest.raises(ProofError, match="another box"):
        check_cell(cover, wider, digest, proof)
    with pytest.raises(ProofError, match="another network"):
        check_cell(cover, cell, "0" * 64, proof)
    with pytest.raises(ProofError, match="no proof that one network"):
        check_cell(cover, cell, digest, replace(proof, simplified=None))
