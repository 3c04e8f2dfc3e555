"""Other verifiers, measured beside secateur: each in an environment of its own, asked as a process.

Nothing here is imported by secateur itself. The environments live in `~/.cache/secateur-peers`, or
in the folder that SECATEUR_PEERS names, never in the checkout.
"""

from .answer import Answer, Run
from .catalogue import SOLVERS, named
from .solver import Asked, Solver

__all__ = ["SOLVERS", "Answer", "Asked", "Run", "Solver", "named"]
