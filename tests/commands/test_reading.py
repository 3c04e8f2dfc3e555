"""Words that are read at once mean what typer takes them for; all others are left to it."""

from enum import Enum
from functools import wraps
from inspect import signature

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.__main__ import app
from secateur.commands import usage
from secateur.commands.grammar import Argument, Told, Verbs
from secateur.commands.reading import read, words_of


def copied(verbs, calls, only=()):
    """Return the program with verbs that note what they are called with; of one path alone."""

    def noted(verb):
        @wraps(verb)
        def note(**given):
            given = {name: list(v) if isinstance(v, tuple) else v for name, v in given.items()}
            bound = signature(verb).bind(**given)
            bound.apply_defaults()
            calls.append((verb.__name__, {k: v or None for k, v in bound.arguments.items()}))
            return 7

        return note

    made = Verbs(verbs.name, verbs.help, lenient=verbs.lenient)
    made.top = verbs.top and noted(verbs.top)
    for name in only[:1] or verbs.verbs:
        verb = verbs.verbs[name]
        inner = isinstance(verb, Verbs)
        made.verbs[name] = copied(verb, calls, only[1:]) if inner else noted(verb)
    return made


def paths(verbs, before=()):
    """Yield the names of every verb, and the verb."""
    for name, verb in verbs.verbs.items():
        if isinstance(verb, Verbs):
            yield from paths(verb, (*before, name))
        elif name not in verbs.lenient:
            yield (*before, name), verb


EVERY = list(paths(app))
TEXTS = ["a", "b c", "net.onnx", "-1:1,0:2", "x=y", "é", "0", "-", "7.5", "--"]
TEXTS += ["1e-3", "+4", " 5", "-3", "1_0", "inf", "nan", "1e400", ".5", "", "no", "-q", "--seed"]


@st.composite
def lines(draw):
    """Draw words, most of them right, for a verb."""
    names, verb = draw(st.sampled_from(EVERY))
    out = []
    for word in words_of(verb):
        if isinstance(word.what, Told) or not (word.needed or draw(st.integers(0, 3)) == 0):
            continue
        if issubclass(word.kind, Enum):
            right = [one.value for one in word.kind]
        elif word.kind in (int, float):
            right = ["0", "3", "-2", "12"] + ["0.25", "1e-3", "-1.5"] * (word.kind is float)
        else:
            right = TEXTS[:6]
        for _ in range(draw(st.integers(1, 2)) if word.many else 1):
            value = draw(st.sampled_from(right if draw(st.integers(0, 9)) else TEXTS))
            if isinstance(word.what, Argument):
                out.append([value])
            elif word.kind is bool:
                flags = [*word.names, word.against] if word.against else word.names
                out.append([draw(st.sampled_from(flags))])
            else:
                name = draw(st.sampled_from(word.names))
                joined = name.startswith("--") and draw(st.booleans())
                out.append([f"{name}={value}"] if joined else [name, value])
    drawn = draw(st.permutations(out)) if draw(st.booleans()) else out
    return names, [*names, *(text for part in drawn for text in part)]


@given(lines())
@settings(max_examples=150, deadline=None)
def test_what_is_read_at_once_means_what_typer_takes_it_for(drawn):
    names, line = drawn
    calls = []
    program = copied(app, calls, names)
    call = read(program, line, 2.5)
    if call is None:
        return
    assert call() == 7
    assert usage.call(program, line, 2.5) == 7
    at_once, typed = calls
    assert at_once == typed


@pytest.mark.parametrize(
    "line",
    [
        ["verify", "q.vnnlib", "--network", "N=a.onnx", "-q"],
        [
            "compare",
            "a",
            "b",
            "--region",
            "-1:1",
            "--epsilon=0.5",
            "--output",
            "1",
            "--output",
            "2",
        ],
        ["bounds", "a", "--region", "net", "--method", "linear", "--timeout", "1e3", "--hidden"],
        ["simplify", "a", "--region", "x", "--region", "y", "-o", "out", "--keep", "argmin"],
        ["forget", "exemplars", "--data", "mnist5k", "-o", "there"],
        ["report", "a.json", "b.json", "-o", "c.html"],
        ["--version"],
    ],
)
def test_what_is_right_is_read_at_once(line):
    calls = []
    program = copied(app, calls, () if line[0].startswith("-") else line[:1])
    call = read(program, line, None)
    assert call is not None
    call()
    usage.call(program, line, None)
    assert calls[0] == calls[1]


@pytest.mark.parametrize(
    "line",
    [
        [],
        ["--help"],
        ["verify", "-h"],
        ["forget"],
        ["verfy"],
        ["info"],
        ["info", "a", "b"],
        ["info", "a", "--seed"],
        ["info", "a", "--seed", "1", "--seed", "2"],
        ["info", "a", "--seed", "1.5"],
        ["info", "a", "--quiet=yes"],
        ["info", "a", "--nonsense"],
        ["info", "--", "a"],
        ["serve", "a", "--port", "65536"],
        ["bounds", "a", "--region", "net", "--method", "magic"],
        ["supports", "--onnx-operators"],
        ["--version", "info", "a"],
    ],
)
def test_all_else_is_left_to_typer(line):
    assert read(app, line, None) is None
