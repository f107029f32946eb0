"""Checks of the machine: processor, memory, disk, network, file descriptors, clock, certificates.

What needs a past (is the processor busy for ten minutes, when will the disk be full) keeps it in the memory of the
process that looks. After a restart such a check judges what it sees at once, and the rest when it knows enough.
"""

from __future__ import annotations

import datetime as dt
import os
import resource
import shutil
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

import psutil
from cryptography import x509
from django.conf import settings
from django.db import connection
from django.utils import timezone

from aiwriter.core import room
from apps.monitoring.services.checks import Result, check

DISK_WARN, DISK_FAIL = 0.10, room.SHARE
FULL_SOON_SECONDS = 24 * 3600.0
_TREND_SECONDS, _TREND_STEP = 6 * 3600.0, 300.0
_TREND_LEAST = 1800.0
BUSY, BUSY_SECONDS = 80.0, 600.0
MEMORY_WARN, MEMORY_FAIL = 0.10, 0.03
DESCRIPTORS_WARN = 0.80
SKEW_SECONDS = 2.0
CERTIFICATE_WARN, CERTIFICATE_FAIL = dt.timedelta(days=20), dt.timedelta(days=3)

_free: deque[tuple[float, int]] = deque()
_busy: deque[tuple[float, float]] = deque()
_packets: deque[tuple[int, int]] = deque(maxlen=1)


@check("disk", title="Disk of the data folder", interval=15, deadline=5)
def disk() -> Result:
    """How much space the data folder has left, and when that is gone at the present pace."""
    usage = shutil.disk_usage(settings.DATA_DIR)
    share = usage.free / usage.total if usage.total else 0.0
    message = f"{usage.free / 2**30:.1f} GiB of {usage.total / 2**30:.1f} GiB are free ({share:.0%})."
    remedy = f"Make space on the disk of {settings.DATA_DIR}, or move the data folder to a larger one."
    data: dict[str, float] = {"free_bytes": usage.free, "total_bytes": usage.total}
    left = seconds_until_full(time.monotonic(), usage.free)
    if left is not None:
        data["full_in_seconds"] = round(left)
    if share < DISK_FAIL:
        return Result(status="fail", message=message, remedy=remedy, data=data)
    if left is not None and left < FULL_SOON_SECONDS:
        soon = f"{message} At the pace of the last hours it is full in {left / 3600:.1f} hours."
        return Result(status="warn", message=soon, remedy=remedy, data=data)
    if share < DISK_WARN:
        return Result(status="warn", message=message, remedy=remedy, data=data)
    return Result(status="ok", message=message, data=data)


def seconds_until_full(now: float, free: int) -> float | None:
    """When the space is gone, by the line through the last six hours; None while it is not shrinking, or not known.

    Args:
        now: on a steady clock.
        free: bytes that are free now; remembered.
    """
    if not _free or now - _free[-1][0] >= _TREND_STEP:
        _free.append((now, free))
    while _free and now - _free[0][0] > _TREND_SECONDS:
        _free.popleft()
    points = [*_free, (now, free)]
    if now - points[0][0] < _TREND_LEAST:
        return None
    middle_t = sum(t for t, _ in points) / len(points)
    middle_f = sum(f for _, f in points) / len(points)
    spread = sum((t - middle_t) ** 2 for t, _ in points)
    slope = sum((t - middle_t) * (f - middle_f) for t, f in points) / spread if spread else 0.0
    return free / -slope if slope < 0 else None


@check("processor", title="Processor", interval=15, deadline=5)
def processor() -> Result:
    """Whether the processor has been busy for ten minutes on end."""
    now = time.monotonic()
    share = psutil.cpu_percent(interval=0.2)
    _busy.append((now, share))
    while _busy and now - _busy[0][0] > BUSY_SECONDS:
        _busy.popleft()
    load = os.getloadavg()[0]
    data = {"busy_percent": share, "load": round(load, 2), "processors": float(os.cpu_count() or 1)}
    message = f"{share:.0f} % busy, load {load:.1f} on {os.cpu_count()} processors."
    if now - _busy[0][0] > BUSY_SECONDS * 0.9 and min(each for _, each in _busy) > BUSY:
        return Result(
            status="warn",
            message=f"{message} For ten minutes it has never been below {BUSY:.0f} %.",
            remedy="Find the process that takes it, or give the machine more processors.",
            data=data,
        )
    return Result(status="ok", message=message, data=data)


@check("memory", title="Memory", interval=30, deadline=5)
def memory() -> Result:
    """How much memory is left, and how much the portal's own processes hold."""
    found = psutil.virtual_memory()
    share = found.available / found.total if found.total else 0.0
    own = portal_memory()
    data = {
        "available_bytes": float(found.available),
        "total_bytes": float(found.total),
        "swap_used_bytes": float(psutil.swap_memory().used),
        **{f"{part}_bytes": float(size) for part, size in own.items()},
    }
    message = (
        f"{found.available / 2**30:.1f} GiB of {found.total / 2**30:.1f} GiB can be had; "
        f"the portal holds {sum(own.values()) / 2**20:.0f} MiB."
    )
    if share < MEMORY_WARN:
        return Result(
            status="fail" if share < MEMORY_FAIL else "warn",
            message=message,
            remedy="Stop what is not needed, lower AIWRITER_WORKER_CONCURRENCY, or give the machine more memory.",
            data=data,
        )
    return Result(status="ok", message=message, data=data)


def _processes() -> dict[str, psutil.Process]:
    """The portal's processes on this machine, by part, as the supervisor wrote them down; else this one."""
    found = {}
    for file in sorted((Path(settings.DATA_DIR) / "run").glob("*.pid")):
        with suppress(OSError, ValueError, psutil.Error):
            found[file.stem] = psutil.Process(int(file.read_text()))
    return found or {"watch": psutil.Process()}


def portal_memory() -> dict[str, int]:
    """Bytes of memory that each part holds."""
    sizes = {}
    for part, process in _processes().items():
        with suppress(psutil.Error):
            sizes[part] = int(process.memory_info().rss)
    return sizes


@check("descriptors", title="Open files", interval=60, deadline=5)
def descriptors() -> Result:
    """How near the portal's processes are to the most files and connections that each may have open."""
    worst, data = ("", 0.0), {}
    for part, process in _processes().items():
        with suppress(psutil.Error, AttributeError):
            opened = process.num_fds()
            limit = process.rlimit(resource.RLIMIT_NOFILE)[0] if hasattr(process, "rlimit") else 0
            data[f"{part}_open"] = float(opened)
            if limit > 0 and opened / limit > worst[1]:
                worst = (part, opened / limit)
    message = f"At most {worst[1]:.0%} of what a process may open, in {worst[0]}." if worst[0] else "Not near a limit."
    if worst[1] > DESCRIPTORS_WARN:
        return Result(
            status="warn", message=message, remedy="Raise the limit (ulimit -n, LimitNOFILE=), and restart.", data=data
        )
    return Result(status="ok", message=message, data=data)


@check("network", title="Network", interval=60, deadline=5)
def network() -> Result:
    """Whether packets are damaged or dropped since the last look."""
    found = psutil.net_io_counters()
    if found is None:
        return Result(status="ok", message="No network device is known.")
    bad = found.errin + found.errout + found.dropin + found.dropout
    every = found.packets_recv + found.packets_sent
    before = _packets[0] if _packets else (bad, every)
    _packets.append((bad, every))
    lost, sent = max(bad - before[0], 0), max(every - before[1], 0)
    data = {"errors": float(lost), "packets": float(sent)}
    if lost > 10 and lost > sent * 0.01:
        return Result(
            status="warn",
            message=f"{lost} of {sent} packets were damaged or dropped since the last look.",
            remedy="Look at the network device, its cable and its driver (ip -s link).",
            data=data,
        )
    return Result(status="ok", message=f"{lost} of {sent} packets were damaged or dropped.", data=data)


@check("clock", title="Clock", interval=60, deadline=5)
def clock() -> Result:
    """Whether this machine and the database agree on the time; expiry of tokens and leases depends on it."""
    if connection.vendor != "postgresql":
        return Result(status="ok", message="The database lives on this machine and has its clock.")
    with connection.cursor() as cursor:
        before = timezone.now()
        cursor.execute("SELECT clock_timestamp()")
        theirs: dt.datetime = cursor.fetchone()[0]
        after = timezone.now()
    skew = (theirs - (before + (after - before) / 2)).total_seconds()
    data = {"skew_seconds": round(skew, 3)}
    if abs(skew) > SKEW_SECONDS:
        return Result(
            status="warn",
            message=f"The database's clock is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} this machine's.",
            remedy="Let both machines take the time from the same place (chrony, systemd-timesyncd).",
            data=data,
        )
    return Result(status="ok", message=f"The database's clock differs by {abs(skew) * 1000:.0f} ms.", data=data)


@check("certificates", title="Certificates", interval=3600, deadline=5)
def certificates() -> Result:
    """When the first of the certificates of AIWRITER_CERTIFICATES ends."""
    if not settings.CERTIFICATES:
        return Result(status="ok", message="None is watched (AIWRITER_CERTIFICATES).")
    ends: list[tuple[dt.datetime, str]] = []
    for name in settings.CERTIFICATES:
        try:
            for each in x509.load_pem_x509_certificates(Path(name).read_bytes()):
                ends.append((each.not_valid_after_utc, name))
        except (OSError, ValueError) as error:
            return Result(
                status="fail",
                message=f"{name} cannot be read as a certificate: {type(error).__name__}.",
                remedy="Correct AIWRITER_CERTIFICATES, or give the portal's user the right to read the file.",
            )
    end, name = min(ends)
    left = end - timezone.now()
    data = {"days_left": round(left.total_seconds() / 86400, 1)}
    message = f"{name} ends on {end:%Y-%m-%d}, in {left.days} days."
    if left < CERTIFICATE_WARN:
        return Result(
            status="fail" if left < CERTIFICATE_FAIL else "warn",
            message=message,
            remedy="Renew it, and restart what serves it.",
            data=data,
        )
    return Result(status="ok", message=message, data=data)
