"""The grammar of `compress`; nothing is computed here."""

from __future__ import annotations

import typer

from . import compress_words, words
from .options import Device, Side
from .words import options_of


def add_to(app: typer.Typer) -> None:
    """Add the verb to the program's."""
    app.command()(compress)


def compress(
    net: words.Net,
    *,
    method: compress_words.Method,
    output: compress_words.Output,
    share: compress_words.Share = None,
    scope: compress_words.Scope = None,
    rank: compress_words.Rank = None,
    region: compress_words.Region = None,
    units: words.Units = Side.NETWORK,
    data: compress_words.Data = None,
    ranges: compress_words.How = None,
    fit: compress_words.Fit = None,
    pack: compress_words.Packed = None,
    report: words.Page = None,
    json: words.Json = None,
    timeout: words.Timeout = None,
    seed: words.Seed = 0,
    device: words.On = Device.CPU,
    quiet: words.Quiet = False,
) -> int:
    """Write a smaller network that computes about the same, and say what was lost."""
    options = options_of(json, timeout, seed, device, quiet)
    from .compress import Order, run
    from .compress_method import Wish

    wish = Wish(method, share, scope, rank, ranges, fit)
    return run(Order(net, output, wish, region, units, data, pack, report), options)
