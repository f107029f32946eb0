"""The list of parts is that of the environment, and keeps to the schema that CycloneDX's own library brings."""

from __future__ import annotations

import json
from importlib.metadata import distributions
from pathlib import Path

import cyclonedx
import jsonschema_rs
from django.core.management import call_command
from django.utils import timezone
from packaging.utils import canonicalize_name

from aiwriter.core import sbom

_SCHEMAS = Path(cyclonedx.__file__).parent / "schema/_res"
_PARTS = ("spdx.SNAPSHOT.schema.json", "jsf-0.82.SNAPSHOT.schema.json", "cryptography-defs.SNAPSHOT.schema.json")


def _judge() -> jsonschema_rs.Draft7Validator:
    """The files that the library's own judge goes by, compiled: to import that judge builds 38 grammars, 2.5 s."""
    read = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in _SCHEMAS.glob("*.json")}
    others = jsonschema_rs.Registry([(f"http://cyclonedx.org/schema/{name}", read[name]) for name in _PARTS])
    return jsonschema_rs.Draft7Validator(read["bom-1.6.SNAPSHOT.schema.json"], registry=others, validate_formats=True)


def test_the_judge_finds_what_is_wrong():
    whole = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1}
    part = {"type": "library", "name": "a", "version": "1", "bom-ref": "a"}
    wrong: list[dict[str, object]] = [
        {"components": [{**part, "type": "book"}]},
        {"components": [part, part]},
        {"components": [{**part, "licenses": [{"license": {"id": "No-Such-Licence"}}]}]},
        {"metadata": {"timestamp": "yesterday"}},
        {"serialNumber": "urn:1"},
        {"more": 1},
    ]
    judge = _judge()
    assert judge.is_valid({**whole, "components": [part]})
    assert [each for each in wrong if judge.is_valid({**whole, **each})] == []


def test_the_list_is_the_environment_and_is_valid(tmp_path: Path):
    call_command("sbom", "--out", str(tmp_path / "sbom.cdx.json"))
    text = (tmp_path / "sbom.cdx.json").read_text()
    made = json.loads(text)
    _judge().validate(made)
    listed = {(each["name"], each["version"]) for each in made["components"] if each["type"] == "library"}
    there = {}
    for each in distributions():
        facts = each.metadata  # each look parses the whole file
        there.setdefault(str(canonicalize_name(facts["Name"])), facts["Version"])
    assert listed == set(there.items())
    by_name = {each["name"]: each for each in made["components"]}
    assert by_name["django"]["licenses"]
    needs = {each["ref"]: each["dependsOn"] for each in made["dependencies"]}
    assert any(ref.startswith("pkg:pypi/sqlparse@") for ref in needs[by_name["django"]["purl"]])
    assert {ref for refs in needs.values() for ref in refs} <= needs.keys()
    again = sbom.bill(timezone.now())
    assert again["serialNumber"] == made["serialNumber"]
