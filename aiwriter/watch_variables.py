"""Variables of the log, of errors and of heartbeats; `aiwriter.env` has all of them."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiwriter.variables import Variable

V = Variable


def _dsn_problem(dsn: str) -> str:
    parts = urlsplit(dsn)
    if not dsn or (parts.scheme in ("http", "https") and parts.username and parts.hostname and parts.path.strip("/")):
        return ""
    return "is no DSN. Write it as the error tracker shows it: https://key@host/project."


WATCHING: tuple[Variable, ...] = (
    V(
        name="AIWRITER_LOG_LEVEL",
        type="choice",
        default="INFO",
        choices=("DEBUG", "INFO", "WARNING", "ERROR"),
        help="Least severe message that is logged.",
    ),
    V(
        name="AIWRITER_LOG_FORMAT",
        type="choice",
        default="console",
        choices=("console", "json"),
        help="Readable lines, or one JSON object a line for log collectors.",
    ),
    V(
        name="AIWRITER_LOG_DAYS",
        type="int",
        default=14,
        minimum=1,
        maximum=400,
        help="How long lines of the log are kept as files; then they are removed.",
    ),
    V(
        name="AIWRITER_LOG_MB",
        type="int",
        default=1024,
        minimum=16,
        maximum=1_000_000,
        help="How large these files may be together; beyond it the oldest go first.",
    ),
    V(
        name="AIWRITER_SENTRY_DSN",
        type="str",
        default="",
        secret=True,
        check=_dsn_problem,
        help="Errors are sent to this Sentry-protocol project, without values; empty: they stand in the console.",
    ),
    V(
        name="AIWRITER_OTLP_URL",
        type="url",
        default="",
        help="Traces go to this OpenTelemetry collector (OTLP over HTTP, such as http://collector:4318); empty: none are made.",
    ),
    V(
        name="AIWRITER_HEARTBEAT_URL",
        type="url",
        default="",
        secret=True,
        help="A dead-man's switch elsewhere: posted to once a minute while the portal is ready.",
    ),
)
