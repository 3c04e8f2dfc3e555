"""Two chains of stages made alike: the same sizes, stage by stage, and nothing else changed.

Where one chain has a stage that the other lacks, the other gets one that hands its values on.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..network import Piecewise, State
from ..stages import Edge, Stage, Stages

Chain = list[Stage]


def aligned(first: Stages, second: Stages) -> tuple[Stages, Stages] | None:
    """Return two chains of the same sizes that compute the same, or None if there are none.

    A stage of identities, such as an input that is shifted or rounded, is inserted where the other
    chain has one, and an activation leaves its stage where the other chain rounds in between. Where
    one chain has a linear stage of another size, as a factor of a matrix of low rank is, both hand
    on what they have beside it. No number changes.
    """
    chains = [list(first.stages), list(second.stages)]
    for chain in chains:
        for index, stage in enumerate(chain[1:]):
            if [edge.source for edge in stage.edges] != [index]:
                return None
    if [stage.size for stage in chains[0]] == [stage.size for stage in chains[1]]:
        return Stages(tuple(chains[0]), {}), Stages(tuple(chains[1]), {})
    rounds = any(stage.grid is not None for chain in chains for stage in chain)
    made = [chains[0][:1], chains[1][:1]]
    at = [1, 1]
    while at[0] < len(chains[0]) or at[1] < len(chains[1]):
        if rounds:
            _split(chains, at)
        steps = _steps(chains, at, made, rounds)
        if steps is None and _widen(chains, at, made):
            continue
        if steps is None:
            return None
        for side, own in enumerate(steps):
            last = len(made[side]) - 1
            if own:
                stage = chains[side][at[side]]
                edge = Edge(last, stage.edges[0].weight)
                made[side].append(replace(stage, edges=(edge,)))
                at[side] += 1
            else:
                made[side].append(_handing_on(made[side][-1].size, last))
    if [stage.size for stage in made[0]] != [stage.size for stage in made[1]]:
        return None
    return Stages(tuple(made[0]), {}), Stages(tuple(made[1]), {})


def _steps(
    chains: list[Chain], at: list[int], made: list[Chain], rounds: bool
) -> list[bool] | None:
    """Return which chains take a stage of their own now; the other gets one that hands on."""
    one, two = ahead = [
        chain[i] if i < len(chain) else None for chain, i in zip(chains, at, strict=True)
    ]
    if rounds:
        passes = [
            stage is not None and _linear(stage) and _hands_on(stage, made[side][-1].size)
            for side, stage in enumerate(ahead)
        ]
        if any(passes):
            return passes
    if one and two and one.size == two.size and _linear(one) == _linear(two):
        return [True, True]
    if one and _linear(one) and one.size == made[1][-1].size and at[1] < len(chains[1]):
        return [True, False]
    if two and _linear(two) and two.size == made[0][-1].size and at[0] < len(chains[0]):
        return [False, True]
    return None


def _split(chains: list[Chain], at: list[int]) -> None:
    """Take the activations out of a stage where the other chain rounds before its own."""
    for side in (0, 1):
        here, there = chains[side][at[side] : at[side] + 2], chains[1 - side][at[1 - side] :][:1]
        if len(here) < 2 or not there:
            continue
        rounded, kinks, whole = here[0], here[1], there[0]
        alike = rounded.size == whole.size and _linear(rounded) and not _linear(whole)
        if alike and not _linear(kinks) and _hands_on(kinks, rounded.size):
            before = replace(whole, activation="", layer=_identities(whole.size), grid=None)
            after = replace(_handing_on(whole.size, 0), layer=whole.layer, grid=whole.grid)
            chains[1 - side][at[1 - side] : at[1 - side] + 1] = [before, after]


def _widen(chains: list[Chain], at: list[int], made: list[Chain]) -> bool:
    """Make linear stages of another size, as factors of low rank are, a part of a stage of both.

    The stage holds all that was there before, then the values of either chain's own linear stage,
    zeros in the other; the next stages read their own part. So what the second of two factors does
    is still set against what the other chain does to the same numbers.
    """
    wide, last = made[0][-1].size, len(made[0]) - 1
    ahead = [chain[place : place + 2] for chain, place in zip(chains, at, strict=True)]
    if wide != made[1][-1].size or not all(ahead):
        return False
    own = [len(one) == 2 and _linear(one[0]) and one[0].grid is None for one in ahead]
    for take in ((own[0], own[1]), (own[0], False), (False, own[1])):
        after = [one[takes] for one, takes in zip(ahead, take, strict=True)]
        if any(take) and after[0].size == after[1].size and _linear(after[0]) == _linear(after[1]):
            break
    else:
        return False
    sizes = [one[0].size if takes else 0 for one, takes in zip(ahead, take, strict=True)]
    for side in (0, 1):
        weight, bias = np.zeros((wide + sum(sizes), wide)), np.zeros(wide + sum(sizes))
        weight[:wide] = np.eye(wide)
        begin = wide + (sizes[0] if side else 0)
        part = slice(begin, begin + sizes[side]) if take[side] else slice(0, wide)
        if take[side]:
            weight[part], bias[part] = ahead[side][0].edges[0].weight, ahead[side][0].bias
        made[side].append(Stage("", "", (Edge(last, weight),), bias, _identities(bias.size)))
        spread = np.zeros((after[side].size, bias.size))
        spread[:, part] = after[side].edges[0].weight
        made[side].append(replace(after[side], edges=(Edge(last + 1, spread),)))
        at[side] += 1 + take[side]
    return True


def _hands_on(stage: Stage, size: int) -> bool:
    """Return whether a stage's pre-activations are what it reads."""
    if stage.size != size or stage.bias.any():
        return False
    return np.array_equal(stage.edges[0].weight, np.eye(size))


def _linear(stage: Stage) -> bool:
    return bool((stage.layer.state == State.IDENTITY).all())


def _identities(size: int) -> Piecewise:
    return Piecewise(np.full(size, State.IDENTITY), np.zeros(size), np.zeros(size))


def _handing_on(size: int, source: int) -> Stage:
    return Stage("", "", (Edge(source, np.eye(size)),), np.zeros(size), _identities(size))
