"""The brief of a content type: its JSON Schema checked, what a writer filled in checked, the instructions filled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from aiwriter.core.errors import Detail, InvalidInput
from apps.content.markup.markdown import clean_text

# What every brief asks for; a type may ask for one of these in its own words instead.
COMMON = ("title", "audience", "tone", "length", "language")
KINDS = ("string", "integer", "boolean", "array")
MAX_FIELDS = 20
MAX_TEXT, MAX_LINES = 20_000, 100
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_ -]{0,59})\}")
_KNOWN = {
    "type", "title", "description", "default", "enum", "examples", "maxLength", "minimum", "maximum", "format",
    "items", "x-lines", "x-page",
}  # fmt: skip


def check_fields(schema: Any) -> dict[str, Any]:
    """A brief's schema as it is kept.

    Args:
        schema: {"properties": {name: {"type": …, "title": …}}, "required": […], "x-order": […], "x-subject": name}.

    Raises:
        InvalidInput: with every problem at once.
    """
    if not isinstance(schema, Mapping) or not isinstance(schema.get("properties", {}), Mapping):
        raise InvalidInput(
            "fields is not a JSON Schema of an object.", field="fields", remedy='Send {"properties": {}}.'
        )
    properties: Mapping[str, Any] = schema.get("properties", {})
    problems: list[Detail] = []
    if len(properties) > MAX_FIELDS:
        problems.append(Detail("fields", f"The brief has {len(properties)} fields.", f"Use at most {MAX_FIELDS}."))
    kept = {str(name): _field(str(name), value, problems) for name, value in properties.items()}
    required = schema.get("required", [])
    order = schema.get("x-order", list(kept))
    for label, names in (("required", required), ("x-order", order)):
        if not isinstance(names, list) or any(name not in kept for name in names):
            problems.append(
                Detail(f"fields.{label}", f"{label} names a field that there is not.", "Name known fields.")
            )
    subject = schema.get("x-subject", "")
    if subject and subject not in kept:
        problems.append(Detail("fields.x-subject", "x-subject names a field that there is not.", "Name a known field."))
    _raise(problems)
    order = [*order, *(name for name in kept if name not in order)]
    texts = [name for name in order if kept[name]["type"] == "string" and "enum" not in kept[name]]
    first = next((name for name in texts if name in required), texts[0] if texts else "")
    return {
        "type": "object",
        "properties": kept,
        "required": [name for name in order if name in required],
        "additionalProperties": False,
        "x-order": order,
        "x-subject": subject or ("topic" if "topic" in kept else first),
    }


def check_instructions(instructions: str, schema: Mapping[str, Any]) -> str:
    """The instructions as they are kept: every variable is a field of the brief.

    Raises:
        InvalidInput: a variable is missing from the brief, or there is no text.
    """
    text = clean_text(instructions).strip()
    if not text:
        raise InvalidInput("The instructions are empty.", field="instructions", remedy="Say what is to be written.")
    if len(text) > MAX_TEXT:
        raise InvalidInput(
            f"The instructions have {len(text):,} characters.",
            field="instructions",
            remedy=f"Use at most {MAX_TEXT:,}.",
        )
    known = {*schema["properties"], *COMMON}
    missing = [name for name in dict.fromkeys(_VARIABLE.findall(text)) if name not in known]
    if missing:
        names = ", ".join(f"{{{name}}}" for name in missing)
        raise InvalidInput(
            f"The instructions use {names}, which the brief does not ask for.",
            field="instructions",
            remedy=f"Add a field of that name, or use one of these: {', '.join(sorted(known))}.",
        )
    return text


def check_values(schema: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """What a writer filled in, as it is kept; empty ones are left out.

    Raises:
        InvalidInput: with every problem at once, each naming its field.
    """
    properties = schema["properties"]
    problems: list[Detail] = []
    kept: dict[str, Any] = {}
    for name, value in values.items():
        if name not in properties:
            known = ", ".join(schema["x-order"])
            problems.append(Detail(str(name)[:60], f"{str(name)[:60]} is not asked for.", f"Known are: {known}."))
            continue
        found = _value(name, properties[name], value, problems)
        if found not in (None, "", []):
            kept[name] = found
    for name in schema["x-order"]:
        if name not in kept and "default" in properties[name] and name not in values:
            kept[name] = properties[name]["default"]
    bad = {problem.field for problem in problems}
    for name in schema["required"]:
        if name not in kept and name not in bad:
            label = properties[name]["title"]
            problems.append(Detail(name, f"“{label}” is missing.", f"Fill it in: the text needs {name}."))
    _raise(problems)
    return kept


def fill(instructions: str, values: Mapping[str, Any]) -> str:
    """The instructions with what the writer filled in. A line whose variable was left empty is left out.

    Args:
        instructions: of the type.
        values: of `check_values`, with those of `COMMON` that were said.
    """
    lines = []
    for line in instructions.splitlines():
        names = _VARIABLE.findall(line)
        if any(_shown(values.get(name)) == "" for name in names):
            continue
        # One pass: braces in what the writer typed are the writer's own.
        lines.append(_VARIABLE.sub(lambda match: _shown(values.get(match[1])), line))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def variables_of(instructions: str) -> list[str]:
    """The variables of the instructions, in order."""
    return list(dict.fromkeys(_VARIABLE.findall(instructions)))


def _field(name: str, given: Any, problems: list[Detail]) -> dict[str, Any]:
    where = f"fields.{name[:60]}"
    if not _NAME.fullmatch(name):
        problems.append(Detail(where, f"“{name[:60]}” cannot name a field.", "Use a-z, 0-9 and _, a letter first."))
    if not isinstance(given, Mapping):
        problems.append(Detail(where, "The field is not an object.", 'Send {"type": "string", "title": "…"}.'))
        return {"type": "string", "title": name}
    if unknown := sorted(set(map(str, given)) - _KNOWN):
        problems.append(Detail(where, f"“{unknown[0][:40]}” is not known.", f"Known are {', '.join(sorted(_KNOWN))}."))
    kind = given.get("type", "string")
    if kind not in KINDS:
        problems.append(Detail(where, f"The type “{str(kind)[:40]}” is not known.", f"Use {', '.join(KINDS)}."))
        kind = "string"
    field: dict[str, Any] = {"type": kind, "title": _line(given.get("title")) or name.replace("_", " ").capitalize()}
    if help_text := _line(given.get("description"), 400):
        field["description"] = help_text
    if examples := given.get("examples"):
        field["examples"] = [_line(each, 300) for each in (examples if isinstance(examples, list) else [examples])][:3]
    if kind == "array":
        field["items"] = {"type": "string"}
    if kind == "string":
        _string_rules(where, given, field, problems)
    for key in ("minimum", "maximum"):
        if kind == "integer" and key in given:
            if isinstance(given[key], bool) or not isinstance(given[key], int):
                problems.append(Detail(where, f"{key} is not a whole number.", "Change it."))
            else:
                field[key] = given[key]
    if given.get("default") not in (None, ""):
        found: list[Detail] = []
        field["default"] = _value(name, field, given["default"], found)
        problems += [Detail(where, f"The default does not fit: {each.issue}", each.remedy) for each in found]
    return field


def _string_rules(where: str, given: Mapping[str, Any], field: dict[str, Any], problems: list[Detail]) -> None:
    longest = given.get("maxLength", 2_000)
    if isinstance(longest, bool) or not isinstance(longest, int) or not 1 <= longest <= MAX_TEXT:
        problems.append(Detail(where, "maxLength is no fitting number.", f"Use 1 to {MAX_TEXT:,}."))
        longest = 2_000
    field["maxLength"] = longest
    if "enum" in given:
        choices = given["enum"]
        if not isinstance(choices, list) or not choices or not all(isinstance(each, str) for each in choices):
            problems.append(Detail(where, "enum is not a list of texts.", 'Send ["One", "Two"].'))
        else:
            field["enum"] = [_line(each) for each in choices][:50]
    if given.get("format"):
        if given["format"] != "uri":
            problems.append(Detail(where, "This format is not known.", 'Use "uri", or leave it out.'))
        field["format"] = "uri"
    lines = given.get("x-lines", 1)
    field["x-lines"] = lines if isinstance(lines, int) and 1 <= lines <= 30 else 1
    if given.get("x-page") and field.get("format") == "uri":
        field["x-page"] = True


def _value(name: str, field: Mapping[str, Any], value: Any, problems: list[Detail]) -> Any:
    if value is None or value == "":
        return None
    label, kind = f"“{field['title']}”", field["type"]
    if kind == "boolean":
        if not isinstance(value, bool):
            problems.append(Detail(name, f"{label} is neither true nor false.", "Send true or false."))
            return None
        return value
    if kind == "integer":
        return _whole_number(name, label, field, value, problems)
    if kind == "array":
        lines = value.splitlines() if isinstance(value, str) else value
        if not isinstance(lines, list | tuple) or not all(isinstance(each, str) for each in lines):
            problems.append(Detail(name, f"{label} is not a list of texts.", 'Send ["First", "Second"].'))
            return None
        if len(lines) > MAX_LINES:
            problems.append(Detail(name, f"{label} has {len(lines)} lines.", f"Use at most {MAX_LINES}."))
            return None
        return [line for each in lines if (line := _line(each, 1_000))]
    if not isinstance(value, str):
        problems.append(Detail(name, f"{label} is not text.", "Send a string."))
        return None
    text = clean_text(value).strip()
    if len(text) > field["maxLength"]:
        problems.append(Detail(name, f"{label} has {len(text):,} characters.", f"Use at most {field['maxLength']:,}."))
    elif "enum" in field and text and text not in field["enum"]:
        problems.append(Detail(name, f"{label} cannot be “{text[:60]}”.", f"Use one of: {', '.join(field['enum'])}."))
    elif field.get("format") == "uri" and text and not _is_address(text):
        problems.append(
            Detail(name, f"{label} is not an address of the web.", "Enter one such as https://example.org/.")
        )
    else:
        return text if field["x-lines"] > 1 else " ".join(text.split())
    return None


def _whole_number(name: str, label: str, field: Mapping[str, Any], value: Any, problems: list[Detail]) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,9}\s*", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        problems.append(Detail(name, f"{label} is not a whole number.", "Send digits only."))
        return None
    least, most = field.get("minimum", -(10**9)), field.get("maximum", 10**9)
    if not least <= value <= most:
        problems.append(Detail(name, f"{label} is {value}.", f"Use {least} to {most}."))
        return None
    return value


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return False


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(map(str, value))
    return "" if value is None else str(value)


def _line(value: Any, longest: int = 120) -> str:
    return " ".join(clean_text(str(value)).split())[:longest] if value is not None else ""


def _raise(problems: list[Detail]) -> None:
    if problems:
        raise InvalidInput(problems[0].issue, field=problems[0].field, remedy=problems[0].remedy, details=problems)
