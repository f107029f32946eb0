"""The pages for plugin authors say what the code says."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

import aiwriter_sdk
from aiwriter.pluginhost.discovery import State
from aiwriter_sdk import BackendError, calls, continuation, grammar, prices
from aiwriter_sdk.checks import CAPABILITIES
from tests.plugins import rule_table

PAGES = Path(__file__).parents[3] / "docs/plugins"
CONTRACT = (PAGES / "contract.md").read_text(encoding="utf-8")
WORDS = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`\n]+)`", CONTRACT))))


@pytest.mark.parametrize("name", aiwriter_sdk.__all__)
def test_every_exported_name_is_documented(name: str) -> None:
    assert name in WORDS


@pytest.mark.parametrize("name", aiwriter_sdk.__all__)
def test_every_field_and_method_is_documented(name: str) -> None:
    value = getattr(aiwriter_sdk, name)
    if not inspect.isclass(value) or issubclass(value, BackendError):
        return
    own = [
        n
        for n, v in vars(value).items()
        if not n.startswith("_") and (inspect.isfunction(v) or isinstance(v, property))
    ]
    if dataclasses.is_dataclass(value):
        own += [field.name for field in dataclasses.fields(value) if not field.name.endswith("_")]
    assert set(own) - WORDS == set()


@pytest.mark.parametrize("module", [calls, continuation, prices, grammar], ids=lambda m: m.__name__)
def test_every_name_of_the_help_is_documented(module: object) -> None:
    own = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and (name.isupper() or getattr(value, "__module__", "") == module.__name__)  # type: ignore[attr-defined]
    }
    assert own - WORDS == set()


def test_every_error_has_its_row() -> None:
    for name, error in vars(aiwriter_sdk).items():
        if inspect.isclass(error) and issubclass(error, BackendError):
            again = "yes" if error.retryable else "no"
            assert f"| `{name}` | `{error.kind}` | {again} |" in CONTRACT


def test_every_capability_is_documented() -> None:
    assert set().union(*CAPABILITIES.values()) <= WORDS


def test_every_state_is_explained() -> None:
    page = (PAGES / "index.md").read_text(encoding="utf-8")
    states = {state.value for state in State} - {State.FOUND.value}
    assert states <= set(re.findall(r"^\| (\w+) \|", page, re.MULTILINE))


def test_the_table_of_rules_is_the_suites() -> None:
    text = rule_table.PAGE.read_text(encoding="utf-8")
    assert rule_table.page(text) == text, "run: python -m tests.plugins.rule_table"
