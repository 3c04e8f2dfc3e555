"""Laws of what ways of working cost, as written by `benchmarks/cost_models.py`.

192 drawn networks, seed 0;
Intel(R) Xeon(R) Processor, 1 cores, Python 3.11.7, numpy 2.4.6, numba 0.68.1, highspy 1.15.1,
commit 0f58984+
"""

from typing import Final

LAWS: Final[dict[str, tuple[float, dict[str, float], float, int]]] = {
    "interval seconds": (
        -12.151,
        {"weights": 0.206, "inputs": -0.039, "unstable": 0.054},
        1.545,
        192,
    ),
    "interval bytes": (
        7.592,
        {"weights": 0.257, "inputs": -0.078, "unstable": -0.025},
        1.512,
        192,
    ),
    "arrays seconds": (
        -11.643,
        {"weights": 0.505, "inputs": -0.125, "unstable": 0.143},
        1.914,
        192,
    ),
    "arrays bytes": (
        4.832,
        {"weights": 0.764, "inputs": -0.182, "unstable": 0.477},
        1.548,
        192,
    ),
    "optimised seconds": (
        -11.879,
        {"weights": 0.503, "inputs": -0.065, "unstable": 0.164},
        1.747,
        192,
    ),
    "optimised bytes": (
        6.244,
        {"weights": 0.561, "inputs": -0.044, "unstable": 0.135},
        1.37,
        192,
    ),
    "lp seconds": (
        -9.608,
        {"weights": 0.229, "inputs": 0.139, "unstable": 0.595},
        1.917,
        192,
    ),
    "lp bytes": (
        8.115,
        {"weights": 0.306, "inputs": 0.168, "unstable": 0.597},
        1.578,
        192,
    ),
    "boxes seconds": (
        -11.773,
        {"weights": 0.546, "inputs": -0.41, "unstable": -0.287},
        2.305,
        61,
    ),
    "boxes bytes": (
        7.344,
        {"weights": 0.021, "inputs": 1.466, "unstable": 0.673},
        5.185,
        192,
    ),
    "phases seconds": (
        -8.39,
        {"weights": 0.305, "inputs": -0.3, "unstable": -0.05},
        2.205,
        24,
    ),
    "phases bytes": (
        7.943,
        {"weights": 0.506, "inputs": 0.201, "unstable": 0.454},
        1.953,
        192,
    ),
    "pair seconds": (
        -12.922,
        {"weights": 0.48, "inputs": -0.046, "unstable": 0.28},
        1.43,
        192,
    ),
    "pair bytes": (
        9.295,
        {"weights": 0.316, "inputs": 0.277, "unstable": 0.034},
        1.739,
        192,
    ),
    "neurons seconds": (
        -13.034,
        {"weights": 0.236, "inputs": 0.104, "unstable": 0.143},
        1.413,
        192,
    ),
    "neurons bytes": (
        10.261,
        {"weights": 0.457, "inputs": 0.157, "unstable": -0.032},
        1.39,
        192,
    ),
    "cells seconds": (
        -8.449,
        {"weights": 0.205, "inputs": 0.162, "unstable": 0.187},
        1.476,
        192,
    ),
    "cells bytes": (
        8.999,
        {"weights": 0.455, "inputs": 0.336, "unstable": -0.031},
        1.636,
        192,
    ),
    "boxes count": (
        -5.488,
        {"weights": -0.503, "inputs": 2.472, "unstable": 1.643, "tight": 1.873},
        8.619,
        190,
    ),
    "boxes settle": (
        -9.808,
        {"weights": -0.204, "inputs": 1.443, "unstable": 0.887, "tight": 1.103},
        3.624,
        190,
    ),
    "phases count": (
        -3.814,
        {"weights": -0.212, "inputs": 0.814, "unstable": 1.115, "tight": 1.346},
        3.487,
        190,
    ),
    "phases settle": (
        -8.737,
        {"weights": 0.082, "inputs": 0.534, "unstable": 0.744, "tight": 0.784},
        2.207,
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

SHARED: Final = 0.0
"""Boxes take the number of workers to this power less wall time."""

YARDSTICK: Final = 0.0010427550000002839
"""CPU seconds of `cost.yardstick` on the machine that was measured on."""
