"""What is known about the present request or task, for logs, audit and error reports."""

from __future__ import annotations

import contextvars
import re
import uuid

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")
actor_id: contextvars.ContextVar[str] = contextvars.ContextVar("actor_id", default="")
client_ip: contextvars.ContextVar[str] = contextvars.ContextVar("client_ip", default="")

_ACCEPTED = re.compile(r"[A-Za-z0-9_-]{8,64}")


def accept_request_id(offered: str) -> str:
    """The client's request id if it is harmless in a log line, else a new one."""
    return offered if _ACCEPTED.fullmatch(offered) else uuid.uuid4().hex
