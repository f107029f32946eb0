"""Every first-party plugin is a package that an operator can read about and install."""

from __future__ import annotations

import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from aiwriter_sdk import GROUPS, Descriptor

_PLUGINS = Path(__file__).resolve().parents[3] / "plugins"
_OURS = ("model-openai", "model-anthropic", "model-gemini", "storage-local", "storage-s3", "publish-wordpress")


def _descriptor(folder: str) -> Descriptor:
    kind, _, key = folder.partition("-")
    (entry,) = (e for e in entry_points(group=GROUPS[kind]) if e.name == key)
    descriptor = entry.load()
    assert isinstance(descriptor, Descriptor)
    return descriptor


@pytest.mark.parametrize("folder", _OURS)
def test_the_readme_has_a_row_for_every_option_and_names_the_grade(folder: str) -> None:
    readme = (_PLUGINS / folder / "README.md").read_text()
    descriptor = _descriptor(folder)
    rows = {line.split("`")[1]: line for line in readme.splitlines() if line.startswith("| `")}
    assert list(rows)[: len(descriptor.config.fields)] == [field.name for field in descriptor.config.fields]
    for field in descriptor.config.fields:
        assert field.help in rows[field.name]
    assert f"Contract {descriptor.contract}, {descriptor.kind} `{descriptor.key}`: conforms" in readme
    assert ", ".join(sorted(descriptor.capabilities)) in readme


@pytest.mark.parametrize("folder", _OURS)
def test_the_package_says_what_it_needs(folder: str) -> None:
    project = tomllib.loads((_PLUGINS / folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == f"aiwriter-{folder}"
    assert (project["version"], project["license"]) == ("1.0.0", "Apache-2.0")
    least = _descriptor(folder).contract
    assert f"aiwriter-sdk>={least},<2" in project["dependencies"]


@pytest.mark.parametrize("folder", _OURS)
def test_every_field_explains_itself(folder: str) -> None:
    for field in _descriptor(folder).config.fields:
        assert field.help or field.type == "secret", f"{field.name} has no help"
