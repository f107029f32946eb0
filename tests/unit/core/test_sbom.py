"""The list of parts is that of the environment, and CycloneDX's own library has nothing against it."""

from __future__ import annotations

import json
from importlib.metadata import distributions
from pathlib import Path

from django.core.management import call_command
from django.utils import timezone
from packaging.utils import canonicalize_name

from aiwriter.core import sbom


def test_the_list_is_the_environment_and_is_valid(tmp_path: Path):
    # Here, because it builds 38 grammars when it is imported: 1 s in each process that only collects this file.
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    call_command("sbom", "--out", str(tmp_path / "sbom.cdx.json"))
    text = (tmp_path / "sbom.cdx.json").read_text()
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    assert problem is None, problem
    made = json.loads(text)
    listed = {(each["name"], each["version"]) for each in made["components"] if each["type"] == "library"}
    there = {}
    for each in distributions():
        there.setdefault(str(canonicalize_name(each.metadata["Name"])), each.version)
    assert listed == set(there.items())
    by_name = {each["name"]: each for each in made["components"]}
    assert by_name["django"]["licenses"]
    needs = {each["ref"]: each["dependsOn"] for each in made["dependencies"]}
    assert any(ref.startswith("pkg:pypi/sqlparse@") for ref in needs[by_name["django"]["purl"]])
    assert {ref for refs in needs.values() for ref in refs} <= needs.keys()
    again = sbom.bill(timezone.now())
    assert again["serialNumber"] == made["serialNumber"]
