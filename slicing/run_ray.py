"""Workers on a Ray cluster; needs ray, the extra `ray`.

A worker is an actor with one core. Ray restarts none: one that dies, with its node or alone, is
replaced by the pool, on whatever node has a core free.
"""

from __future__ import annotations

import importlib
import logging
import pickle
import time
from collections.abc import Sequence
from typing import Any

from ..engine.errors import InputError, UnsupportedError
from .pools import Crew, Worker
from .work import Work, line_of
from .worker import Died, Packed, Raised, Returned, unpacked

Heard = tuple[Worker, Returned | Raised | Died]


def cluster(work: Work, workers: int | None = None, address: str | None = None) -> Crew:
    """Return a pool of workers on a Ray cluster.

    The modules of the work, and the files that it loads, have to be on every node.

    Args:
        work: what is done to the cells.
        workers: how many actors; None for as many as the cluster has cores now.
        address: of the cluster, such as ``auto`` or ``HOST:6379``; None for the one that this
            process has already joined.

    Raises:
        UnsupportedError: ray is not installed.
        InputError: the cluster is not reached, has no core, or the work cannot be pickled.
    """
    ground = Cluster(work, address)
    try:
        return Crew(ground, ground.cores() if workers is None else workers)
    except BaseException:
        ground.close()
        raise


class Cluster:
    """The ground that is a Ray cluster; see `pools.Ground`.

    Raises:
        UnsupportedError: ray is not installed.
        InputError: the cluster is not reached, or the work cannot be pickled.
    """

    def __init__(self, work: Work, address: str | None = None) -> None:
        try:
            self._ray: Any = importlib.import_module("ray")
        except ImportError:
            raise UnsupportedError(
                "a Ray cluster: ray is not installed: pip install 'secateur[ray]'"
            ) from None
        try:
            self._work = pickle.dumps(work)
        except Exception as error:
            raise InputError(
                f"the work cannot be sent to a worker ({line_of(error)}): its functions have to "
                "stand in modules"
            ) from error
        self._joined = not self._ray.is_initialized()
        if self._joined:
            try:
                self._ray.init(
                    address=address or "auto", log_to_driver=False, logging_level=logging.WARNING
                )
            except Exception as error:
                raise InputError(
                    f"Ray cluster {address or 'auto'}: cannot be reached ({line_of(error)}): start "
                    "one with `ray start --head`, or name another address"
                ) from error
        remote = self._ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)
        self._actor = remote(Packed)
        self._asked: dict[Any, _Actor] = {}
        self._said: list[Heard] = []

    def cores(self) -> int:
        """Return how many cores the cluster has now.

        Raises:
            InputError: none.
        """
        cores = int(self._ray.cluster_resources().get("CPU", 0))
        if cores < 1:
            raise InputError("the Ray cluster has no core: add a node to it")
        return cores

    def start(self) -> Worker:
        """Return a new worker, which begins to load once the cluster has a core for it."""
        return _Actor(self, self._actor.remote(self._work))

    def hear(self, seconds: float) -> list[Heard]:
        """Return the replies that came, after this many seconds at the latest."""
        heard, self._said = self._said, []
        if heard or not self._asked:
            time.sleep(0.0 if heard else seconds)
            return heard
        asked = list(self._asked)
        ready, _ = self._ray.wait(asked, num_returns=1, timeout=seconds)
        if ready:  # whatever else is there already comes along
            ready, _ = self._ray.wait(asked, num_returns=len(asked), timeout=0)
        for reference in ready:
            worker = self._asked.pop(reference)
            heard.append((worker, self._reply(reference)))
        return heard

    def close(self) -> None:
        """End what this run has on the cluster, and leave the cluster if the run had joined it."""
        self._asked = {}
        if self._joined and self._ray.is_initialized():
            self._ray.shutdown()

    def ask(self, worker: _Actor, method: Any, *given: bytes) -> None:
        """Call a method of an actor; the reply is heard as the worker's."""
        try:
            self._asked[method.remote(*given)] = worker
        except Exception as error:
            self._said.append((worker, Died(line_of(error))))

    def say(self, worker: _Actor, reply: Raised) -> None:
        """Let a reply be heard that needs no actor."""
        self._said.append((worker, reply))

    def drop(self, worker: _Actor, actor: Any) -> None:
        """End an actor at once and hear no more of its worker."""
        self._asked = {one: other for one, other in self._asked.items() if other is not worker}
        self._said = [(other, reply) for other, reply in self._said if other is not worker]
        try:
            self._ray.kill(actor, no_restart=True)
        except Exception:  # it is gone, or the cluster is
            return

    def _reply(self, reference: Any) -> Returned | Raised | Died:
        try:
            return unpacked(self._ray.get(reference))
        except Exception as error:  # the bench answers with its own errors; this is the actor's end
            return Died(f"its worker ended ({type(error).__name__})")


class _Actor:
    """A worker: one actor."""

    def __init__(self, ground: Cluster, actor: Any) -> None:
        self._ground = ground
        self._actor = actor
        ground.ask(self, actor.load)

    def give(self, payloads: Sequence[Any]) -> None:
        """Send it a batch."""
        try:
            data = pickle.dumps(tuple(payloads))
        except Exception as error:
            self._ground.say(self, Raised(line_of(error), 0.0))
        else:
            self._ground.ask(self, self._actor.answer, data)

    def kill(self) -> None:
        """End it at once; no reply of it is heard any more."""
        self._ground.drop(self, self._actor)
