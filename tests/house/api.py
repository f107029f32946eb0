"""The description of the API, kept: `python -m tests.house.api` writes tests/data/openapi.yaml and docs/api/reference.md.

A change of the API shows in the difference of the first, for whoever reads the commit; the second is for people.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SNAPSHOT, PAGE = ROOT / "tests/data/openapi.yaml", ROOT / "docs/api/reference.md"
HINT = "run: python -m tests.house.api, and look at the difference"


@cache
def described() -> str:
    """The description as the portal serves it; a warning while it is made is a fault."""
    from drf_spectacular.drainage import GENERATOR_STATS
    from drf_spectacular.generators import SchemaGenerator
    from drf_spectacular.renderers import OpenApiYamlRenderer
    from drf_spectacular.validation import validate_schema

    GENERATOR_STATS.reset()
    schema = SchemaGenerator().get_schema(request=None, public=True)
    if GENERATOR_STATS:
        GENERATOR_STATS.emit_summary()
        raise SystemExit("The description has warnings: name what they say in extend_schema.")
    validate_schema(schema)
    text: str = OpenApiYamlRenderer().render(schema, renderer_context={}).decode()
    return text


def reference(schema: dict[str, Any]) -> str:
    """The page for people: every operation by its subject."""
    lines = [
        "# API reference",
        "",
        "Every operation, made from the description that the portal serves at `/api/v1/schema`. [REST API](index.md) tells how",
        "to sign in, and what lists and errors look like.",
        "",
    ]
    subjects: dict[str, list[str]] = {}
    for path, operations in sorted(schema["paths"].items()):
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
    import yaml

    text = described()
    return {SNAPSHOT: text, PAGE: reference(yaml.load(text, Loader=yaml.CSafeLoader))}


def main() -> None:
    """Write both."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aiwriter.settings")
    import django

    django.setup()
    for path, text in current().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
