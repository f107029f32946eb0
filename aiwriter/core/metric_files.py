"""Counts in files whose bytes the disk has promised.

prometheus-client maps files that are longer than what lies on the disk. When the disk is full, the first count that
touches a new page of such a file ends the process with SIGBUS: web, worker and all. So here every byte is written before it is
mapped, and where the disk has no room for it the counts of this process stay in its own memory, seen by nobody else.
"""

from __future__ import annotations

import logging
import mmap
import os
import socket
import struct
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
        self._alone = not read_mode and not _reserve(filename, _FIRST)
        if not self._alone:
            super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]
            return
        self._f = None  # type: ignore[assignment]
        self._fname, self._positions, self._used = filename, {}, 8
        self._capacity = _FIRST
        self._m = mmap.mmap(-1, _FIRST)
        self._m[0:4] = struct.pack("i", self._used)

    def _init_value(self, key: str) -> None:
        if self._used + len(key.encode()) + _ENTRY > self._capacity:
            self._alone = self._alone or not _reserve(self._fname, 2 * self._capacity)
            if self._alone:
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
