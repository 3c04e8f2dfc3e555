"""The grammar of the command line: verbs, options, and how errors end.

Nothing is computed here. A verb's file in `commands/` is imported when the verb runs, so
`--version` and `--help` wait for no library.
"""

from __future__ import annotations

import io
import math
import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from .commands import compress_verb, forget, repair_verb, selfcompress_verb, slice_verbs, words
from .commands.clock import age
from .commands.failure import explained, fail
from .commands.garbage import collect_later, collect_no_more
from .commands.options import (
    Amount,
    Arithmetic,
    Choosing,
    Collection,
    Device,
    Exit,
    Family,
    How,
    Keep,
    Line,
    Semantics,
    Side,
)
from .commands.words import options_of

INTERRUPTED = 130
"""Exit code after an interrupt from the keyboard, as shells have it."""

app = typer.Typer(
    name="secateur",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Clean cuts in neural networks, and a proof that nothing was lost.",
)


@app.callback(invoke_without_command=True)
def top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    name: Annotated[bool, typer.Option("--name", help="Print the name.")] = False,
) -> None:
    """Print the version or the name, or the help where no verb is named."""
    if name:
        typer.echo("secateur")
        raise typer.Exit()
    if version:
        from importlib.metadata import version as installed

        typer.echo(installed("secateur"))
        raise typer.Exit()
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit()


@app.command()
def demo(
    output: words.Into = Path("secateur-demo"),
    family: words.Families = None,
    every: words.Every = False,
    json: words.Json = None,
    timeout: words.Timeout = None,
    seed: words.Seed = 0,
    device: words.On = Device.CPU,
    quiet: words.Quiet = False,
) -> int:
    """Simplify the embedded controllers over named regions and write a report."""
    options = options_of(json, timeout, seed, device, quiet)
    from .commands.demo import run

    return run(output, tuple(family or Family), every, options)


@app.command()
def info(
    net: words.Net,
    json: words.Json = None,
    timeout: words.Timeout = None,
    seed: words.Seed = 0,
    device: words.On = Device.CPU,
    quiet: words.Quiet = False,
) -> int:
    """Print what a network file holds."""
    options = options_of(json, timeout, seed, device, quiet)
    from .commands.info import run

    return run(net, options)


@app.command()
def bounds(
    net: words.Net,
    region: words.Where,
    method: Annotated[How, typer.Option(help="How to bound, from quick to tight.")] = How.OPTIMISED,
    units: words.Units = Side.NETWORK,
    hidden: Annotated[bool, typer.Option("--hidden", help="Show the hidden layers too.")] = False,
    solver: Annotated[
        str, typer.Option(metavar="NAME", help="Of the linear programs of --method lp.")
    ] = "highs",
    json: words.Json = None,
    timeout: words.Timeout = None,
    seed: words.Seed = 0,
    device: words.On = Device.CPU,
    quiet: words.Quiet = False,
) -> int:
    """Prove bounds of the outputs over a region."""
    options = options_of(json, timeout, seed, device, quiet, cuda=True)
    from .commands.bounds import run

    return run(net, region, method, units, solver, hidden, options)


@app.command()
def verify(
    context: typer.Context,
    query: Annotated[Path, typer.Argument(metavar="QUERY", help="VNN-LIB file, version 1 or 2.")],
    network: words.Declared,
    serialise_assignments: words.Tensors = None,
    semantics: Annotated[
        Semantics, typer.Option(help="Arithmetic that is meant.")
    ] = Semantics.DECLARED,
    proof: words.Proof = None,
    explain: words.Explained = False,
    json: words.Json = None,
    timeout: words.Timeout = None,
    seed: words.Seed = 0,
    device: words.On = Device.CPU,
    quiet: words.Quiet = False,
) -> int:
    """Decide a query by the VNN-LIB standard: sat, unsat, unknown or timed-out."""
    began = context.obj if isinstance(context.obj, float) else time.monotonic()
    options = options_of(json, timeout or None, seed, device, quiet, explain=explain)
    if timeout == 0:
        typer.echo("timed-out")
        return Exit.UNKNOWN
    from .commands.verify import Order, run

    limit = math.inf if timeout is None else timeout
    stated = tuple(network)
    return run(Order(query, stated, serialise_assignments, semantics, limit, began, proof), options)


@app.command()
def compare(
    context: typer.Context,
    first: words.First,
    second: words.Second,
    region: words.Where,
    units: words.Units = Side.NETWORK,
    epsilon: words.Within = None,
    output: words.Outputs = None,
    top1: words.Best = None,
    band: words.Band = None,
    gap: words.Gap = None,
    semantics: words.Meant = Arithmetic.REAL,
    workers: words.Workers = None,
    proof: words.Proof = None,
    explain: words.Explained = False,
    json: words.Json = None,
    timeout: words.Timeout = None,
    seed: words.Seed = 0,
    device: words.On = Device.CPU,
    quiet: words.Quiet = False,
) -> int:
    """Enclose how far two networks are apart, or decide whether they agree."""
    began = context.obj if isinstance(context.obj, float) else time.monotonic()
    options = options_of(json, timeout or None, seed, device, quiet, explain=explain)
    from .commands.compare import Order, run

    limit = math.inf if timeout is None else timeout
    order = Order(
        first=first,
        second=second,
        region=region,
        units=units,
        epsilon=epsilon,
        outputs=tuple(output or ()),
        top1=top1,
        band=band,
        gap=gap,
        semantics=semantics,
        workers=workers,
        limit=limit,
        began=began,
        proof=proof,
    )
    return run(order, options)


@app.command(context_settings={"ignore_unknown_options": True})
def supports(
    capability: Annotated[
        str, typer.Argument(metavar="CAPABILITY", help="Such as --onnx-operators.")
    ],
) -> int:
    """Print what queries and networks verify takes, by the VNN-LIB standard."""
    from .commands.supports import run

    return run(capability)


@app.command()
def simplify(
    net: words.OneNet = None,
    region: words.Regions = None,
    batch: words.Jobs = None,
    *,
    output: words.Simplified,
    keep: words.Kept = Keep.OUTPUTS,
    tolerance: words.Tolerance = "0",
    tolerance_units: words.ToleranceUnits = None,
    units: words.Units = Side.NETWORK,
    order: words.Removing = Choosing.GREEDY,
    lines: words.Lines = Line.OUTPUT,
    until: words.Until = None,
    explain: words.Explain = False,
    effort: words.Work = Amount.USUAL,
    workers: words.Workers = None,
    report: words.Page = None,
    proof: words.Proof = None,
    json: words.Json = None,
    timeout: words.Timeout = None,
    seed: words.Seed = 0,
    device: words.On = Device.CPU,
    quiet: words.Quiet = False,
) -> int:
    """Write the smaller network that may replace another one on a region, with a proof."""
    options = options_of(json, timeout, seed, device, quiet, explain=explain)
    from .commands.aim import Wish, tolerance_of
    from .commands.simplify import Order, Spending, run, single

    wish = Wish(keep, tolerance_of(tolerance), tolerance_units or units, order, lines, until)
    spending, regions = Spending(effort, workers, explain), tuple(region or ())
    if batch is not None:
        from .commands import batch as several

        several.refuse_single(net, regions, proof)
        jobs = several.Batch(batch, output, wish, units, tolerance_units, spending, report)
        return several.run(jobs, options)
    return run(Order(*single(net, regions), output, wish, units, spending, report, proof), options)


slice_verbs.add_to(app)
compress_verb.add_to(app)
repair_verb.add_to(app)
forget.add_to(app)
selfcompress_verb.add_to(app)


@app.command()
def report(
    runs: words.Records,
    *,
    output: words.Written,
    json: words.Json = None,
    timeout: words.Timeout = None,
    seed: words.Seed = 0,
    device: words.On = Device.CPU,
    quiet: words.Quiet = False,
) -> int:
    """Write what runs asked and found as one file for people, from their records alone."""
    options = options_of(json, timeout, seed, device, quiet)
    from .commands.report import run

    return run(runs, output, options)


@app.command()
def serve(
    runs: words.Shown,
    port: words.Port = 8765,
    json: words.Json = None,
    timeout: words.Timeout = None,
    seed: words.Seed = 0,
    device: words.On = Device.CPU,
    quiet: words.Quiet = False,
) -> int:
    """Show runs, their rows and proofs as pages for this machine alone; changes nothing."""
    options = options_of(json, timeout, seed, device, quiet)
    from .commands.serve import run

    return run(runs, port, options)


@app.command()
def check(
    proof: words.Evidence,
    network: words.Networks = None,
    exact: words.Exactly = False,
    cells: words.Cells = None,
    json: words.Json = None,
    timeout: words.Timeout = None,
    seed: words.Seed = 0,
    device: words.On = Device.CPU,
    quiet: words.Quiet = False,
) -> int:
    """Judge a proof with a checker that trusts nobody, and print what it proves."""
    options = options_of(json, timeout, seed, device, quiet)
    from .commands.check import run

    return run(proof, tuple(network or ()), exact, cells, options)


@app.command()
def fetch(
    collection: Annotated[Collection, typer.Argument(help="What to fetch.")],
    to: words.To = None,
    source: words.From = None,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="Address of the files; the usual when absent.")
    ] = None,
    json: words.Json = None,
    timeout: words.Timeout = None,
    seed: words.Seed = 0,
    device: words.On = Device.CPU,
    quiet: words.Quiet = False,
) -> int:
    """Fetch public networks or data, every file checked against its pinned SHA-256."""
    options = options_of(json, timeout, seed, device, quiet)
    from .commands.fetch import run

    return run(collection, to, source, url, options)


@app.command()
def doctor(
    json: words.Json = None,
    timeout: words.Timeout = None,
    seed: words.Seed = 0,
    device: words.On = Device.CPU,
    quiet: words.Quiet = False,
) -> int:
    """Print what is installed and test the parts that prove things."""
    options = options_of(json, timeout, seed, device, quiet)
    from .commands.doctor import run

    return run(options)


def main() -> None:
    """Run the command line and leave with its exit code."""
    collect_later()
    code = run(sys.argv[1:], time.monotonic() - age())
    collect_no_more()
    sys.exit(code)


def run(arguments: list[str], began: float | None = None) -> int:
    """Run a command and return its exit code; errors end as one line on standard error.

    Args:
        arguments: the words after the program's name.
        began: when its process was started, on `time.monotonic`; now when absent.
    """
    # The matrices are small: more threads inside one product only slow it down. Has to be said
    # before numpy is imported, and what the user says comes first.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal lacks letters for
            stream.reconfigure(errors="backslashreplace")
    try:
        code = int(app(arguments, prog_name="secateur", standalone_mode=False, obj=began) or 0)
    except typer.Exit as end:
        code = int(end.exit_code)
    except BrokenPipeError:
        # Whoever read standard output has gone; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(Exit.DONE)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:
        if os.environ.get("SECATEUR_DEBUG"):
            import traceback  # for those who ask alone

            traceback.print_exc()
        return fail(*explained(error))
    if code == INTERRUPTED:  # raised here, or caught by typer and returned
        return fail("interrupted; files are written whole or not at all", INTERRUPTED)
    return code


if __name__ == "__main__":
    main()
