"""What makes a descriptor, a form and its options valid.

The host judges plugins by these functions and so does the conformance suite, so both mean the same. They call nothing of
the plugin's but read its data; `ConfigSchema.migrate` is the host's to run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import get_args
from urllib.parse import urlsplit

from aiwriter_sdk.config import Config, ConfigField, ConfigSchema, FieldType, Secret
from aiwriter_sdk.descriptor import CONTRACT, GROUPS, Descriptor
from aiwriter_sdk.models import MODEL_CAPABILITIES
from aiwriter_sdk.publish import PUBLISH_CAPABILITIES
from aiwriter_sdk.storage import STORAGE_CAPABILITIES

CAPABILITIES: Mapping[str, frozenset[str]] = {
    "model": MODEL_CAPABILITIES,
    "storage": STORAGE_CAPABILITIES,
    "publish": PUBLISH_CAPABILITIES,
    "check": frozenset(),
}
MAX_TEXT = 10_000
_KEY = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
_TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_CONTRACT = re.compile(r"(\d{1,4})\.(\d{1,4})")
_TRUE, _FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Args:
        field: the attribute or option.
        problem: what is wrong with it, as a sentence.
        remedy: what to do.
    """

    field: str
    problem: str
    remedy: str = ""


def contract_problem(contract: object) -> Problem | None:
    """Why this host cannot keep the contract that a plugin was written for; None when it can."""
    ours = ".".join(map(str, CONTRACT))
    match = _CONTRACT.fullmatch(contract) if isinstance(contract, str) else None
    if match is None:
        return Problem("contract", f"The contract {contract!r} has not the form '1.0'.", f'Write contract="{ours}".')
    major, minor = int(match[1]), int(match[2])
    if major != CONTRACT[0]:
        return Problem(
            "contract",
            f"It was written for contract {contract}; this portal has {ours}.",
            "Install a version of the plugin for this portal's contract."
            if major < CONTRACT[0]
            else "Update AI-Writer.",
        )
    if minor > CONTRACT[1]:
        return Problem(
            "contract",
            f"It needs contract {contract}; this portal has {ours}.",
            "Update AI-Writer, or install an older version of the plugin.",
        )
    return None


def descriptor_problems(descriptor: Descriptor, *, entry_name: str = "", kind: str = "") -> list[Problem]:
    """Everything that is wrong with a descriptor, its contract apart.

    Args:
        descriptor: as the entry point gave it.
        entry_name: the entry point's name, which must equal the key; not looked at when empty.
        kind: the kind of the entry point's group, which must equal the descriptor's; not looked at when empty.
    """
    return list(_descriptor_problems(descriptor, entry_name, kind))


def _descriptor_problems(descriptor: Descriptor, entry_name: str, kind: str) -> Iterator[Problem]:
    for name in ("key", "kind", "label", "contract", "target", "summary", "docs_url"):
        if not isinstance(getattr(descriptor, name), str):
            yield Problem(name, f"{name} is {type(getattr(descriptor, name)).__name__}, not text.", "Give a str.")
            return
    if not _KEY.fullmatch(descriptor.key) or len(descriptor.key) > 40:
        yield Problem(
            "key",
            f"The key {descriptor.key!r} is not lower-case letters, digits and single hyphens, at most 40.",
            'Choose a key such as "my-model".',
        )
    if entry_name and descriptor.key != entry_name:
        yield Problem(
            "key",
            f"The entry point is named {entry_name!r}, the descriptor's key is {descriptor.key!r}.",
            "Give both the same name.",
        )
    if descriptor.kind not in GROUPS:
        yield Problem("kind", f"There is no kind {descriptor.kind!r}.", f"Use one of {', '.join(GROUPS)}.")
        return
    if kind and descriptor.kind != kind:
        yield Problem(
            "kind",
            f"A {descriptor.kind} backend stands in the entry point group of {kind} backends.",
            f"Move it to the group {GROUPS[descriptor.kind]}.",
        )
    if not descriptor.label.strip():
        yield Problem("label", "The label is empty.", "Say what an operator should read.")
    if not _TARGET.fullmatch(descriptor.target):
        yield Problem(
            "target", f"The target {descriptor.target!r} has not the form.", 'Write "package.module:ClassName".'
        )
    if descriptor.docs_url and not descriptor.docs_url.startswith(("https://", "http://")):
        yield Problem("docs_url", "The address of the documentation is not a web address.", "Begin it with https://.")
    if not isinstance(descriptor.capabilities, frozenset):
        yield Problem("capabilities", "The capabilities are not a frozenset.", 'Write frozenset({"generate"}).')
    elif unknown := descriptor.capabilities - CAPABILITIES[descriptor.kind]:
        yield Problem(
            "capabilities",
            f"Unknown capabilities: {', '.join(sorted(map(str, unknown)))}.",
            f"Known are {', '.join(sorted(CAPABILITIES[descriptor.kind])) or 'none'}.",
        )
    if descriptor.kind == "check":
        yield from _pace_problems(descriptor)
    yield from schema_problems(descriptor.config)


def _pace_problems(descriptor: Descriptor) -> Iterator[Problem]:
    for name, least, most in (("interval", 5.0, 86_400.0), ("deadline", 0.1, 30.0)):
        value = getattr(descriptor, name)
        if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
            yield Problem(name, f"{name} is {value!r}.", f"Give seconds, {least:g} to {most:g}.")
            return
    if descriptor.deadline >= descriptor.interval:
        yield Problem(
            "deadline", "A look may take as long as the time between two.", "Give a deadline below the interval."
        )


def schema_problems(schema: object) -> Iterator[Problem]:
    """Everything that is wrong with a form."""
    if not isinstance(schema, ConfigSchema):
        yield Problem("config", "The form is not a ConfigSchema.", "Write config=ConfigSchema(fields=(…)).")
        return
    if not isinstance(schema.version, int) or isinstance(schema.version, bool) or schema.version < 1:
        yield Problem("config.version", "The version of the form is not a whole number from 1.", "Begin with 1.")
    elif schema.version > 1 and not callable(schema.migrate):
        yield Problem(
            "config.migrate",
            f"The form has version {schema.version} and nothing that brings older options to it.",
            "Give migrate=, a function of the old options and their version.",
        )
    if not isinstance(schema.fields, tuple):
        yield Problem("config.fields", "The fields are not a tuple.", "Write fields=(ConfigField(…),).")
        return
    seen: set[str] = set()
    for field in schema.fields:
        if not isinstance(field, ConfigField):
            yield Problem("config.fields", f"{type(field).__name__} is not a ConfigField.", "Use ConfigField(…).")
            continue
        if field.name in seen:
            yield Problem(f"config.{field.name}", "Two fields have this name.", "Rename one.")
        seen.add(field.name)
        yield from _field_problems(field)


def _field_problems(field: ConfigField) -> Iterator[Problem]:
    where = f"config.{field.name}"
    if not isinstance(field.name, str) or not _NAME.fullmatch(field.name):
        yield Problem(
            where, f"The name {field.name!r} is not lower-case letters, digits and underscores.", "Rename the field."
        )
    if field.type not in get_args(FieldType):
        yield Problem(where, f"There is no field type {field.type!r}.", f"Use one of {', '.join(get_args(FieldType))}.")
        return
    if not isinstance(field.label, str) or not field.label.strip():
        yield Problem(where, "The label is empty.", "Say what the operator is asked for.")
    if (field.type == "choice") != bool(field.choices):
        yield Problem(where, 'Choices belong to the type "choice" and only there.', "Give choices=, or another type.")
        return
    limits = [limit for limit in (field.minimum, field.maximum) if limit is not None]
    if limits and field.type not in ("int", "float"):
        yield Problem(where, "Only numbers have a least and a greatest value.", "Leave out minimum and maximum.")
    elif len(limits) == 2 and limits[0] > limits[1]:
        yield Problem(where, "The least value is greater than the greatest.", "Exchange them.")
    elif field.default is not None:
        if field.type == "secret":
            yield Problem(where, "A secret has a default.", "Leave it out: a default is not secret.")
        elif isinstance(problem := read_value(field, field.default), Problem):
            yield Problem(where, f"The default does not fit: {problem.problem}", problem.remedy)


def read_options(
    schema: ConfigSchema, options: Mapping[str, object], secrets: Mapping[str, Secret | str]
) -> tuple[Config, list[Problem]]:
    """Check what an operator gave against the form.

    Args:
        schema: a valid form.
        options: values by name, as JSON or a web form gives them; none of them secret.
        secrets: secret values by name.

    Returns:
        the values with the plugin's defaults filled in, and every problem; the values are of use only without any.
    """
    values: dict[str, object] = {}
    problems: list[Problem] = []
    names = {field.name for field in schema.fields}
    for name in options:
        if name in schema.secret_names:
            problems.append(Problem(name, "A secret was given among the options.", "Give it as a secret."))
        elif name not in names:
            problems.append(Problem(name, "The plugin has no such option.", "Remove it."))
    problems += [
        Problem(name, "The plugin has no such secret.", "Remove it.")
        for name in secrets
        if name not in schema.secret_names
    ]
    for field in schema.fields:
        given = secrets.get(field.name) if field.type == "secret" else options.get(field.name)
        if given is None or (isinstance(given, str) and not given.strip()) or (isinstance(given, Secret) and not given):
            given = field.default
        if given is None:
            if field.required:
                problems.append(Problem(field.name, f"{field.label} is missing.", _example(field)))
            continue
        value = read_value(field, given)
        if isinstance(value, Problem):
            problems.append(value)
        else:
            values[field.name] = value
    return Config(values), problems


def _example(field: ConfigField) -> str:
    return field.help or "Fill it in."


def read_value(field: ConfigField, given: object) -> object:
    """One value in the type of its field, or the `Problem` with it."""
    value = _READERS[field.type](given)
    if isinstance(value, Problem):
        return Problem(field.name, value.problem, value.remedy)
    if field.type == "choice" and value not in field.choices:
        return Problem(field.name, f"{value!r} is not one of the choices.", f"Choose {', '.join(field.choices)}.")
    if isinstance(value, int | float) and not isinstance(value, bool):
        if field.minimum is not None and value < field.minimum:
            return Problem(field.name, f"{value:g} is too small.", f"Give at least {field.minimum:g}.")
        if field.maximum is not None and value > field.maximum:
            return Problem(field.name, f"{value:g} is too large.", f"Give at most {field.maximum:g}.")
    return value


def _read_text(given: object) -> object:
    if not isinstance(given, str):
        return Problem("", "This is not text.", "Give text.")
    if len(given) > MAX_TEXT or "\x00" in given:
        return Problem("", f"The text is longer than {MAX_TEXT} characters or holds NUL.", "Shorten it.")
    return given.strip()


def _read_url(given: object) -> object:
    text = _read_text(given)
    if not isinstance(text, str):
        return text
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s\x00-\x1f\\]", text):
        return Problem("", "This is not a web address.", "Give an address such as https://example.com/v1.")
    if "@" in parts.netloc:
        return Problem("", "The address contains credentials.", "Put them into the secret field.")
    return text


def _read_int(given: object) -> object:
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    if isinstance(given, str) and re.fullmatch(r"\s*[-+]?\d{1,18}\s*", given):
        return int(given)
    return Problem("", "This is not a whole number.", "Give a whole number.")


def _read_float(given: object) -> object:
    if isinstance(given, int | float | str) and not isinstance(given, bool):
        try:
            value = float(given)
        except (ValueError, OverflowError):
            value = math.nan
        if math.isfinite(value):
            return value
    return Problem("", "This is not a number.", "Give a number.")


def _read_bool(given: object) -> object:
    if isinstance(given, bool):
        return given
    word = given.strip().lower() if isinstance(given, str) else ""
    if word in _TRUE | _FALSE:
        return word in _TRUE
    return Problem("", "This is neither true nor false.", "Give true or false.")


def _read_secret(given: object) -> object:
    value = given.reveal() if isinstance(given, Secret) else given
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        return Problem("", "This is not a secret.", "Give text.")
    # A line break from a pasted key would end the HTTP header that the key is sent in. The value itself is not shown.
    if re.search(r"[\r\n\x00]", value.strip()):
        return Problem("", "The secret contains a line break or NUL.", "Paste the key alone.")
    return Secret(value.strip())


_READERS: dict[FieldType, Callable[[object], object]] = {
    "str": _read_text,
    "choice": _read_text,
    "url": _read_url,
    "int": _read_int,
    "float": _read_float,
    "bool": _read_bool,
    "secret": _read_secret,
}
