"""Laws of what ways of working cost, as written by `benchmarks/cost_models.py`.

192 drawn networks, seed 0;
Intel(R) Xeon(R) Processor, 2 cores, Python 3.11.7, numpy 2.4.6, numba 0.68.1, highspy 1.15.1,
commit 553b4ce+
"""

from typing import Final

LAWS: Final[dict[str, tuple[float, dict[str, float], float, int]]] = {
    "interval seconds": (
        -12.09,
        {"weights": 0.203, "inputs": -0.083, "unstable": 0.074},
        1.503,
        192,
    ),
    "interval bytes": (
        7.638,
        {"weights": 0.248, "inputs": -0.064, "unstable": -0.023},
        1.524,
        192,
    ),
    "arrays seconds": (
        -11.622,
        {"weights": 0.526, "inputs": -0.179, "unstable": 0.184},
        1.85,
        192,
    ),
    "arrays bytes": (
        4.809,
        {"weights": 0.759, "inputs": -0.159, "unstable": 0.482},
        1.551,
        192,
    ),
    "optimised seconds": (
        -11.145,
        {"weights": 0.714, "inputs": -0.226, "unstable": 0.248},
        1.821,
        192,
    ),
    "optimised bytes": (
        5.018,
        {"weights": 0.79, "inputs": -0.174, "unstable": 0.565},
        1.561,
        192,
    ),
    "lp seconds": (
        -9.335,
        {"weights": 0.227, "inputs": 0.107, "unstable": 0.584},
        1.905,
        192,
    ),
    "lp bytes": (
        8.444,
        {"weights": 0.272, "inputs": 0.164, "unstable": 0.595},
        1.567,
        192,
    ),
    "boxes seconds": (
        -11.5,
        {"weights": 0.55, "inputs": -0.429, "unstable": -0.281},
        2.192,
        61,
    ),
    "boxes bytes": (
        7.468,
        {"weights": 0.013, "inputs": 1.453, "unstable": 0.637},
        5.416,
        192,
    ),
    "phases seconds": (
        -9.803,
        {"weights": 0.455, "inputs": -0.136, "unstable": -0.135},
        1.666,
        34,
    ),
    "phases bytes": (
        5.802,
        {"weights": 0.701, "inputs": 0.168, "unstable": 0.516},
        2.92,
        192,
    ),
    "pair seconds": (
        -13.228,
        {"weights": 0.543, "inputs": -0.09, "unstable": 0.368},
        1.394,
        192,
    ),
    "pair bytes": (
        9.032,
        {"weights": 0.307, "inputs": 0.263, "unstable": 0.1},
        2.062,
        192,
    ),
    "neurons seconds": (
        -12.97,
        {"weights": 0.291, "inputs": 0.049, "unstable": 0.131},
        1.401,
        192,
    ),
    "neurons bytes": (
        10.301,
        {"weights": 0.443, "inputs": 0.158, "unstable": -0.014},
        1.389,
        192,
    ),
    "cells seconds": (
        -8.465,
        {"weights": 0.225, "inputs": 0.165, "unstable": 0.222},
        1.461,
        192,
    ),
    "cells bytes": (
        8.786,
        {"weights": 0.431, "inputs": 0.306, "unstable": 0.008},
        1.741,
        192,
    ),
    "boxes count": (
        -5.345,
        {"weights": -0.494, "inputs": 2.425, "unstable": 1.615, "tight": 1.833},
        8.358,
        190,
    ),
    "boxes settle": (
        -9.712,
        {"weights": -0.18, "inputs": 1.406, "unstable": 0.883, "tight": 1.097},
        3.487,
        190,
    ),
    "phases count": (
        -4.416,
        {"weights": -0.062, "inputs": 0.503, "unstable": 1.285, "tight": 1.359},
        3.528,
        190,
    ),
    "phases settle": (
        -7.603,
        {"weights": 0.15, "inputs": 0.195, "unstable": 0.747, "tight": 0.677},
        2.028,
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

SHARED: Final = 0.53
"""Boxes take the number of workers to this power less wall time."""

YARDSTICK: Final = 0.0011098009999999103
"""CPU seconds of `cost.yardstick` on the machine that was measured on."""
