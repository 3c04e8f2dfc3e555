"""Runs the conformance suite's own command with two cases at a time; the suite's python runs this.

The command itself takes one case after the other. Only the calls of the solver are moved into a
pool: cases, limits, verdicts and the report are the suite's own. A case that is not settled is run
again after a run with plenty of time: in a fresh checkout compiled code is not stored yet, and on a
busy machine two may starve each other. What counts is the last run, within the suite's limit.
"""

import sys
from concurrent.futures import Future, ThreadPoolExecutor

from vnntest.cli import run as command
from vnntest.cli.main import app
from vnntest.models.test_case import Verdict

TOGETHER = 2
PLENTY = 120
REFUSED = 2


def main() -> None:
    solver = sys.argv[sys.argv.index("--solver") + 1]
    timeout = float(sys.argv[sys.argv.index("--timeout") + 1])
    run_one, divide = command.run_solver_on_test, command.partition_by_support
    started: dict[str, Future] = {}

    with ThreadPoolExecutor(TOGETHER) as pool:

        def start(*arguments: object, **options: object) -> tuple:
            runnable, skipped = divide(*arguments, **options)
            for case in runnable:
                started[str(case.vnnlib_path)] = pool.submit(run_one, solver, case, timeout)
            return runnable, skipped

        command.partition_by_support = start

        def finish(_solver: str, case: object, timeout: float) -> object:
            result = started[str(case.vnnlib_path)].result()
            if result.verdict is Verdict.UNKNOWN and result.returncode != REFUSED:
                run_one(solver, case, PLENTY)
                result = run_one(solver, case, timeout)
            for name in ("stdout", "stderr"):  # bytes after a time-out, which no report holds
                told = getattr(result, name)
                setattr(result, name, told.decode() if isinstance(told, bytes) else told)
            return result

        command.run_solver_on_test = finish
        app()


main()
