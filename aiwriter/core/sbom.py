"""The list of parts of the installed release (SBOM), as CycloneDX 1.6 JSON: made of what is installed, not of what should be.

Every way to install the product, an image, a checkout, a wheel of one's own, answers the same question here, so there is one
way to the list: `manage.py sbom`. The tests hold it against the schema that the official library of CycloneDX brings.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import platform
import re
import uuid
from collections.abc import Iterable
from copy import deepcopy
from functools import cache
from importlib.metadata import distributions
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from aiwriter import __version__
from aiwriter.core.proofpack import canonical

PRODUCT = f"ai-writer@{__version__}"
# What a METADATA file says, by the names of PEP 566.
_Facts = dict[str, Any]
_ONE_LINE = re.compile(r"[^\n]{1,80}")


@cache
def _installed() -> dict[str, Any]:
    """What the list says whenever it is made. Read once: what a process runs on is what was installed when it began."""
    found: dict[str, _Facts] = {}
    for each in distributions():
        # Each look at `metadata` parses the whole file again, and its description can be long.
        facts: _Facts = each.metadata.json
        # Of two of a name the first is what is imported.
        found.setdefault(str(canonicalize_name(facts["name"])), facts)
    parts = sorted(found.items())
    refs = {name: f"pkg:pypi/{name}@{facts['version']}" for name, facts in parts}
    needs = {name: sorted(refs[need] for need in _needs(name, facts, found)) for name, facts in parts}
    needed = {ref for refs_of_one in needs.values() for ref in refs_of_one}
    components = [_component(name, facts, refs[name]) for name, facts in parts]
    components.append(
        {"type": "platform", "bom-ref": "python", "name": platform.python_implementation(), "version": platform.python_version()}
    )  # fmt: skip
    digest = hashlib.sha256(canonical([PRODUCT, components])).digest()
    return {
        # The same parts have the same number, whenever the list is made.
        "serialNumber": f"urn:uuid:{uuid.UUID(bytes=digest[:16], version=5)}",
        "components": components,
        "dependencies": [
            {"ref": PRODUCT, "dependsOn": [*sorted(ref for ref in refs.values() if ref not in needed), "python"]},
            *({"ref": refs[name], "dependsOn": wanted} for name, wanted in needs.items()),
            {"ref": "python", "dependsOn": []},
        ],
    }


def bill(made_at: dt.datetime) -> dict[str, Any]:
    """The list.

    Args:
        made_at: when it is made.
    """
    installed = deepcopy(_installed())
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": installed["serialNumber"],
        "version": 1,
        "metadata": {
            "timestamp": made_at.astimezone(dt.UTC).isoformat(timespec="seconds"),
            "tools": {"components": [{"type": "application", "name": "ai-writer", "version": __version__}]},
            "component": {
                "type": "application",
                "bom-ref": PRODUCT,
                "name": "ai-writer",
                "version": __version__,
                "licenses": [{"expression": "Apache-2.0"}],
            },
        },
        "components": installed["components"],
        "dependencies": installed["dependencies"],
    }


def _component(name: str, facts: _Facts, ref: str) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "library", "bom-ref": ref, "name": name, "version": facts["version"], "purl": ref}
    if summary := str(facts.get("summary", "")).strip():
        found["description"] = summary[:300]
    if licences := _licences(facts):
        found["licenses"] = licences
    return found


def _licences(facts: _Facts) -> list[dict[str, Any]]:
    if expression := facts.get("license_expression"):
        return [{"expression": str(expression)}]
    named = {
        text.rpartition(" :: ")[2]
        for text in facts.get("classifier", [])
        if text.startswith("License :: ") and text != "License :: OSI Approved"
    }
    text = str(facts.get("license", "")).strip()
    if not named and _ONE_LINE.fullmatch(text):
        named = {text}
    return [{"license": {"name": name}} for name in sorted(named)]


def _needs(name: str, facts: _Facts, found: dict[str, _Facts]) -> set[str]:
    """Which of the installed parts a part asks for; its extras count when all that they ask for is there."""
    wanted: set[str] = set()
    asked = list(_requirements(facts))
    for extra in ["", *facts.get("provides_extra", [])]:
        names = {
            str(canonicalize_name(each.name))
            for each in asked
            if (each.marker is None and not extra)
            or (each.marker is not None and each.marker.evaluate({"extra": extra}))
        }
        if not extra:
            wanted |= names & found.keys()
        elif names <= found.keys():
            wanted |= names
    return wanted - {name}


def _requirements(facts: _Facts) -> Iterable[Requirement]:
    for text in facts.get("requires_dist", []):
        try:
            yield Requirement(text)
        except InvalidRequirement:
            # An old package's own spelling; the part itself is in the list all the same.
            continue
