"""One proof for all cells of a region."""

import hashlib
from fractions import Fraction

import numpy as np
import pytest

from secateur.commands.check import check
from secateur.engine.errors import MismatchError
from secateur.engine.formats import load, save
from secateur.engine.network import Network
from secateur.engine.proofs.cover import cells
from secateur.engine.proofs.form import SameBest, Within
from secateur.engine.proofs.judge import ProofError
from secateur.engine.proofs.store import read_proof, write_proof
from secateur.engine.region import Region
from secateur.redundancy.certify import certify
from secateur.redundancy.phase import Effort
from secateur.redundancy.plan import simplify
from secateur.slicing.certificate import cover_proof, weakest
from secateur.slicing.split import grid

EFFORT = Effort(seconds=20.0, samples=500, starts=8, climbs=10, boxes=2000, programs=20, workers=1)


@pytest.fixture
def net(tmp_path):
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(b, a)).astype(np.float32) for a, b in ((2, 6), (6, 4), (4, 2))]
    network = Network.dense(weights, [rng.normal(size=b).astype(np.float32) for b in (6, 4, 2)])
    save(network, tmp_path / "net.onnx")
    return load(tmp_path / "net.onnx")


def test_certificates_of_cells_add_up_to_one_of_the_region(tmp_path, net):
    slices = grid(Region.box([-1.0, -1.0], [1.0, Fraction(1, 3)]), (2, 3))
    said, folder = {}, tmp_path / "cells"
    folder.mkdir()
    for cell in range(slices.count - 1):
        plan = simplify(net, slices.region(cell), EFFORT)
        save(plan.network, folder / f"{cell}.onnx")
        made = certify(plan, load(folder / f"{cell}.onnx"), 20.0, np.random.default_rng(0))
        data = write_proof(made.proof)
        (folder / f"{cell}.proof").write_bytes(data)
        said[cell] = hashlib.sha256(data).hexdigest(), read_proof(data).simplified.claim
    proof = cover_proof(slices, made.proof.files[0], said)
    (tmp_path / "all.proof").write_bytes(write_proof(proof))
    checked = check(tmp_path / "all.proof", [tmp_path / "net.onnx"], cells=folder)
    assert "for 5 of them it names a proof" in checked.sentences[0]
    by_box = {
        (slices.region(cell).exact_lower, slices.region(cell).exact_upper): cell
        for cell in range(6)
    }
    found = [by_box[tuple(low), tuple(high)] for low, high in cells(proof.cover)]
    assert sorted(found) == list(range(6))
    assert [bool(one) for one in proof.cover.proofs] == [cell != 5 for cell in found]
    (folder / "0.proof").unlink()
    with pytest.raises(ProofError, match="is not there"):
        check(tmp_path / "all.proof", [tmp_path / "net.onnx"], cells=folder)


def test_what_follows_from_several_claims_is_the_weakest():
    one, two = Within(Fraction(1, 3), (0, 1)), Within(Fraction(1, 2), (0, 1))
    assert weakest([one, two]) == two
    tight, loose = (
        SameBest(1, Fraction(0), 3, Fraction(2)),
        SameBest(1, Fraction(1), 3, Fraction(1)),
    )
    assert weakest([tight, loose]) == loose
    for pair in (
        [one, tight],
        [one, Within(Fraction(1), (0,))],
        [tight, SameBest(-1, Fraction(0), 3)],
    ):
        with pytest.raises(MismatchError, match="nothing in common"):
            weakest(pair)
