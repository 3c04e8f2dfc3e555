"""A question so small that its answer is known: tests the parts that prove, and warms them up."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from ..engine.agreement import within
from ..engine.answer import Effort as Spent
from ..engine.decide import decide
from ..engine.network import Affine, Network
from ..engine.question import ask
from ..engine.region import Region
from ..engine.verdict import Verdict
from ..redundancy.phase import Effort, decide_phases

COMPILING = 300.0
"""Seconds after which a machine that still compiles the inner loops is taken for sick."""


def diamond() -> tuple[Network, Region]:
    """Return a network whose last hidden neuron, |x+y| + |x-y| - 2.5, is below 0 on the box.

    Its largest value is -0.5; the triangle relaxation alone allows 1.5, so that the proof needs
    branching.
    """
    turn = np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])
    network = Network.dense(
        [turn, np.ones((1, 4)), np.ones((1, 1))],
        [np.zeros(4), np.array([-2.5]), np.zeros(1)],
    )
    return network, Region.box([-1.0, -1.0], [1.0, 1.0], "the box")


def branch(seed: int = 0) -> Verdict:
    """Return the verdict on the diamond's last hidden neuron; compiles the inner loops.

    The first run after an installation takes half a minute, the next ones read what it stored.
    Long work starts with this, so that the time given for it is spent on it.
    """
    network, region = diamond()
    effort = Effort(seconds=COMPILING, samples=64, starts=2, climbs=2, workers=1, seed=seed)
    return decide_phases(network, region, effort).findings[-1].verdict


def claims(seed: int = 0) -> tuple[Verdict, Verdict]:
    """Return the verdicts on two claims: on the diamond alone, and beside a twin of it.

    Its output stays at 0 on the box, and so within 1/4 of a twin's whose bias is 1/8 higher; the
    loops that bound rows of one network and of two are compiled.
    """
    network, region = diamond()
    last = network.by_name[network.output].layer
    assert isinstance(last, Affine)
    twin = network.with_layers({network.output: replace(last, bias=last.bias + 0.125)})
    effort = Spent(COMPILING, seed, workers=1)
    verdicts = []
    for other in (network, twin):
        claim = within(network, other, region, Fraction(1, 4))
        verdicts.append(decide(ask(claim, [network, other]), effort).verdict)
    return verdicts[0], verdicts[1]
