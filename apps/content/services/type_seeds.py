"""The content types that come with the product: read from `management/types/*.toml`, written into the database."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
from django.db import transaction

from apps.content.models import ContentType, ContentTypeVersion
from apps.content.services.type_schema import check_fields, check_instructions

FOLDER = Path(__file__).resolve().parent.parent / "management" / "types"
_VALUES = ("name", "category", "description", "instructions", "fields", "writes", "length")
_KINDS = {
    "text": "string",
    "lines": "array",
    "number": "integer",
    "choice": "boolean",
    "url": "string",
    "page": "string",
}


def ensure_content_types() -> tuple[int, int]:
    """Make what is missing, and bring up to date what nobody has changed since. Safe to repeat, and quick.

    Returns:
        how many were made, and how many changed.
    """
    known = {row.slug: row for row in ContentType.objects.filter(workspace=None)}
    made = changed = 0
    with transaction.atomic():
        for slug, values in seeds():
            print_ = fingerprint(values)
            row = known.get(slug)
            if row is None:
                row = ContentType.objects.create(slug=slug, seeded=print_, **values)
                made += 1
            elif row.seeded and row.seeded != print_ and row.seeded == fingerprint(_values_of(row)):
                for name, value in values.items():
                    setattr(row, name, value)
                row.seeded, row.revision = print_, row.revision + 1
                row.save()
                changed += 1
            else:
                continue
            ContentTypeVersion.objects.create(
                content_type=row, number=row.revision, values={**_values_of(row), "is_active": row.is_active}
            )
    return made, changed


def seeds() -> Iterator[tuple[str, dict[str, Any]]]:
    """Slug and values of each content type that comes with the product.

    Raises:
        InvalidInput: a file holds one that cannot be used.
    """
    for path in sorted(FOLDER.glob("*.toml")):
        for slug, given in tomllib.loads(path.read_text(encoding="utf-8")).items():
            fields = check_fields(_schema(given))
            yield (
                slug,
                {
                    "name": given["name"],
                    "category": path.stem,
                    "description": given["description"],
                    "instructions": check_instructions(given["instructions"], fields),
                    "fields": fields,
                    "writes": given.get("writes", "draft"),
                    "length": given["length"],
                },
            )


def fingerprint(values: Mapping[str, Any]) -> str:
    """Tells whether two content types say the same."""
    return hashlib.sha256(orjson.dumps(dict(values), option=orjson.OPT_SORT_KEYS)).hexdigest()


def _values_of(row: ContentType) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _VALUES}


def _schema(given: Mapping[str, Any]) -> dict[str, Any]:
    properties = {name: field_of(field) for name, field in given.get("fields", {}).items()}
    return {
        "properties": properties,
        "required": [name for name, field in given.get("fields", {}).items() if field.get("required")],
        "x-order": list(properties),
        "x-subject": given.get("subject", ""),
    }


def field_of(short: Mapping[str, Any]) -> dict[str, Any]:
    """A field of a brief in JSON Schema, from the short form in which people write it down.

    Args:
        short: "title", and "kind" ("text", "lines", "number", "choice", "url", "page"), "help", "example", "lines",
            "choices", "max", "min", "default".
    """
    kind = short.get("kind", "text")
    field: dict[str, Any] = {"type": _KINDS[kind], "title": short["title"]}
    if short.get("help"):
        field["description"] = short["help"]
    if short.get("example"):
        field["examples"] = [short["example"]]
    if kind in ("url", "page"):
        field |= {"format": "uri"} | ({"x-page": True} if kind == "page" else {})
    if kind == "number":
        field |= {new: short[old] for old, new in (("min", "minimum"), ("max", "maximum")) if old in short}
    elif kind == "text":
        field |= {new: short[old] for old, new in (("max", "maxLength"), ("lines", "x-lines")) if old in short}
        if short.get("choices"):
            field["enum"] = list(short["choices"])
    if short.get("default") not in (None, ""):
        field["default"] = short["default"]
    return field
