"""Log lines: nothing secret, nothing forged, nothing said every second."""

from __future__ import annotations

import json
import logging
import signal
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from aiwriter.core.context import accept_request_id, accept_trace
from aiwriter.core.logs import ConsoleFormatter, JsonFormatter, ProbeFilter, RedactingFilter
from aiwriter.core.redact import redact, redact_error
from apps.content.retrieval import hybrid
from apps.content.selectors.searching import query_words


def record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("test", logging.WARNING, __file__, 1, message, args, None)
    for name, value in extra.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    "secret",
    [
        "sk-abcdefghijklmnop1234",
        "Bearer aiw_0123456789abcdef",
        "postgres://user:hunter2secret@db/name",
        "api_key=abcd1234efgh",
        '"password": "correct-horse"',
    ],
)
def test_shapes_of_secrets_are_masked(secret: str) -> None:
    line = record("calling with %s", secret)
    assert RedactingFilter().filter(line)
    shown = JsonFormatter().format(line)
    assert "[redacted]" in shown
    for part in ("abcdefghijklmnop1234", "0123456789abcdef", "hunter2secret", "abcd1234efgh", "correct-horse"):
        assert part not in shown


@pytest.mark.parametrize(
    "piece",
    ["a", "password", "secret-", "token ", "bearer ", "://", "://:", "a@", "=(", "'", '"', "“", "sk-", "a1-", "é1a"],
)
@pytest.mark.parametrize(
    "read",
    [redact, redact_error, accept_request_id, accept_trace, query_words, hybrid._EXACT.search],
    ids=lambda read: read.__name__,
)
def test_a_hundred_thousand_letters_are_read_once(piece: str, read: Callable[[str], object]) -> None:
    # A pattern that looks at every place again from every place takes minutes for them, and the others 0.1 s.
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.alarm(15)
    try:
        read((piece * 100_000)[:100_000])
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("breaker", ["\n", "\r\n", "\u2028", "\x1b[31m", "\x00"])
def test_a_message_cannot_forge_a_line(breaker: str) -> None:
    line = record("user said %s", f"hello{breaker}ERROR all is lost")
    RedactingFilter().filter(line)
    formatted = JsonFormatter().format(line)
    assert len(formatted.splitlines()) == 1 or breaker == "\u2028"
    assert json.loads(formatted)["message"].startswith("user said hello")
    console = ConsoleFormatter().format(line)
    assert breaker not in console


def test_answers_of_the_probe_are_not_logged() -> None:
    probe = record("Service Unavailable: %s", "/readyz", request=SimpleNamespace(path="/readyz"))
    page = record("Service Unavailable: %s", "/x", request=SimpleNamespace(path="/x"))
    assert not ProbeFilter().filter(probe)
    assert ProbeFilter().filter(page)
