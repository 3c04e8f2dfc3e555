"""Arms of a paired spec that do what arms may do."""

import os
import signal
import time


def one(instance, seed):
    return lambda: "1.0"


def same(instance, seed):
    return lambda: "1.0000001"


def other(instance, seed):
    return lambda: "2.0"


def raises(instance, seed):
    def task():
        raise ValueError("no such thing")

    return task


def lacks(instance, seed):
    raise ModuleNotFoundError("No module named 'nothing'")


def dies(instance, seed):
    os.kill(os.getpid(), signal.SIGKILL)


def sleeps(instance, seed):
    waits = iter([0.0, 60.0])
    return lambda: time.sleep(next(waits)) or "late"
