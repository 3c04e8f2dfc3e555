"""Explains the grammar, by typer: the help, and what is wrong with a command."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Annotated, Any, get_args, get_type_hints

import typer

from .grammar import Argument, Option, Told, Verb, Verbs

USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[2]
"""The root of typer's errors about usage; typer takes it from click or from a copy of click, and
gives no public name to it."""

WAYS = {"help_option_names": ["-h", "--help"]}


def call(verbs: Verbs, words: Sequence[str], began: float | None) -> int:
    """Read a command's words and call its verb, or print the help; return the exit code.

    Raises:
        USAGE_ERROR: words that the grammar does not have.
        KeyboardInterrupt: broken off from the keyboard.
    """
    try:
        app = _app(verbs, began)
        return int(app(list(words), prog_name=verbs.name, standalone_mode=False) or 0)
    except typer.Exit as end:
        return int(end.exit_code)
    except typer.Abort:
        raise KeyboardInterrupt from None


def _app(verbs: Verbs, began: float | None) -> typer.Typer:
    app = typer.Typer(
        name=verbs.name,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings=WAYS,
        help=verbs.help,
    )
    if verbs.top is not None:
        app.callback(invoke_without_command=True)(_top(verbs.top))
    for name, verb in verbs.verbs.items():
        if isinstance(verb, Verbs):
            app.add_typer(_app(verb, began), name=name)
            continue
        settings = {"ignore_unknown_options": True} if name in verbs.lenient else {}
        app.command(name=name, context_settings=settings)(_spoken(verb, began))
    return app


def _top(verb: Verb) -> Verb:
    """Return what is called before any verb: it ends there where it has something to say."""
    spoken = _spoken(verb, None)
    shown = inspect.signature(spoken)
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)

    def top(*, context: typer.Context, **given: Any) -> None:
        if any(given.values()):
            raise typer.Exit(spoken(**given))
        if context.invoked_subcommand is None:
            typer.echo(context.get_help())
            raise typer.Exit

    return _dressed(top, verb, shown.replace(parameters=[*shown.parameters.values(), context]))


def _spoken(verb: Verb, began: float | None) -> Verb:
    """Return a verb as typer takes it; of a parameter that no word speaks of it is told."""
    hints = get_type_hints(verb, include_extras=True)
    shown, told = [], dict[str, Any]()
    for name, parameter in inspect.signature(verb).parameters.items():
        kind, what = get_args(hints[name])
        word: Any
        match what:
            case Told():
                told[name] = began
                continue
            case Argument():
                word = typer.Argument(metavar=what.metavar or None, help=what.help)
            case Option():
                word = typer.Option(
                    *filter(None, (what.long, what.short)),
                    metavar=what.metavar or None,
                    help=what.help,
                    min=what.least,
                    max=what.most,
                )
        shown.append(parameter.replace(annotation=Annotated[kind, word]))

    def spoken(**given: Any) -> int:
        return verb(**given, **told)

    return _dressed(spoken, verb, inspect.Signature(shown, return_annotation=int))


def _dressed(function: Any, verb: Verb, shown: inspect.Signature) -> Verb:
    """Return a function with the name and the words of a verb, and another signature."""
    function.__name__, function.__doc__ = verb.__name__, verb.__doc__
    function.__signature__ = shown
    function.__annotations__ = {name: one.annotation for name, one in shown.parameters.items()}
    typed: Verb = function
    return typed
