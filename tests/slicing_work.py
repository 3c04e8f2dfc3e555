"""Work for the tests of runs: small functions that stand in a module, as workers need them."""

import os
import signal
import time
from collections.abc import Sequence
from typing import Any

from secateur.slicing.work import Result


def load(argument: Any) -> dict[str, Any]:
    return {"factor": argument, "pid": os.getpid()}


def multiply(setting: dict[str, Any], payloads: Sequence[Any]) -> list[Any]:
    """Give each payload's product; a payload (word, number) does what its word says."""
    out: list[Any] = []
    for payload in payloads:
        word, number = payload if isinstance(payload, tuple) else ("", payload)
        match word:
            case "raise":
                raise ValueError(f"number {number} is refused")
            case "exit":
                raise SystemExit(number)
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "leave":
                os._exit(0)
            case "hang":
                signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
                time.sleep(600)
            case "sleep":
                time.sleep(number)
            case "pause":
                number, seconds = number
                time.sleep(seconds)
            case "once":  # dies the first time
                path = number
                if not os.path.exists(path):
                    open(path, "w").close()
                    os.kill(os.getpid(), signal.SIGKILL)
                number = 1
            case "lambda":
                out.append(lambda: None)
                continue
        out.append(number * setting["factor"])
    return out


def results(setting: dict[str, Any], payloads: Sequence[Any]) -> list[Result]:
    """Give each payload's product as something to store, with a code and a blob."""
    return [
        Result(
            {"product": value, "half": value / 2},
            code=value.to_bytes(8, "little"),
            blobs={"proof": b"%d" % (value % 7) * 100},
        )
        for value in multiply(setting, payloads)
    ]


def cannot_load(argument: Any) -> None:
    raise ValueError(f"there is no {argument}")


def dies_loading(argument: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def variables(setting: Any, payloads: Sequence[str]) -> list[str | None]:
    return [os.environ.get(name) for name in payloads]
