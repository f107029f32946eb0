"""Sending errors to a Sentry-protocol server: the only place where `sentry_sdk` is set up.

The library's own ways of looking at a program send variables, bodies, queries and the text of errors, with
`send_default_pii=False` as well. So none of them is switched on. What is sent is what the error inbox would have kept
(`aiwriter.core.crashes`), and whatever else calls the library, a plugin's code for instance, passes `before_send`, which
leaves of an event what is listed here and nothing besides. Requests go the guarded way out.
"""

from __future__ import annotations

import logging
import os
import queue
import socket
import threading
from collections.abc import Mapping
from typing import Any

from aiwriter import __version__
from aiwriter.core import crashes
from aiwriter.core.egress import post
from aiwriter.core.redact import redact_error
from aiwriter_sdk import BackendError

log = logging.getLogger(__name__)

_QUEUED, _TIMEOUT = 100, 10.0
_TAGS = ("part", "request_id", "workspace_id", "route", "logger")
_FRAME = ("filename", "function", "lineno", "in_app", "module", "context_line")


def start(dsn: str, environment: str) -> None:
    """Send the errors of this process there instead of into the inbox.

    Args:
        dsn: address and key of the project.
        environment: "production" …
    """
    import sentry_sdk

    sentry_sdk.init(
        dsn=dsn,
        transport=_transport_class(),
        environment=environment,
        release=__version__,
        default_integrations=False,
        auto_enabling_integrations=False,
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        send_default_pii=False,
        max_breadcrumbs=0,
        traces_sample_rate=None,
        auto_session_tracking=False,
        send_client_reports=False,
        before_send=scrubbed,  # type: ignore[arg-type]
        before_send_transaction=lambda event, hint: None,
        before_breadcrumb=lambda crumb, hint: None,
    )
    crashes.CrashHandler.deliver = _deliver


def _deliver(row: crashes.Noted) -> None:
    import sentry_sdk

    frames = [
        {
            "filename": frame["file"],
            "function": frame["function"],
            "lineno": frame["line"],
            "in_app": frame["own"],
            "context_line": frame["code"],
        }
        for frame in row["frames"]
    ]
    value: dict[str, Any] = {"type": row["kind"], "value": row["text"]}
    if frames:
        value["stacktrace"] = {"frames": frames}
    sentry_sdk.capture_event(
        {
            "level": "error",
            "timestamp": row["at"],
            "logger": row["logger"],
            "fingerprint": [row["mark"]],
            "exception": {"values": [value]},
            "tags": {name: row[name] for name in _TAGS if row.get(name)},
            "user": {"id": row["actor_id"]} if row["actor_id"] else {},
            "contexts": {"trace": {"trace_id": row["trace_id"], "span_id": "0" * 16}} if row["trace_id"] else {},
        }
    )


def scrubbed(event: Mapping[str, Any], hint: Mapping[str, Any]) -> dict[str, Any]:
    """What may leave of an event: types, places, redacted texts and our own marks.

    Args:
        event: as the library made it, whoever asked it to.
        hint: of the library; not used.
    """
    kept = {
        name: event[name]
        for name in ("event_id", "timestamp", "level", "platform", "release", "environment", "fingerprint")
        if name in event
    }
    kept["logger"] = str(event.get("logger") or "")[:100]
    kept["server_name"] = socket.gethostname()[:120]
    kept["tags"] = {name: str(value)[:200] for name, value in (event.get("tags") or {}).items() if name in _TAGS}
    if user := (event.get("user") or {}).get("id"):
        kept["user"] = {"id": str(user)[:80]}
    if trace := ((event.get("contexts") or {}).get("trace") or {}).get("trace_id"):
        kept["contexts"] = {"trace": {"trace_id": str(trace)[:32], "span_id": "0" * 16}}
    values = []
    for value in (event.get("exception") or {}).get("values") or []:
        frames = [
            {name: frame[name] for name in _FRAME if name in frame}
            for frame in ((value.get("stacktrace") or {}).get("frames") or [])
        ]
        one: dict[str, Any] = {
            "type": str(value.get("type") or "Error")[:200],
            "value": redact_error(str(value.get("value") or ""))[:500],
        }
        if frames:
            one["stacktrace"] = {"frames": frames}
        values.append(one)
    if values:
        kept["exception"] = {"values": values}
    elif told := event.get("message") or (event.get("logentry") or {}).get("message"):
        kept["message"] = redact_error(str(told))[:500]
    return kept


def _transport_class() -> type[Any]:
    from sentry_sdk.consts import EndpointType
    from sentry_sdk.transport import Transport

    class GuardedTransport(Transport):
        """Sends from a thread of its own, the guarded way; what cannot be sent is left, errors must not pile up."""

        def __init__(self, options: Any) -> None:
            super().__init__(options)
            if self.parsed_dsn is None:
                raise ValueError("there is no DSN")
            auth = self.parsed_dsn.to_auth("aiwriter")
            self._url = auth.get_api_url(EndpointType.ENVELOPE)
            self._headers = {
                "X-Sentry-Auth": str(auth.to_header()),
                "Content-Type": "application/x-sentry-envelope",
                "User-Agent": "AI-Writer",
            }
            self._waiting: queue.Queue[bytes] = queue.Queue(_QUEUED)
            self._owner = 0

        def capture_envelope(self, envelope: Any) -> None:
            if self._owner != os.getpid():
                # A worker's children are forks: threads stay behind in the parent.
                self._owner, self._waiting = os.getpid(), queue.Queue(_QUEUED)
                threading.Thread(target=self._send, name="error-reports", daemon=True).start()
            try:
                self._waiting.put_nowait(envelope.serialize())
            except queue.Full:
                self.record_lost_event("queue_overflow", "error")

        def flush(self, timeout: float, callback: Any = None) -> None:
            joining = threading.Thread(target=self._waiting.join, daemon=True)
            joining.start()
            joining.join(timeout)

        def _send(self) -> None:
            while True:
                body = self._waiting.get()
                try:
                    answer = post(self._url, headers=self._headers, content=body, timeout=_TIMEOUT, beginning=200)
                    if answer.status >= 300:
                        log.warning("the server for errors answered %s", answer.status)
                except BackendError as problem:
                    log.warning("an error could not be sent: %s", type(problem).__name__)
                except Exception:
                    log.warning("an error could not be sent", exc_info=True)
                finally:
                    self._waiting.task_done()

    return GuardedTransport
