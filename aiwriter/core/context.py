"""What is known about the present request or task, for logs, audit and error reports."""

from __future__ import annotations

import contextvars
import re
import uuid

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")
actor_id: contextvars.ContextVar[str] = contextvars.ContextVar("actor_id", default="")
workspace_id: contextvars.ContextVar[str] = contextvars.ContextVar("workspace_id", default="")
# The trace that the caller belongs to (W3C Trace Context), when it says so.
trace_id: contextvars.ContextVar[str] = contextvars.ContextVar("trace_id", default="")
client_ip: contextvars.ContextVar[str] = contextvars.ContextVar("client_ip", default="")

_TRACE = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_ACCEPTED = re.compile(r"[A-Za-z0-9_-]{8,64}")


def accept_request_id(offered: str) -> str:
    """The client's request id if it is harmless in a log line, else a new one."""
    return offered if _ACCEPTED.fullmatch(offered) else uuid.uuid4().hex


def accept_trace(offered: str) -> str:
    """The trace's id out of a `traceparent`; empty when it is none.

    Args:
        offered: what the client sent; only its shape of hexadecimal digits can get into a log line.
    """
    match = _TRACE.fullmatch(offered)
    return match.group(1) if match and match.group(1) != "0" * 32 else ""
