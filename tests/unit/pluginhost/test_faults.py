from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from aiwriter.pluginhost.faults import Origin, PluginLogger, mapped, violation
from aiwriter_sdk import BackendError, Config, ConfigInvalid, Descriptor, RateLimited, Secret, TimedOut

KEY = "k3y/with+signs=and ümlaut"
ORIGIN = Origin.of(
    Descriptor(key="fake", kind="model", label="Fake", contract="1.0", target="a:B"),
    config=Config({"key": Secret(KEY)}),
)


@pytest.mark.parametrize(
    "spelling", [KEY, quote(KEY, safe=""), base64.b64encode(KEY.encode()).decode(), repr(KEY)[1:-1]], ids=str
)
def test_every_spelling_of_a_secret_is_masked(spelling: str) -> None:
    assert spelling not in ORIGIN.clean(f"before {spelling} after")
    assert "after" in ORIGIN.clean(f"before {spelling} after")


def test_a_secret_across_the_cut_is_masked_whole() -> None:
    text = ORIGIN.clean("x" * 15 + KEY, limit=25)
    assert KEY[:5] not in text


def test_the_origin_shows_no_secret() -> None:
    assert KEY not in repr(ORIGIN)


def test_a_text_that_cannot_be_made_is_no_new_fault() -> None:
    class Hostile(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text for you")

    assert "Hostile" in mapped(Hostile(), ORIGIN).message


@pytest.mark.parametrize(
    ("wait", "kept"), [(7, 7.0), (0, 0.0), (-1, None), (float("nan"), None), ("7", None), (True, None), (1e9, 86_400.0)]
)
def test_waiting_times_are_plausible(wait: object, kept: float | None) -> None:
    error = mapped(RateLimited("slow", retry_after=wait), ORIGIN)  # type: ignore[arg-type]
    assert isinstance(error, RateLimited)
    assert error.retry_after == kept


def test_the_details_of_an_error_are_kept_and_masked() -> None:
    error = mapped(ConfigInvalid("no", field="base_url", remedy=f"not {KEY}", provider_code="e1"), ORIGIN)
    assert isinstance(error, ConfigInvalid)
    assert (error.field, error.remedy, error.provider_code) == ("base_url", "not [redacted]", "e1")


def test_a_timeout_of_the_plugins_own_is_one() -> None:
    assert isinstance(mapped(TimeoutError(), ORIGIN), TimedOut)


def test_a_violation_blames_the_plugin(caplog: pytest.LogCaptureFixture) -> None:
    assert "'fake'" in violation("it sings", ORIGIN).message
    assert isinstance(violation("it sings", ORIGIN), BackendError)
    assert "broke the contract: it sings" in caplog.text


@pytest.fixture
def lines() -> Iterator[list[logging.LogRecord]]:
    found: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = found.append  # type: ignore[method-assign]
    logger = logging.getLogger("aiwriter.plugins.fake")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield found
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def test_the_plugins_logger_masks_everything(lines: list[logging.LogRecord]) -> None:
    logger = PluginLogger(ORIGIN)
    logger.info("key %s and %d", KEY, 7)
    logger.warning("wrong format %d", KEY)
    try:
        raise ValueError(KEY)
    except ValueError:
        logger.exception("failed with %(key)s", {"key": KEY})
    said = [line.getMessage() for line in lines]
    assert said[0] == "key [redacted] and 7"
    assert said[2].startswith("failed with [redacted]")
    assert "ValueError: [redacted]" in said[2]
    assert KEY not in "".join(said)
    assert all((line.exc_info, line.plugin) == (None, "fake") for line in lines)  # type: ignore[attr-defined]
    assert lines[0].funcName == "test_the_plugins_logger_masks_everything"
