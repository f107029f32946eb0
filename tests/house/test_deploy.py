"""Every file of deploy/ can be read by the program that it is for, as far as that program is here."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from aiwriter import env
from tests.lab import deploylint

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
TRACKED = deploylint.tracked()
# Helm's and Ansible's own languages stand around the YAML of these.
TEMPLATES = ("helm/aiwriter/templates",)


def test_every_yaml_and_json_file_is_read() -> None:
    for path in TRACKED:
        inside = path.relative_to(DEPLOY).as_posix()
        if inside.startswith(TEMPLATES):
            continue
        if path.suffix in (".yml", ".yaml"):
            assert list(yaml.safe_load_all(path.read_text())), inside
        elif path.suffix == ".json":
            json.loads(path.read_text())


def test_every_script_is_read_and_can_be_started() -> None:
    found = deploylint.scripts()
    assert len(found) >= 5
    for path in found:
        assert path.stat().st_mode & 0o111, f"{path} cannot be started"
        assert deploylint.said_by("sh", "-n", str(path)) == ""


@pytest.mark.parametrize("name", ["shellcheck", "haproxy", "caddy", "nginx", "nft", "systemd-analyze"])
def test_the_program_that_a_file_is_for_is_content(name: str) -> None:
    program = deploylint.program(name)
    if not program:
        pytest.skip(f"{name} is not installed")
    assert deploylint.LINTS[name](program) == ""


def test_every_variable_that_is_set_exists() -> None:
    """The portal refuses an unknown AIWRITER_… variable, so one that is misspelt here would stop its start."""
    known = {variable.name for variable in env.VARIABLES} | {f"{variable.name}_FILE" for variable in env.VARIABLES}
    # What Compose itself reads to fill its files, and what the plan of an installation is made of.
    own = set()
    for path in DEPLOY.glob("compose/*.yml"):
        own |= set(re.findall(r"\$\{(AIWRITER_\w+)", path.read_text()))
    found: dict[str, set[str]] = {}
    for path in TRACKED:
        if path.suffix in (".png", ".json") or "rescue" in path.parts or "agent" in path.parts:
            continue
        for name in re.findall(r"\b(AIWRITER_[A-Z0-9_]*[A-Z0-9])\b", path.read_text(errors="ignore")):
            if name not in known and name not in own and not name.startswith("AIWRITER_SECRET_"):
                found.setdefault(name, set()).add(path.relative_to(DEPLOY).as_posix())
    assert found == {}


def test_the_chart_knows_its_values() -> None:
    """Each value has a place in the schema, and nothing else is let in."""
    values = yaml.safe_load((DEPLOY / "helm/aiwriter/values.yaml").read_text())
    schema = json.loads((DEPLOY / "helm/aiwriter/values.schema.json").read_text())

    def compare(value: object, rule: dict[str, object], where: str) -> None:
        if isinstance(value, dict) and isinstance(rule.get("properties"), dict):
            assert rule["additionalProperties"] is False, where
            for key, inner in value.items():
                assert key in rule["properties"], f"{where}.{key}"
                compare(inner, rule["properties"][key], f"{where}.{key}")

    compare(values, schema, "values")
    for profile in ("small", "standard", "ha"):
        assert yaml.safe_load((DEPLOY / f"helm/aiwriter/values-{profile}.yaml").read_text())["profile"] == profile


def test_every_way_to_install_brings_the_files_that_the_code_reads() -> None:
    """A deployment could not be planned where deploy/checklists was left out: the page answered 500."""
    read = {"release", "rescue"}
    for path in [*(ROOT / "apps").rglob("*.py"), *(ROOT / "aiwriter").rglob("*.py")]:
        read |= set(re.findall(r'"deploy" / "(\w+)"', path.read_text()))
    assert read == {"checklists", "release", "rescue", "topologies"}
    image = set(re.findall(r"(?m)^COPY deploy/(\w+) deploy/\1$", (DEPLOY / "docker/Dockerfile").read_text()))
    unignored = set(re.findall(r"(?m)^!deploy/(\w+)$", (ROOT / ".dockerignore").read_text()))
    host = re.search(r'(?m)^code=".*"$', (DEPLOY / "host/install.sh").read_text())
    package = re.search(r"-cf \{\{ package \}\}.*", (DEPLOY / "ansible/roles/app/tasks/main.yml").read_text())
    assert host
    assert package
    for ways in (
        image,
        unignored - {"docker"},
        *(set(re.findall(r"deploy/(\w+)", m[0])) - {"host"} for m in (host, package)),
    ):
        assert ways == read
