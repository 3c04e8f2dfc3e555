"""When garbage is looked for: not while a command loads what it needs, nor at its end."""

from __future__ import annotations

import gc
from typing import Final

IMPORTED: Final = 200_000
"""Objects, more than were freed, before garbage is looked for: more than all imports make."""


def collect_later() -> None:
    """Look for no garbage before there are so many objects; then as usual, but not in these."""
    usual = gc.get_threshold()

    def as_usual(phase: str, _: object) -> None:
        if phase == "stop":
            gc.callbacks.remove(as_usual)
            gc.freeze()
            gc.set_threshold(*usual)

    gc.callbacks.append(as_usual)
    gc.set_threshold(IMPORTED, *usual[1:])


def collect_no_more() -> None:
    """Leave all that is there to the end of the process, which need not look through it."""
    gc.disable()
    gc.freeze()
