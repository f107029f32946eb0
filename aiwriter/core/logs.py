"""Log lines: redacted, with the request's id, one line each."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

import orjson

from aiwriter.core import context
from aiwriter.core.crashes import part
from aiwriter.core.redact import redact


class RedactingFilter(logging.Filter):
    """Renders the message once, masks secrets in it, and adds what is known of the request."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record in place; keeps every record."""
        if getattr(record, "redacted", False):
            # Two handlers have this filter, and masking costs 30 µs.
            return True
        record.msg = redact(record.getMessage())
        record.args = ()
        record.redacted = True
        record.request_id = context.request_id.get()
        record.actor_id = context.actor_id.get()
        record.workspace_id = context.workspace_id.get()
        record.trace_id = context.trace_id.get()
        return True


class ProbeFilter(logging.Filter):
    """Drops the line that Django logs for each 503 of a probe: it is asked every second and its answer is stored."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep all but answers of `/readyz`."""
        return getattr(getattr(record, "request", None), "path", "") != "/readyz"


class JsonFormatter(logging.Formatter):
    """One JSON object a line; line breaks and control characters of a message cannot forge another line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, object] = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for key in ("request_id", "actor_id", "workspace_id", "trace_id"):
            if value := getattr(record, key, ""):
                line[key] = value
        if facts := getattr(record, "facts", None):
            line |= facts
        line["part"] = part()
        if record.exc_info:
            line["exception"] = redact(self.formatException(record.exc_info))
        return orjson.dumps(line).decode()


class ConsoleFormatter(logging.Formatter):
    """Readable lines for a terminal; control characters are shown as escapes."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, and the traceback below it if there is one."""
        moment = dt.datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        message = (
            record.getMessage().encode("unicode_escape").decode("ascii")
            if not record.getMessage().isprintable()
            else record.getMessage()
        )
        text = f"{moment} {record.levelname.lower():7} {record.name}: {message}"
        if record.exc_info:
            text += "\n" + redact(self.formatException(record.exc_info))
        return text


_RANK = ("DEBUG", "INFO", "WARNING", "ERROR")


def logging_settings(*, level: str, form: str, errors: str, folder: str) -> dict[str, Any]:
    """Django's `LOGGING`: everything to standard error, redacted.

    Args:
        level: of the root logger.
        form: "console" or "json".
        errors: folder where this process notes its errors.
        folder: where the log is kept as files.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "redact": {"()": "aiwriter.core.logs.RedactingFilter"},
            "probes": {"()": "aiwriter.core.logs.ProbeFilter"},
        },
        "formatters": {
            "console": {"()": "aiwriter.core.logs.ConsoleFormatter"},
            "json": {"()": "aiwriter.core.logs.JsonFormatter"},
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "filters": ["redact"],
                "formatter": form,
                # A capture lets debug lines through to its own file; they go nowhere else.
                "level": level,
            },
            # Always JSON: it is searched.
            "files": {
                "class": "aiwriter.core.logfiles.HourFileHandler",
                "folder": folder,
                "filters": ["redact"],
                "formatter": "json",
                "level": min(level, "INFO", key=_RANK.index),
            },
            "captures": {
                "class": "aiwriter.core.captures.CaptureHandler",
                "filters": ["redact"],
                "formatter": "json",
            },
            "errors": {"class": "aiwriter.core.crashes.CrashHandler", "folder": errors},
        },
        "root": {"handlers": ["errors", "stderr", "files", "captures"], "level": level},
        "loggers": {
            "django": {"level": "INFO", "propagate": True, "handlers": []},
            # A line for each request, for the files only.
            "aiwriter.requests": {"level": "INFO", "propagate": False, "handlers": ["files", "captures"]},
            "django.request": {"filters": ["probes"]},
            "django.server": {"level": "WARNING", "propagate": True, "handlers": []},
            "celery": {"level": "WARNING"},
            "kombu": {"level": "WARNING"},
            "httpx2": {"level": "WARNING"},
            "httpcore2": {"level": "WARNING"},
            "chromadb": {"level": "ERROR"},
            "uvicorn.access": {"level": "WARNING", "propagate": True, "handlers": []},
        },
    }
