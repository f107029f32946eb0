from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from aiwriter.core.errors import InvalidInput
from aiwriter.pluginhost.validation import migrate_options, options_problems, validate_options
from aiwriter_sdk import ConfigField, ConfigSchema, Descriptor, Secret

SCHEMA = ConfigSchema(
    fields=(
        ConfigField(name="base_url", type="url", label="Address", help="For example https://example.com."),
        ConfigField(name="size", type="int", label="Size", default=8, minimum=1, maximum=64),
        ConfigField(name="mode", type="choice", label="Mode", choices=("fast", "good"), required=False),
        ConfigField(name="key", type="secret", label="Key"),
    )
)
CARD = Descriptor(key="fake", kind="model", label="Fake", contract="1.0", target="a:B", config=SCHEMA)


def test_values_arrive_in_their_types() -> None:
    config = validate_options(SCHEMA, {"base_url": " https://example.com/v1 ", "size": "12"}, {"key": "abc"})
    assert dict(config) == {"base_url": "https://example.com/v1", "size": 12, "key": Secret("abc")}
    assert validate_options(SCHEMA, {"base_url": "https://a.b"}, {"key": Secret("x")}).integer("size") == 8


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        validate_options(SCHEMA, {"base_url": "ftp://x", "size": 100, "mode": "slow", "colour": "red", "key": "k"}, {})
    told = {detail.field: detail for detail in caught.value.details}
    assert set(told) == {"base_url", "size", "mode", "colour", "key"}
    assert all(detail.issue and detail.remedy for detail in told.values())
    assert "64" in told["size"].remedy


@pytest.mark.parametrize(
    "url",
    ["example.com", "javascript:alert(1)", "http://", "https://user:pw@example.com", "http://a b", "http://x:99999", "http://a\\b"],
)  # fmt: skip
def test_addresses_that_cannot_be_called_are_refused(url: str) -> None:
    assert [p.field for p in options_problems(SCHEMA, {"base_url": url}, {"key": "k"})] == ["base_url"]


@pytest.mark.parametrize("secret", ["", "  ", "line\nbreak", "nul\x00"])
def test_secrets_that_cannot_be_sent_are_refused_without_being_shown(secret: str) -> None:
    problems = options_problems(SCHEMA, {"base_url": "https://a.b"}, {"key": secret})
    assert [p.field for p in problems] == ["key"]
    assert secret.strip() == "" or secret not in repr(problems)


def upgrade(options: Mapping[str, object], version: int) -> Mapping[str, object]:
    if "boom" in options:
        raise SystemExit(1)
    if "none" in options:
        return None  # type: ignore[return-value]
    return {"base_url": options["address"], "from": version}


NEW = replace(CARD, config=replace(SCHEMA, version=3, migrate=upgrade))


def test_older_options_are_migrated() -> None:
    old = {"address": "https://a.b"}
    assert migrate_options(NEW, old, version=1) == {"base_url": "https://a.b", "from": 1}
    assert old == {"address": "https://a.b"}
    assert migrate_options(NEW, {"size": 1}, version=3) == {"size": 1}


@pytest.mark.parametrize(
    ("options", "version", "said"),
    [
        ({"boom": 1}, 1, "SystemExit"),
        ({"none": 1}, 1, "NoneType"),
        ({}, 2, "KeyError"),
        ({}, 4, "newer version"),
    ],
)
def test_a_migration_that_fails_is_told(options: dict[str, object], version: int, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        migrate_options(NEW, options, version=version)
    assert caught.value.remedy
