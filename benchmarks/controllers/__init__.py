"""Collision-avoidance controllers of our own, from the decision process to the trained networks.

`mdp` solves an encounter of two aircraft, `table` holds the scores, `train` fits networks to them,
`make` writes what ships in `networks/`, and `catalogue` finds it again.
"""

from .catalogue import Controller, catalogue, controller
from .encounter import Advisory
from .table import Winner

__all__ = ["Advisory", "Controller", "Winner", "catalogue", "controller"]
