"""Clean cuts in neural networks, and a proof that nothing was lost.

The public face: it computes nothing, and imports nothing before a name is asked for.

- `load`: a network from an .onnx or .nnet file;
- `bounds`: proved bounds of its outputs over a region;
- `check`: what a proof proves, judged from the files alone;
- `compare`: how far two networks are apart over a region, or whether they agree there;
- `compress`: a smaller network that computes about the same, and how its numbers are stored;
- `repair`: a compressed network, changed within its format until a bound of its error is proved;
- `selfcompress`: a network trained to need few bits, smaller by its channels without any;
- `verify`: the answer to a VNN-LIB query;
- `slice`: smaller networks for the cells that a region is cut into;
- `simplify`: the smaller network that may replace it on a region, and what is proved of both.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .commands.aim import simplify
    from .commands.bounds import bounds
    from .commands.check import check
    from .commands.comparison import compare
    from .commands.compress import compress
    from .commands.repair import repair
    from .commands.slice_face import slice  # noqa: A004
    from .commands.verify import verify
    from .compression.selfcompress import selfcompress
    from .engine.formats import load

    __version__: str

__all__ = [
    "__version__",
    "bounds",
    "check",
    "compare",
    "compress",
    "load",
    "repair",
    "selfcompress",
    "simplify",
    "slice",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Return a name of the public face, imported now."""
    match name:
        case "__version__":
            from importlib.metadata import version

            return version("secateur")
        case "bounds":
            from .commands.bounds import bounds

            return bounds
        case "check":
            from .commands.check import check

            return check
        case "compare":
            from .commands.comparison import compare

            return compare
        case "compress":
            from .commands.compress import compress

            return compress
        case "load":
            from .engine.formats import load

            return load
        case "repair":
            from .commands.repair import repair

            return repair
        case "selfcompress":
            from .compression.selfcompress import selfcompress

            return selfcompress
        case "simplify":
            from .commands.aim import simplify

            return simplify
        case "slice":
            from .commands.slice_face import slice  # noqa: A004

            return slice
        case "verify":
            from .commands.verify import verify

            return verify
        case _:
            raise AttributeError(f"secateur has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the names of the public face."""
    return sorted(__all__)
