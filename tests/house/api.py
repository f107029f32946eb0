"""The description of the API, kept: `python -m tests.house.api` writes tests/data/openapi.yaml and docs/api/reference.md.

A change of the API shows in the difference of the first, for whoever reads the commit; the second is for people.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SNAPSHOT, PAGE = ROOT / "tests/data/openapi.yaml", ROOT / "docs/api/reference.md"
HINT = "run: python -m tests.house.api, and look at the difference"


@cache
def schema() -> dict[str, Any]:
    """The description as a reader of JSON has it; a warning while it is made is a fault.

    Judged by the same schema of OpenAPI as `make check` uses, but compiled: in Python that takes 7 s, and 2 s to import.
    """
    import drf_spectacular
    import jsonschema_rs
    from drf_spectacular.drainage import GENERATOR_STATS
    from drf_spectacular.generators import SchemaGenerator
    from drf_spectacular.renderers import OpenApiJsonRenderer

    GENERATOR_STATS.reset()
    made = SchemaGenerator().get_schema(request=None, public=True)
    if GENERATOR_STATS:
        GENERATOR_STATS.emit_summary()
        raise SystemExit("The description has warnings: name what they say in extend_schema.")
    plain: dict[str, Any] = json.loads(OpenApiJsonRenderer().render(made))
    rules = Path(drf_spectacular.__file__).parent / "validation/openapi_3_1_schema.json"
    jsonschema_rs.validator_for(json.loads(rules.read_text(encoding="utf-8"))).validate(plain)
    return plain


@cache
def described() -> str:
    """The description as the portal serves it."""
    from drf_spectacular.renderers import OpenApiYamlRenderer

    text: str = OpenApiYamlRenderer().render(schema(), renderer_context={}).decode()
    return text


def reference(description: dict[str, Any]) -> str:
    """The page for people: every operation by its subject."""
    lines = [
        "# API reference",
        "",
        "Every operation, made from the description that the portal serves at `/api/v1/schema`. [REST API](index.md) tells how",
        "to sign in, and what lists and errors look like.",
        "",
    ]
    subjects: dict[str, list[str]] = {}
    for path, operations in sorted(description["paths"].items()):
        for method, operation in operations.items():
            words = " ".join(operation.get("description", "").split()).replace("|", "\\|")
            query = [p["name"] for p in operation.get("parameters", []) if p["in"] == "query"]
            asked = f"`{'`, `'.join(query)}`" if query else ""
            short = path.removeprefix("/api/v1")
            row = f"| `{method.upper()} {short}` | {words} | {asked} |"
            subjects.setdefault(operation["tags"][0], []).append(row)
    for subject, rows in sorted(subjects.items()):
        lines += [f"## {subject}", "", "| request | what it does | query |", "| --- | --- | --- |", *rows, ""]
    return "\n".join(lines)


def current() -> dict[Path, str]:
    """What the two files should hold."""
    return {SNAPSHOT: described(), PAGE: reference(schema())}


def main() -> None:
    """Write both."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aiwriter.settings")
    import django

    django.setup()
    for path, text in current().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
