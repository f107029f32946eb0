"""Work that may take longer gives way to what people wait for."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

# A ninth of the weight of other processes. Lower ones may wait for so long on a full machine that a lock which they
# hold holds up everybody else.
LEVEL = 10
# Since Linux 6.6 whoever wakes up waits for the end of the turn of whoever computes: 1.4 ms on two cores. Since 6.12 a
# process may ask for shorter turns; older kernels do not look at it.
_TURN_NANOSECONDS = 100_000
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
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
        _in_short_turns(level)


def _in_short_turns(level: int) -> None:
    """As a batch: never ahead of somebody who computes already, and soon out of the way of somebody who wakes up."""
    number = _SCHED_SETATTR.get(platform.machine())
    if number is None or sys.platform != "linux" or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return
    wanted = _Attributes(size=ctypes.sizeof(_Attributes), policy=os.SCHED_BATCH, nice=level, runtime=_TURN_NANOSECONDS)
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).syscall(number, 0, ctypes.byref(wanted), 0)


__all__ = ["LEVEL", "PATIENT", "give_way", "is_patient"]
