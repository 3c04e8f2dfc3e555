"""Laws of what ways of working cost, as written by `benchmarks/cost_models.py`.

192 drawn networks, seed 0;
Intel(R) Xeon(R) Processor, 2 cores, Python 3.11.7, numpy 2.4.6, numba 0.68.1, highspy 1.15.1,
commit 5bb6840+
"""

from typing import Final

LAWS: Final[dict[str, tuple[float, dict[str, float], float, int]]] = {
    "interval seconds": (
        -12.058,
        {"weights": 0.201, "inputs": -0.061, "unstable": 0.046},
        1.49,
        192,
    ),
    "interval bytes": (
        7.531,
        {"weights": 0.258, "inputs": -0.063, "unstable": -0.025},
        1.47,
        192,
    ),
    "arrays seconds": (
        -11.643,
        {"weights": 0.539, "inputs": -0.164, "unstable": 0.121},
        1.877,
        192,
    ),
    "arrays bytes": (
        4.723,
        {"weights": 0.776, "inputs": -0.168, "unstable": 0.47},
        1.541,
        192,
    ),
    "optimised seconds": (
        -11.048,
        {"weights": 0.694, "inputs": -0.201, "unstable": 0.221},
        1.769,
        192,
    ),
    "optimised bytes": (
        4.98,
        {"weights": 0.79, "inputs": -0.177, "unstable": 0.576},
        1.629,
        192,
    ),
    "lp seconds": (
        -9.487,
        {"weights": 0.215, "inputs": 0.125, "unstable": 0.611},
        1.901,
        192,
    ),
    "lp bytes": (
        8.17,
        {"weights": 0.293, "inputs": 0.18, "unstable": 0.609},
        1.558,
        192,
    ),
    "boxes seconds": (
        -12.456,
        {"weights": 0.565, "inputs": -0.299, "unstable": -0.126},
        2.149,
        61,
    ),
    "boxes bytes": (
        7.31,
        {"weights": 0.054, "inputs": 1.418, "unstable": 0.6},
        5.2,
        192,
    ),
    "phases seconds": (
        -9.645,
        {"weights": 0.438, "inputs": -0.116, "unstable": -0.167},
        1.48,
        34,
    ),
    "phases bytes": (
        5.569,
        {"weights": 0.717, "inputs": 0.186, "unstable": 0.526},
        3.012,
        192,
    ),
    "pair seconds": (
        -7.165,
        {"weights": 0.236, "inputs": -0.007, "unstable": 0.225},
        1.426,
        192,
    ),
    "pair bytes": (
        7.091,
        {"weights": 0.77, "inputs": 0.017, "unstable": -0.092},
        1.77,
        192,
    ),
    "neurons seconds": (
        -13.082,
        {"weights": 0.26, "inputs": 0.096, "unstable": 0.219},
        1.447,
        192,
    ),
    "neurons bytes": (
        10.275,
        {"weights": 0.452, "inputs": 0.169, "unstable": -0.037},
        1.375,
        192,
    ),
    "cells seconds": (
        -8.693,
        {"weights": 0.219, "inputs": 0.176, "unstable": 0.301},
        1.445,
        192,
    ),
    "cells bytes": (
        8.925,
        {"weights": 0.464, "inputs": 0.271, "unstable": -0.043},
        1.548,
        192,
    ),
    "boxes count": (
        -5.19,
        {"weights": -0.487, "inputs": 2.388, "unstable": 1.583, "tight": 1.796},
        8.197,
        190,
    ),
    "boxes settle": (
        -9.922,
        {"weights": -0.191, "inputs": 1.45, "unstable": 0.935, "tight": 1.09},
        3.637,
        190,
    ),
    "phases count": (
        -4.504,
        {"weights": -0.055, "inputs": 0.507, "unstable": 1.294, "tight": 1.364},
        3.553,
        190,
    ),
    "phases settle": (
        -7.73,
        {"weights": 0.121, "inputs": 0.22, "unstable": 0.792, "tight": 0.71},
        1.873,
        190,
    ),
}
"""Of each way and quantity: natural logarithm of the value where all figures are 1, exponents by
figure, the factor by which what was held out differs (one standard deviation), number of runs."""

MEASURED: Final[dict[str, tuple[float, float]]] = {
    "weights": (27.0, 144207.0),
    "inputs": (1.0, 64.0),
    "unstable": (1.0, 587.0),
    "tight": (1.1394437816508032, 20.0),
}
"""Least and greatest figures among these; beyond them a law is a guess."""

SHARED: Final = 0.09
"""Boxes take the number of workers to this power less wall time."""

YARDSTICK: Final = 0.0008472909999999167
"""CPU seconds of `cost.yardstick` on the machine that was measured on."""
