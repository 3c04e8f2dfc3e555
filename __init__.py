"""Clean cuts in neural networks, and a proof that nothing was lost.

The public face: it computes nothing, and imports nothing before a name is asked for.

- `load`: a network from an .onnx or .nnet file;
- `bounds`: proved bounds of its outputs over a region;
- `simplify`: what it can lose on a region without loss, and the smaller network.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .commands.bounds import bounds
    from .engine.formats import load
    from .redundancy.plan import simplify

    __version__: str

__all__ = ["__version__", "bounds", "load", "simplify"]


def __getattr__(name: str) -> Any:
    """Return a name of the public face, imported now."""
    match name:
        case "__version__":
            from importlib.metadata import version

            return version("secateur")
        case "bounds":
            from .commands.bounds import bounds

            return bounds
        case "load":
            from .engine.formats import load

            return load
        case "simplify":
            from .redundancy.plan import simplify

            return simplify
        case _:
            raise AttributeError(f"secateur has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the names of the public face."""
    return sorted(__all__)
