"""Identifiers."""

from __future__ import annotations

import datetime as dt
import os
import time
import uuid


def uuid7() -> uuid.UUID:
    """A UUID version 7 (RFC 9562, section 5.7): sorts by time, so B-trees grow at their right edge."""
    value = int(time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    return uuid.UUID(int=value)


def uuid7_from(moment: dt.datetime) -> uuid.UUID:
    """The least that `uuid7` could have made at a moment: what was made since then is found by the primary key."""
    return uuid.UUID(int=int(moment.timestamp() * 1000) << 80 | 0x7 << 76 | 0x2 << 62)
