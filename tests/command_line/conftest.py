"""Files that the tests of the command line share."""

import numpy as np
import pytest
from calls import tiny

from secateur.engine.formats import save
from secateur.engine.network import Normalisation


@pytest.fixture
def net(tmp_path):
    save(tiny(), tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


@pytest.fixture
def nnet(tmp_path):
    """A .nnet file whose raw inputs run from 0 to 10."""
    normal = Normalisation(np.zeros(3), np.full(3, 10.0), np.full(3, 5.0), np.full(3, 10.0), 7.5, 3)
    save(tiny("float64", normal), tmp_path / "net.nnet")
    return tmp_path / "net.nnet"
