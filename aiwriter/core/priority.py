"""Work that may take longer gives way to what people wait for."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import select
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

# A ninth of the weight of other processes. Lower ones may wait for so long on a full machine that a lock which they
# hold holds up everybody else.
LEVEL = 10
# Since Linux 6.6 whoever wakes up waits for the end of the turn of whoever computes: 1.4 ms on two cores. Since 6.12 a
# process may ask for shorter turns; older kernels do not look at it.
_TURN_NANOSECONDS = 100_000
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
_CAP_SYS_NICE = 1 << 23
# How often work in spare time is looked at, what share of what it wants it must get, and how long it has a share of its own
# when it got less. Level 10 gets a tenth beside one process that computes without end.
_LOOK_SECONDS = 2.0
_ENOUGH = 0.1
_RELIEF_SECONDS = 30.0
# By the words after `manage.py`. A restore is not among them: people wait for it.
PATIENT = frozenset(
    {("backup",), ("verify",), ("drill",), ("prune",), *(("backup_job", kind) for kind in ("run", "drill", "staging"))}
)


class _Attributes(ctypes.Structure):
    """`struct sched_attr` of sched_setattr(2)."""

    _fields_ = [
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime", ctypes.c_uint64),
        ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    ]


def is_patient(words: Sequence[str]) -> bool:
    """Whether a command's work may take longer."""
    return any(tuple(words[: len(each)]) == each for each in PATIENT)


def give_way() -> None:
    """Let this process, and those that it starts, compute and use disks only as far as others leave room.

    Linux derives the rank of requests to a disk from it, too: (10 + 20) / 5 = 6 of 7. A process that gives way
    already stays as it is, and where the system refuses, nothing happens.
    """
    with suppress(OSError):
        level = os.nice(max(0, LEVEL - os.nice(0)))
        if os.getsid(0) == os.getpid():
            # Where the kernel groups processes by session, only the group's own level counts against other groups.
            with suppress(OSError):
                Path("/proc/self/autogroup").write_text(str(level))
        if sys.platform == "linux" and os.sched_getscheduler(0) == os.SCHED_OTHER:
            _in_short_turns(level)


def _in_short_turns(level: int, thread: int = 0) -> None:
    """As a batch: never ahead of somebody who computes already, and soon out of the way of somebody who wakes up."""
    number = _SCHED_SETATTR.get(platform.machine())
    if number is None or sys.platform != "linux":
        return
    wanted = _Attributes(size=ctypes.sizeof(_Attributes), policy=os.SCHED_BATCH, nice=level, runtime=_TURN_NANOSECONDS)
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).syscall(number, thread, ctypes.byref(wanted), 0)


@contextmanager
def spare_time() -> Iterator[None]:
    """Let a process that gave way, and the programs that it runs, compute only when a processor has nothing else to do.

    A level is not enough for those who wait for milliseconds. Whoever wakes up is put on a processor that is free, and one
    that runs a process of any level is not: with two processors, a database that reads for a dump on one and the dump's own
    work on the other, a writer waits for up to a tick (4 ms with 250 a second). One whose work is `SCHED_IDLE` counts as
    free, and is left at once (`available_idle_cpu` and `sched_idle_cpu` in Linux' kernel/sched/fair.c).

    Where nothing is spare, the work gets its share again for a while. Nothing happens where the system would not let it
    come back (neither CAP_SYS_NICE nor a limit for nice values), and in a process that did not give way.
    """
    if not _may_come_back():
        yield
        return
    # A process of its own: a thread would wait for the interpreter, which one that gets no processor may hold.
    command = [sys.executable, "-I", "-S", __file__, str(os.nice(0)), str(os.getpid())]
    watcher = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        # The end of its input ends it, as the death of this process would.
        watcher.communicate()


def _may_come_back() -> bool:
    if (
        sys.platform != "linux"
        or platform.machine() not in _SCHED_SETATTR
        or os.sched_getscheduler(0) != os.SCHED_BATCH
    ):
        return False
    with suppress(OSError, ValueError):
        _ran_and_waited(os.getpid(), threading.get_native_id())
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        limit = resource.getrlimit(resource.RLIMIT_NICE)[0]
        return bool(int(status["CapEff"], 16) & _CAP_SYS_NICE) or limit == -1 or limit >= 20 - os.nice(0)
    return False


def _ran_and_waited(process: int, thread: int) -> tuple[int, int]:
    """Nanoseconds that a thread computed, and that it could have and had no processor."""
    ran, waited, _ = Path(f"/proc/{process}/task/{thread}/schedstat").read_text().split()
    return int(ran), int(waited)


def _watch(level: int, process: int) -> None:
    """Move all threads of a process and its programs between the two, by what they get, until the input ends."""

    def over(seconds: float) -> bool:
        return bool(select.select([sys.stdin], [], [], seconds)[0])

    _put(process, level, spare=True)
    before = _sums(process)
    while not over(_LOOK_SECONDS):
        now = _sums(process)
        ran, waited = now[0] - before[0], now[1] - before[1]
        if waited > _LOOK_SECONDS * 5e8 and ran < _ENOUGH * (ran + waited):
            _put(process, level, spare=False)
            if over(_RELIEF_SECONDS):
                break
            _put(process, level, spare=True)
            now = _sums(process)
        before = now
    _put(process, level, spare=False)


def _threads(process: int) -> Iterator[tuple[int, int]]:
    """Of a process and of all that it has started, but for this one."""
    if process == os.getpid():
        return
    # A thread or a program may have ended meanwhile; a kernel may not tell who started whom.
    with suppress(OSError):
        for entry in list(os.scandir(f"/proc/{process}/task")):
            yield process, int(entry.name)
            with suppress(OSError):
                for child in Path(entry.path, "children").read_text().split():
                    yield from _threads(int(child))


def _put(process: int, level: int, *, spare: bool) -> None:
    for _, thread in _threads(process):
        with suppress(OSError):
            if spare:
                os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
            else:
                _in_short_turns(level, thread)


def _sums(process: int) -> tuple[int, int]:
    ran = waited = 0
    for owner, thread in _threads(process):
        with suppress(OSError, ValueError):
            found = _ran_and_waited(owner, thread)
            ran, waited = ran + found[0], waited + found[1]
    return ran, waited


__all__ = ["LEVEL", "PATIENT", "give_way", "is_patient", "spare_time"]

if __name__ == "__main__":
    _watch(int(sys.argv[1]), int(sys.argv[2]))
