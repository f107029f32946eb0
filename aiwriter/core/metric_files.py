"""Counts in files whose bytes the disk has promised.

prometheus-client maps files that are longer than what lies on the disk. When the disk is full, the first count that
touches a new page of such a file ends the process with SIGBUS: web, worker and all. So here every byte is written before it is
mapped, and where the disk has no room for it the counts of this process stay in its own memory, seen by nobody else.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import re
import socket
import struct
from collections import defaultdict
from pathlib import Path

from prometheus_client import mmap_dict, values

log = logging.getLogger(__name__)

_FIRST = 1 << 16
# What an entry takes beside its key: two numbers, a length, padding.
_ENTRY = 32


class ReservedDict(mmap_dict.MmapedDict):
    """prometheus-client's dict of counts, without holes in its file.

    Args:
        filename: of the file.
        read_mode: only look.
    """

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        # Whether what is counted stays in this process.
        self.alone = not read_mode and not _reserve(filename, _FIRST)
        if not self.alone:
            super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]
            return
        self._f = None  # type: ignore[assignment]
        self._fname, self._positions, self._used = filename, {}, 8
        self._capacity = _FIRST
        self._m = mmap.mmap(-1, _FIRST)
        self._m[0:4] = struct.pack("i", self._used)

    def _init_value(self, key: str) -> None:
        if self._used + len(key.encode()) + _ENTRY > self._capacity:
            self.alone = self.alone or not _reserve(self._fname, 2 * self._capacity)
            if self.alone:
                larger = mmap.mmap(-1, 2 * self._capacity)
                larger[: self._capacity] = self._m[: self._capacity]
                self._m = larger
                self._capacity *= 2
        super()._init_value(key)  # type: ignore[no-untyped-call]


def _reserve(filename: str, size: int) -> bool:
    """Make a file at least so long with bytes that lie on the disk. Returns whether there was room."""
    try:
        with Path(filename).open("ab") as file:
            file.write(bytes(max(0, size - os.fstat(file.fileno()).st_size)))
    except OSError as error:
        log.warning("counts stay in this process, for there is no room for %s: %s", filename, error)
        return False
    return True


def use() -> None:
    """Let all figures of this process be kept so. Before the first one is made."""
    values.MmapedDict = ReservedDict  # type: ignore[attr-defined]
    if values.ValueClass is not values.MutexValue:
        # Containers that share the folder all have the same few process ids; two that write one file damage it.
        values.ValueClass = values.MultiProcessValue(lambda: f"{socket.gethostname()}-{os.getpid()}")  # type: ignore[no-untyped-call]


def settle_dead(folder: Path) -> int:
    """Put what dead processes of this machine counted into one file of each kind, and forget what they had open.

    Their files are not just removed: a sum that falls looks like a portal that began anew, and all of it would count again.

    Args:
        folder: where the processes count.

    Returns:
        how many files are gone.
    """
    if not folder.is_dir():
        return 0
    lock = os.open(folder / ".settling", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return sum(_settle(folder, kind, paths) for kind, paths in _dead(folder).items())
    except OSError as error:
        # Held by another watch, or a full disk: the next minute will do.
        log.info("counts of dead processes stay where they are: %s", error)
        return 0
    finally:
        os.close(lock)


def _dead(folder: Path) -> dict[str, list[Path]]:
    # Those of this machine only: nobody knows here which processes of another container live.
    own = re.compile(rf"(counter|histogram|summary|gauge_live\w+)_{re.escape(socket.gethostname())}-(\d+)\.db")
    found = defaultdict(list)
    for path in folder.glob("*.db"):
        match = own.fullmatch(path.name)
        if match and not _lives(int(match.group(2))):
            found[match.group(1)].append(path)
    return found


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _settle(folder: Path, kind: str, paths: list[Path]) -> int:
    if not kind.startswith("gauge"):
        sums: dict[str, tuple[float, float]] = {}
        kept = folder / f"{kind}_{socket.gethostname()}-gone.db"
        for path in [*paths, *([kept] if kept.exists() else [])]:
            for key, value, at, _ in mmap_dict.MmapedDict.read_all_values_from_file(path):  # type: ignore[no-untyped-call]
                before = sums.get(key, (0.0, 0.0))
                sums[key] = (before[0] + value, max(before[1], at))
        new = folder / f".{kind}.new"
        new.unlink(missing_ok=True)
        made = ReservedDict(str(new))
        for key, (value, at) in sums.items():
            made.write_value(key, value, at)  # type: ignore[no-untyped-call]
        if made.alone:
            new.unlink(missing_ok=True)
            return 0
        made.close()  # type: ignore[no-untyped-call]
        new.replace(kept)
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)
