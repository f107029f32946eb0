"""Secrets, configurations, errors, deadlines: the small values of the contract."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import time
from collections.abc import Mapping

import pytest

import aiwriter_sdk
from aiwriter_sdk import (
    AuthFailed,
    BackendError,
    CallControl,
    Config,
    ConfigField,
    ConfigInvalid,
    ConfigSchema,
    ContextTooLong,
    InvalidRequest,
    RateLimited,
    Secret,
    Unavailable,
)


def test_a_secret_shows_itself_only_when_it_is_revealed() -> None:
    secret = Secret("hunter2")
    shown = f"{secret} {secret!r} {secret!s} {secret:>30} {[secret]} { ({'key': secret}) }"
    assert "hunter2" not in shown
    assert secret.reveal() == "hunter2"
    assert not hasattr(secret, "__dict__")


def test_a_secret_is_not_pickled_but_may_be_copied() -> None:
    secret = Secret("hunter2")
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        pickle.dumps(Config({"key": secret}))
    assert copy.copy(secret) is secret
    assert copy.deepcopy({"key": secret})["key"] is secret


def test_secrets_compare_by_value_and_are_false_when_empty() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
    assert not Secret("")


def test_a_config_gives_values_in_their_types() -> None:
    config = Config({"url": "https://a.b", "size": "12", "ratio": 0.5, "on": False, "key": Secret("k"), "none": None})
    assert config.text("url") == "https://a.b"
    assert (config.text("none", "x"), config.text("missing")) == ("x", "")
    assert (config.integer("size"), config.integer("missing", 3)) == (12, 3)
    assert (config.number("ratio"), config.number("none", 1.5)) == (0.5, 1.5)
    assert config.flag("on", default=True) is False
    assert config.flag("missing", default=True) is True
    assert config.secret("key").reveal() == "k"
    assert not config.secret("missing")
    with pytest.raises(ConfigInvalid) as caught:
        config.secret("url")
    assert caught.value.field == "url"


def test_a_config_is_a_mapping_that_cannot_be_changed() -> None:
    source = {"a": 1}
    config = Config(source)
    source["a"] = 2
    assert isinstance(config, Mapping)
    assert dict(config) == {"a": 1}
    assert "1" not in repr(config)
    with pytest.raises(TypeError):
        config.values_["a"] = 3  # type: ignore[index]


def test_a_schema_knows_its_secrets() -> None:
    fields = (ConfigField(name="a", type="secret", label="A"), ConfigField(name="b", type="str", label="B"))
    assert ConfigSchema(fields=fields).secret_names == {"a"}


def test_errors_have_a_sentence_of_their_own() -> None:
    assert AuthFailed().message == "The provider refused the credentials."
    assert str(BackendError()) == "Something went wrong in or behind a backend."
    assert str(Unavailable("gone", remedy="wait")) == "gone"


def test_the_kinds_of_errors_are_stable() -> None:
    errors = [e for e in vars(aiwriter_sdk).values() if isinstance(e, type) and issubclass(e, BackendError)]
    assert {error.kind: error.retryable for error in errors} == {
        "error": False,
        "auth_failed": False,
        "cancelled": False,
        "config_invalid": False,
        "context_too_long": False,
        "invalid_request": False,
        "not_found": False,
        "quota_exceeded": False,
        "rate_limited": True,
        "refused": False,
        "timed_out": True,
        "unavailable": True,
        "unsupported": False,
    }
    assert issubclass(ContextTooLong, InvalidRequest)


def test_an_error_survives_pickling_with_its_details() -> None:
    error = pickle.loads(pickle.dumps(RateLimited("slow", retry_after=7, remedy="wait", provider_code="429")))
    assert (error.message, error.retry_after, error.remedy, error.provider_code) == ("slow", 7, "wait", "429")


def test_a_deadline_counts_down_to_zero() -> None:
    assert 9 < CallControl(deadline=time.monotonic() + 10).remaining() <= 10
    assert CallControl(deadline=time.monotonic() - 10).remaining() == 0


def test_the_sdk_is_light() -> None:
    probe = "import sys, aiwriter_sdk; print(sorted({m.partition('.')[0] for m in sys.modules} & set(sys.argv[1:])))"
    heavy = ("django", "httpx2", "httpx", "pytest", "aiwriter", "asyncio", "ssl", "http")
    done = subprocess.run([sys.executable, "-c", probe, *heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_exported() -> None:
    public = {
        name
        for name, value in vars(aiwriter_sdk).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith("aiwriter_sdk.")
    }
    assert public <= set(aiwriter_sdk.__all__)
    assert sorted(aiwriter_sdk.__all__, key=str.lower) == sorted(set(aiwriter_sdk.__all__), key=str.lower)
