"""A process that has imported all that a worker imports and forks one whenever it is told to: `python -m tests.faults.prepared`.

Importing is nine tenths of what a worker takes to start, 2.5 s of processor time, and the tests start ten. What is forked
has no thread, no connection and no task yet: it goes through Celery's own command from its first line, with the settings
that a worker of its own would have read from the environment.

It reads lines, and answers each with one: `start LOG ARGUMENT…`, answered with the number of the process, whose parent it
is; `wait NUMBER SECONDS`, answered with how that process ended.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

from django.db import connections


def prepare() -> None:
    """Import what `celery -A aiwriter worker` imports before its first line of work."""
    sys.argv = ["celery", "worker"]  # what kind of process it is decides what is imported (`aiwriter.core.process`)
    import celery.bin.celery  # noqa: F401
    import django

    from aiwriter.celery import app

    django.setup()
    app.loader.import_default_modules()
    assert threading.active_count() == 1, threading.enumerate()
    assert not [each for each in connections.all(initialized_only=True) if each.connection], "it has asked the database"


def start(log: str, arguments: list[str]) -> int:
    """Fork a worker.

    Args:
        log: its output goes there.
        arguments: of `python -m celery`.

    Returns:
        the number of its process.
    """
    sys.stdout.flush()
    if number := os.fork():
        return number
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.argv = ["celery", *arguments]
    runpy.run_module("celery", run_name="__main__", alter_sys=True)  # ends with SystemExit
    raise AssertionError("Celery's command has returned")


def wait(number: int, seconds: float) -> str:
    """How a child has ended: its exit code, a signal below zero; "still running" after so many seconds."""
    end = time.monotonic() + seconds
    while not os.waitid(os.P_PID, number, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        if time.monotonic() > end:
            return "still running"
        time.sleep(0.02)
    return str(os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]))


def main() -> None:
    """Answer until the other side closes."""
    prepare()
    print("ready", flush=True)
    alive: set[int] = set()
    for line in sys.stdin:
        wish, *more = line.rstrip("\n").split("\t")
        if wish == "start":
            number = start(more[0], more[1:])
            alive.add(number)
            print(number, flush=True)
        else:
            ended = wait(int(more[0]), float(more[1]))
            if ended != "still running":
                alive.remove(int(more[0]))
            print(ended, flush=True)
    for number in alive:
        os.kill(number, signal.SIGKILL)


if __name__ == "__main__":
    main()
