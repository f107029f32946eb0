"""The backend: a folder, its health and how full it is."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from django.core.files.storage import Storage

from aiwriter_sdk import (
    BackendContext,
    CallControl,
    Config,
    ConfigInvalid,
    Health,
    QuotaExceeded,
    StorageBackend,
    StorageUsage,
    TimedOut,
)
from aiwriter_storage_local.faults import explained, fault
from aiwriter_storage_local.files import INCOMING, LocalFiles

_COUNTING = 2.0
_PROBE = 4096
_T = TypeVar("_T")


class LocalBackend(StorageBackend):
    """One folder. Nothing is touched before it is used."""

    def __init__(self, config: Config, context: BackendContext) -> None:
        super().__init__(config, context)
        root = Path(config.text("root") or context.data_dir)
        if not root.is_absolute() or root == Path(root.anchor) or "\x00" in str(root):
            remedy = "Enter a folder of its own, such as /srv/aiwriter/files."
            raise ConfigInvalid("The folder is not an absolute path below /.", field="root", remedy=remedy)
        self._root = str(root)
        self._files = LocalFiles(self._root)

    def storage(self) -> Storage:
        """The folder as a Django `Storage`; the same object each time."""
        return self._files

    async def health(self, *, control: CallControl) -> Health:
        """Write, read and remove a few bytes, and look at the free space; leaves nothing behind, not even the folder."""
        begin = time.monotonic()
        try:
            free = await _in_time(control, self._probe)
        except QuotaExceeded as error:
            return Health(status="fail", detail=f"{error.message} {error.remedy}", data={"free_bytes": 0.0})
        data = {"latency_ms": (time.monotonic() - begin) * 1000, "free_bytes": float(free)}
        least = self.config.integer("min_free_mb", 1024)
        if free < least * 1_000_000:
            detail = f"Only {free // 1_000_000} MB are free in {self._root}; the warning begins below {least} MB."
            return Health(status="warn", detail=detail, data=data)
        return Health(status="ok", detail=f"{free // 1_000_000} MB are free.", data=data)

    async def usage(self, *, control: CallControl) -> StorageUsage:
        """Free bytes, and used ones where they can be counted within two seconds."""
        return await _in_time(control, self._usage, min(_COUNTING, control.remaining() / 2))

    def _probe(self) -> int:
        """Free bytes, after a round trip.

        Raises:
            ConfigInvalid: the folder cannot be made or written.
            QuotaExceeded: the disk is full.
            Unavailable: it gives back something else than was written.
        """
        try:
            folder = self._nearest()
            self._round_trip(folder)
            return _free(folder)
        except OSError as error:
            raise fault(error, self._root) from error

    def _round_trip(self, folder: Path) -> None:
        sent = secrets.token_bytes(_PROBE)
        # Among the unfinished files where there are some, so that no listing shows it.
        place = folder / INCOMING if (folder / INCOMING).is_dir() else folder
        probe = place / f".health-{secrets.token_hex(8)}"
        try:
            with os.fdopen(os.open(probe, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w+b") as file:
                file.write(sent)
                file.flush()
                os.fsync(file.fileno())
                file.seek(0)
                if file.read() != sent:
                    raise fault(OSError(5, "read something else"), self._root)
        finally:
            probe.unlink(missing_ok=True)

    def _nearest(self) -> Path:
        """The folder, or where it does not exist yet the nearest one above it, in which it will be made."""
        root = Path(os.path.realpath(self._root))
        nearest = next(one for one in (root, *root.parents) if one.exists())
        if not nearest.is_dir():
            raise NotADirectoryError(20, "not a folder")
        return nearest

    def _usage(self, seconds: float) -> StorageUsage:
        with explained(self._root):
            return StorageUsage(used_bytes=_used(Path(self._root), seconds), free_bytes=_free(self._nearest()))


async def _in_time(control: CallControl, work: Callable[..., _T], *args: object) -> _T:
    # The thread of a hanging network disk cannot be ended, but nobody has to wait for it.
    try:
        async with asyncio.timeout(control.remaining()):
            return await asyncio.to_thread(work, *args)
    except TimeoutError:
        raise TimedOut("The disk did not answer in the time given.") from None


def _free(folder: Path) -> int:
    stat = os.statvfs(folder)
    return stat.f_bavail * stat.f_frsize


def _used(root: Path, seconds: float) -> int | None:
    """Bytes of all files; None when counting takes longer than `seconds`."""
    end = time.monotonic() + seconds
    total = 0
    for folder, _, names in os.walk(root):
        for name in names:
            try:
                total += os.lstat(f"{folder}/{name}").st_size
            except FileNotFoundError:
                continue  # deleted meanwhile
        if time.monotonic() > end:
            return None
    return total
