"""The grammar of the command line: verbs, options, and how errors end.

Nothing is computed here. A verb's file in `commands/` is imported when the verb runs, so
`--version` and `--help` wait for no library.
"""

from __future__ import annotations

import io
import math
import os
import shlex
import sys
import time
import traceback
from pathlib import Path
from typing import Annotated

import typer

from .commands.clock import age
from .commands.failure import explained
from .commands.options import (
    ACASXU_URL,
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
    Options,
    Pick,
    Semantics,
    Side,
)
from .commands.words import (
    REGION,
    Explain,
    Jobs,
    Json,
    Kept,
    Lines,
    Net,
    On,
    OneNet,
    Page,
    Quiet,
    Regions,
    Removing,
    Seed,
    Simplified,
    Timeout,
    Tolerance,
    ToleranceUnits,
    Units,
    Until,
    Work,
    Workers,
)

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
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for all that is written.")
    ] = Path("secateur-demo"),
    family: Annotated[
        list[Family] | None, typer.Option(help="Controllers to take; may be given again.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--every", help="Every network of a family, not just its first.")
    ] = False,
    json: Json = None,
    timeout: Timeout = None,
    seed: Seed = 0,
    device: On = Device.CPU,
    quiet: Quiet = False,
) -> int:
    """Simplify the embedded controllers over named regions and write a report."""
    options = _options(json, timeout, seed, device, quiet)
    from .commands.demo import run

    return run(output, tuple(family or Family), every, options)


@app.command()
def info(
    net: Net,
    json: Json = None,
    timeout: Timeout = None,
    seed: Seed = 0,
    device: On = Device.CPU,
    quiet: Quiet = False,
) -> int:
    """Print what a network file holds."""
    options = _options(json, timeout, seed, device, quiet)
    from .commands.info import run

    return run(net, options)


@app.command()
def bounds(
    net: Net,
    region: Annotated[str, typer.Option(metavar="R", help=REGION)],
    method: Annotated[How, typer.Option(help="How to bound, from quick to tight.")] = How.OPTIMISED,
    units: Units = Side.NETWORK,
    hidden: Annotated[bool, typer.Option("--hidden", help="Show the hidden layers too.")] = False,
    solver: Annotated[
        str, typer.Option(metavar="NAME", help="Of the linear programs of --method lp.")
    ] = "highs",
    json: Json = None,
    timeout: Timeout = None,
    seed: Seed = 0,
    device: On = Device.CPU,
    quiet: Quiet = False,
) -> int:
    """Prove bounds of the outputs over a region."""
    options = _options(json, timeout, seed, device, quiet)
    from .commands.bounds import run

    return run(net, region, method, units, solver, hidden, options)


@app.command()
def verify(
    context: typer.Context,
    query: Annotated[Path, typer.Argument(metavar="QUERY", help="VNN-LIB file, version 1 or 2.")],
    network: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=FILE",
            help="Network that the query declares and its file, .onnx or .nnet; FILE alone where "
            "there is one. May be given again.",
        ),
    ],
    serialise_assignments: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the assignment as tensors into a folder."),
    ] = None,
    semantics: Annotated[
        Semantics, typer.Option(help="Arithmetic that is meant.")
    ] = Semantics.DECLARED,
    json: Json = None,
    timeout: Timeout = None,
    seed: Seed = 0,
    device: On = Device.CPU,
    quiet: Quiet = False,
) -> int:
    """Decide a query by the VNN-LIB standard: sat, unsat, unknown or timed-out."""
    began = context.obj if isinstance(context.obj, float) else time.monotonic()
    options = _options(json, timeout or None, seed, device, quiet)
    if timeout == 0:
        typer.echo("timed-out")
        return Exit.UNKNOWN
    from .commands.verify import Order, run

    limit = math.inf if timeout is None else timeout
    stated = tuple(network)
    return run(Order(query, stated, serialise_assignments, semantics, limit, began), options)


@app.command()
def compare(
    context: typer.Context,
    first: Annotated[Path, typer.Argument(metavar="A", help="Network f: .onnx or .nnet.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Network g: .onnx or .nnet.")],
    region: Annotated[str, typer.Option(metavar="R", help=REGION)],
    units: Units = Side.NETWORK,
    epsilon: Annotated[
        str | None, typer.Option(metavar="E", help="Ask whether |f - g| <= E on every output.")
    ] = None,
    output: Annotated[
        list[int] | None,
        typer.Option(metavar="I", help="Ask that of this output; may be given again."),
    ] = None,
    top1: Annotated[
        Pick | None, typer.Option(help="Ask whether g has the same best output as f.")
    ] = None,
    band: Annotated[
        str | None, typer.Option(metavar="D", help="... where f prefers it by more than D.")
    ] = None,
    gap: Annotated[
        float | None,
        typer.Option(metavar="G", help="Relative width of an enclosure; 0.01 when absent."),
    ] = None,
    semantics: Annotated[
        Arithmetic, typer.Option(help="Arithmetic that is meant.")
    ] = Arithmetic.REAL,
    workers: Workers = None,
    json: Json = None,
    timeout: Timeout = None,
    seed: Seed = 0,
    device: On = Device.CPU,
    quiet: Quiet = False,
) -> int:
    """Enclose how far two networks are apart, or decide whether they agree."""
    began = context.obj if isinstance(context.obj, float) else time.monotonic()
    options = _options(json, timeout or None, seed, device, quiet)
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
    net: OneNet = None,
    region: Regions = None,
    batch: Jobs = None,
    *,
    output: Simplified,
    keep: Kept = Keep.OUTPUTS,
    tolerance: Tolerance = "0",
    tolerance_units: ToleranceUnits = None,
    units: Units = Side.NETWORK,
    order: Removing = Choosing.GREEDY,
    lines: Lines = Line.OUTPUT,
    until: Until = None,
    explain: Explain = False,
    effort: Work = Amount.USUAL,
    workers: Workers = None,
    report: Page = None,
    json: Json = None,
    timeout: Timeout = None,
    seed: Seed = 0,
    device: On = Device.CPU,
    quiet: Quiet = False,
) -> int:
    """Write the smaller network that may replace another one on a region, with a proof."""
    options = _options(json, timeout, seed, device, quiet)
    from .commands.aim import Wish, tolerance_of
    from .commands.simplify import Order, Spending, run, single

    wish = Wish(keep, tolerance_of(tolerance), tolerance_units or units, order, lines, until)
    spending, regions = Spending(effort, workers, explain), tuple(region or ())
    if batch is not None:
        from .commands.batch import Batch, refuse_single
        from .commands.batch import run as run_batch

        refuse_single(net, regions)
        jobs = Batch(batch, output, wish, units, tolerance_units, spending, report)
        return run_batch(jobs, options)
    return run(Order(*single(net, regions), output, wish, units, spending, report), options)


@app.command()
def fetch(
    collection: Annotated[Collection, typer.Argument(help="What to fetch.")],
    to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder; the collection's name when absent.")
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--from", metavar="DIR", help="Copy from a folder instead.")
    ] = None,
    url: Annotated[str, typer.Option(metavar="URL", help="Address of the files.")] = ACASXU_URL,
    json: Json = None,
    timeout: Timeout = None,
    seed: Seed = 0,
    device: On = Device.CPU,
    quiet: Quiet = False,
) -> int:
    """Fetch public networks and properties, every file checked against its pinned SHA-256."""
    options = _options(json, timeout, seed, device, quiet)
    from .commands.fetch import run

    return run(collection, to, source, url, options)


@app.command()
def doctor(
    json: Json = None,
    timeout: Timeout = None,
    seed: Seed = 0,
    device: On = Device.CPU,
    quiet: Quiet = False,
) -> int:
    """Print what is installed and test the parts that prove things."""
    options = _options(json, timeout, seed, device, quiet)
    from .commands.doctor import run

    return run(options)


def _options(
    json: Path | None, timeout: float | None, seed: int, device: Device, quiet: bool
) -> Options:
    typed = shlex.join(["secateur", *sys.argv[1:]])
    return Options(json, timeout, seed, device, quiet, typed)


def main() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(run(sys.argv[1:], time.monotonic() - age()))


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
            traceback.print_exc()
        return _fail(*explained(error))
    if code == INTERRUPTED:  # raised here, or caught by typer and returned
        return _fail("interrupted; files are written whole or not at all", INTERRUPTED)
    return code


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"secateur: error: {' '.join(message.split())}\n")
    return int(code)


if __name__ == "__main__":
    main()
