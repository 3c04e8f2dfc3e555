from fractions import Fraction

import highspy
import numpy as np
import pulp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secateur.encodings.program import Program, Rows, Sense
from secateur.engine.errors import FileError, InputError
from secateur.engine.solvers.base import Options, Status
from secateur.engine.solvers.export import export
from secateur.engine.solvers.highs import Highs

in_a_folder = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])


def drawn(seed):
    """A program with every kind of row, limit and column."""
    generator = np.random.default_rng(seed)
    columns, count = generator.integers(1, 7), generator.integers(0, 7)
    matrix = generator.normal(size=(count, columns)) * (generator.random((count, columns)) < 0.8)
    lower = np.where(generator.random(columns) < 0.1, -np.inf, -generator.random(columns))
    upper = np.where(generator.random(columns) < 0.1, np.inf, generator.random(columns))
    kind = generator.integers(0, 4, count)
    middle = generator.normal(size=count) * 0.1
    low = np.where((kind == 0) | (kind == 3), middle, np.where(kind == 1, -np.inf, middle - 1.0))
    high = np.where((kind == 0) | (kind == 1), middle, np.where(kind == 3, np.inf, middle + 1.0))
    integer = (generator.random(columns) < 0.4) & np.isfinite(lower) & np.isfinite(upper)
    # HiGHS 1.15.1 calls 0 infeasible for an integer between -0.13 and 0.6 read from a file.
    lower, upper = (
        np.where(integer, np.floor(lower), lower),
        np.where(integer, np.ceil(upper), upper),
    )
    names = np.broadcast_to(np.arange(columns), matrix.shape)
    rows = Rows.full(names, matrix, low, high)
    sense = [Sense.MINIMIZE, Sense.MAXIMIZE][seed % 2]
    offset = [0.0, -1.25][seed % 3 == 0]
    return Program(lower, upper, integer, rows, generator.normal(size=columns), offset, sense)


def read(path):
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    assert highs.readModel(str(path)) == highspy.HighsStatus.kOk
    return highs


@pytest.mark.parametrize("ending", ["lp", "mps"])
@in_a_folder
@given(seed=st.integers(0, 2**32 - 1))
def test_a_file_read_back_has_the_same_optimum(tmp_path, ending, seed):
    program = drawn(seed)
    path = tmp_path / f"program.{ending}"
    export(program, path)
    highs = read(path)
    highs.run()
    truth = Highs().solve(program, Options())
    optimal = highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
    assert optimal == (truth.status is Status.OPTIMAL)
    if optimal:
        found = highs.getInfo().objective_function_value
        assert found == pytest.approx(truth.objective, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("ending", ["lp", "mps"])
@in_a_folder
@given(seed=st.integers(0, 2**32 - 1))
def test_a_file_keeps_every_digit(tmp_path, ending, seed):
    program = drawn(seed)
    path = tmp_path / f"program.{ending}"
    export(program, path)
    model = read(path).getLp()
    # The LP reader numbers columns by their first appearance, which is the objective: x0, x1, ...
    assert list(model.col_cost_) == program.objective.tolist()
    assert list(model.col_lower_) == program.lower.tolist()
    assert list(model.col_upper_) == program.upper.tolist()
    assert model.offset_ == program.offset
    found = sorted(map(Fraction, model.a_matrix_.value_))
    rows = program.rows
    two = np.isfinite(rows.lower) & np.isfinite(rows.upper) & (rows.lower < rows.upper)
    one = np.isfinite(rows.lower) | np.isfinite(rows.upper)
    times = np.where(two, 2, np.where(one, 1, 0))[rows.owner()]
    assert found == sorted(map(Fraction, np.repeat(rows.values, times).tolist()))


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_another_reader_takes_the_same_mps(tmp_path, seed):
    program = drawn(seed)
    # PuLP's reader knows no constant in the objective.
    program = program.with_objective(program.objective, 0.0, program.sense)
    path = tmp_path / "program.mps"
    export(program, path)
    variables, problem = pulp.LpProblem.fromMPS(str(path), sense=program.sense.value)
    assert len(variables) == program.size
    assert len(problem.constraints()) >= np.isfinite(program.rows.lower).sum()


def test_another_ending_or_no_folder_is_refused(tmp_path):
    program = drawn(1)
    with pytest.raises(InputError, match=r"end the name in \.lp or \.mps"):
        export(program, tmp_path / "program.txt")
    with pytest.raises(FileError, match="cannot be written"):
        export(program, tmp_path / "missing" / "program.lp")
