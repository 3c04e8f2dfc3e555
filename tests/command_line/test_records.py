"""What `--json` writes: records of the documented shape."""

from pathlib import Path

import pytest
from calls import REGION, call, recorded

ROOT = Path(__file__).resolve().parents[2]

COMMON = {
    "schema": str,
    "command": str,
    "made": str,
    "versions": dict,
    "seed": int,
    "device": str,
    "timeout": (float, type(None)),
    "exit": int,
    "seconds": float,
}
NETWORK = {
    "path": str,
    "format": str,
    "sha256": str,
    "dtype": str,
    "input_shape": [int],
    "output_shape": [int],
    "neurons": int,
    "parameters": int,
    "multiply_adds": int,
}
LIMITS = {"lower": [float], "upper": [float], "exact_lower": [str], "exact_upper": [str]}
RAW = {"raw_lower": (list, type(None)), "raw_upper": (list, type(None))}
BOX = {"name": str, "title": str, **LIMITS, **RAW}
COUNTS = dict.fromkeys(("zero", "identity", "active", "open"), int)
SIZES = {"neurons": int, "parameters": int, "multiply_adds": int}
TIMES = {"latency_us": float, "batch_us": float}
POINT = {"input": [float], "exact_input": [str], "value": float, "runtime": (float, type(None))}
BOUND = (float, type(None))
STEPS = dict.fromkeys(("phase", "forward", "result-preserving", "relaxed"), int)
LEFT = {"active": int, "open": int}
CUT = {
    "region": BOX,
    "constant": bool,
    "exact": bool,
    "distance": BOUND,
    "guarantee": str,
    "phases": COUNTS,
    "removed": STEPS,
    "left_out": int,
    "layers": [
        {"layer": str, "neurons": int, **COUNTS, "removed": STEPS, "left": LEFT, "form": str}
    ],
    "steps": [
        {
            "step": str,
            **dict.fromkeys(("asked", "removed", "tries", "boxes"), int),
            "seconds": float,
        }
    ],
    "proof": (dict, type(None)),
    "proof_file": (dict, type(None)),
    "error": (dict, type(None)),
    "neurons": [
        {
            "layer": str,
            "neuron": int,
            "kind": str,
            "state": str,
            "slope": BOUND,
            "intercept": BOUND,
            "evidence": str,
            "cost": BOUND,
        }
    ],
    "methods": dict,
    "step_seconds": dict,
    "boxes": int,
    "before": SIZES | TIMES,
    "after": SIZES | TIMES,
    "speedup": float,
    "batch_speedup": float,
    "batch_points": int,
    "replayed": {
        "exact_points": int,
        "exact_difference": float,
        "float_points": int,
        "float_difference": BOUND,
        "disagreements": (int, type(None)),
    },
    "witnesses": [{"layer": str, "neuron": int, "method": str, "points": [POINT]}],
    "open": [{"layer": str, "neuron": int, "lower": BOUND, "upper": BOUND, "reason": str}],
    "output": {"path": str, "sha256": str},
    "seconds": float,
}
EDITIONS = {"simplify": 2, "demo": 2}
SHAPES = {
    "info": {
        "network": NETWORK,
        "layers": [
            {"name": str, "kind": str, "shape": [int], "size": int, "reads": [str], "states": dict}
        ],
        "normalisation": (dict, type(None)),
    },
    "bounds": {
        "network": NETWORK,
        "region": BOX,
        "method": str,
        "complete": bool,
        "outputs": [
            {"index": int, **dict.fromkeys(("lower", "upper", "raw_lower", "raw_upper"), BOUND)}
        ],
        "layers": [
            {
                "layer": str,
                "neurons": int,
                "lower": BOUND,
                "upper": BOUND,
                "zero": int,
                "identity": int,
                "open": int,
            }
        ],
    },
    "simplify": {
        "network": NETWORK,
        "keep": str,
        "tolerance": float,
        "tolerance_units": str,
        "exact_tolerance": str,
        "order": str,
        "lines": str,
        "until": (str, type(None)),
        "effort": str,
        "cuts": [CUT | {"explain": (dict, type(None))}],
    },
    "demo": {
        "controllers": [{"name": str, "title": str, "network": NETWORK, "cuts": [CUT]}],
        "report": str,
    },
    "fetch": {
        "collection": str,
        "folder": str,
        "source": str,
        "files": [{"name": str, "sha256": str, "kept": bool}],
    },
    "doctor": {
        "checks": [{"name": str, "found": str, "needed": bool, "ok": bool, "mend": str}],
    },
}


def fits(value, shape, place="record"):
    """Check that a JSON value has a shape: all its keys and no others."""
    match shape:
        case dict():
            assert isinstance(value, dict), place
            assert set(value) == set(shape), place
            for key, part in shape.items():
                fits(value[key], part, f"{place}.{key}")
        case [part]:
            assert isinstance(value, list), place
            for index, item in enumerate(value):
                fits(item, part, f"{place}[{index}]")
        case _:
            assert isinstance(value, shape), f"{place} is {value!r}"
            assert isinstance(value, bool) == (shape is bool), place


@pytest.mark.parametrize("verb", ["info", "bounds", "simplify", "doctor"])
def test_a_record_has_the_documented_shape(net, tmp_path, verb):
    words = {
        "info": ("info", net),
        "bounds": ("bounds", net, "--region", REGION, "--hidden"),
        "simplify": ("simplify", net, "--region", REGION, "-o", tmp_path / "out.onnx"),
        "doctor": ("doctor",),
    }[verb]
    assert call(*words, "--json", tmp_path / "r.json", "-q") == 0
    record = recorded(tmp_path / "r.json")
    fits(record, COMMON | SHAPES[verb])
    assert record["schema"] == f"secateur.{verb}/{EDITIONS.get(verb, 1)}"
    assert record["exit"] == 0


def test_the_documentation_names_every_key():
    text = (ROOT / "docs" / "json.md").read_text()

    def keys(shape):
        match shape:
            case dict():
                for key, part in shape.items():
                    yield key
                    yield from keys(part)
            case [part]:
                yield from keys(part)

    for verb, shape in SHAPES.items():
        assert f"`secateur.{verb}/{EDITIONS.get(verb, 1)}`" in text
        missing = {key for key in keys(COMMON | shape) if f"`{key}`" not in text}
        assert not missing
