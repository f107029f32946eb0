"""Templates of prompt actions: which variables there are, and how a template becomes what a model is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from aiwriter.core.errors import InvalidInput

MAX_TEMPLATE = 8_000
MAX_VALUE = 300
MAX_INSTRUCTION = 2_000
# How much of the document goes along when a template for a passage names it: what stands around the passage.
MAX_DOCUMENT = 24_000

# What the portal fills in, then what the writer is asked for.
GIVEN: Mapping[str, str] = MappingProxyType(
    {
        "selection": "The selected passage; the whole text when nothing is selected",
        "document": "The whole text",
        "title": "The title of the document",
        "document_language": "The language of the document",
    }
)
ASKED: Mapping[str, str] = MappingProxyType(
    {
        "tone": "A tone, asked for when the action is chosen",
        "language": "A language, asked for",
        "audience": "The readers, asked for",
        "length": "A length, asked for",
        "keywords": "Keywords, asked for",
        "instruction": "The writer's own words, asked for",
    }
)
VARIABLES: Mapping[str, str] = MappingProxyType({**GIVEN, **ASKED})

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_FRAMES = {"selection": "text", "document": "document"}


def variables_of(template: str) -> list[str]:
    """The variables that a template names, each once, in their order.

    Raises:
        InvalidInput: one of them is not known, or a brace stands alone.
    """
    found: list[str] = []
    for match in _PIECE.finditer(template):
        if match[0] in ("{{", "}}"):
            continue
        name = match[1]
        if name is None:
            raise InvalidInput(
                f"A brace stands alone in the prompt, at character {match.start() + 1}.",
                field="template",
                remedy="Write {{ or }} for a brace that is no variable.",
            )
        if name not in VARIABLES:
            raise InvalidInput(
                f"{{{name}}} is no variable.",
                field="template",
                remedy="Use " + ", ".join(f"{{{each}}}" for each in VARIABLES) + "; write {{ or }} for a brace.",
            )
        if name not in found:
            found.append(name)
    return found


def asked_by(template: str) -> list[str]:
    """The variables that the writer is asked for. The template was checked before."""
    return [name for name in variables_of(template) if name in ASKED]


def check_template(template: str, scope: str) -> str:
    """The template as it is kept.

    Raises:
        InvalidInput: it is empty or too long, names an unknown variable, or never says where the text goes.
    """
    kept = template.replace("\r\n", "\n").strip()
    if not kept:
        raise InvalidInput("The prompt is empty.", field="template", remedy="Say what should be done with {selection}.")
    if len(kept) > MAX_TEMPLATE:
        raise InvalidInput(
            f"The prompt has {len(kept):,} characters.", field="template", remedy=f"Use at most {MAX_TEMPLATE:,}."
        )
    named = variables_of(kept)
    if scope == "whole" and "document" not in named and "selection" not in named:
        raise InvalidInput(
            "The prompt does not say where the text goes.", field="template", remedy="Put {document} where it belongs."
        )
    if scope != "whole" and "selection" not in named:
        raise InvalidInput(
            "The prompt does not say where the passage goes.",
            field="template",
            remedy="Put {selection} where it belongs.",
        )
    return kept


def read_values(template: str, values: Mapping[str, object]) -> dict[str, str]:
    """What the writer said, for every variable that the template asks for.

    Raises:
        InvalidInput: one is missing, too long, not text, or not asked for; the field names it.
    """
    asked = asked_by(template)
    if unknown := sorted(set(values) - set(ASKED)):
        raise InvalidInput(
            f"{unknown[0]} is no variable that can be given.",
            field=f"variables.{unknown[0]}",
            remedy=f"This action asks for {', '.join(asked)}." if asked else "This action asks for nothing.",
        )
    read: dict[str, str] = {}
    for name in asked:
        value = values.get(name, "")
        if not isinstance(value, str):
            raise InvalidInput(f"{name} is not text.", field=f"variables.{name}", remedy="Send a string.")
        most = MAX_INSTRUCTION if name == "instruction" else MAX_VALUE
        if not value.strip():
            raise InvalidInput(
                f"The action needs a value for {{{name}}}.", field=f"variables.{name}", remedy="Fill it in."
            )
        if len(value) > most:
            raise InvalidInput(
                f"{name} has {len(value):,} characters.", field=f"variables.{name}", remedy=f"Use at most {most:,}."
            )
        read[name] = value.strip()
    return read


def fill(template: str, values: Mapping[str, str]) -> str:
    """The prompt. What the writer wrote stands in a frame, so that a model can tell the wish from the text.

    Args:
        template: checked before.
        values: of every variable that it names.
    """
    shown: set[str] = set()

    def one(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0][0]
        name = match[1]
        frame = _FRAMES.get(name)
        if frame is None:
            return values[name]
        if name in shown:
            # Sent twice it would cost twice.
            return f"(the {frame} between <{frame}> and </{frame}>)"
        shown.add(name)
        # A text cannot close the frame that it stands in.
        return f"<{frame}>\n{values[name].replace(f'</{frame}>', '')}\n</{frame}>"

    # One pass: a brace in the writer's own words stays what it is.
    return _PIECE.sub(one, template)


def around(body: str, start: int, end: int) -> str:
    """The document, or what of it stands around a passage when it is long."""
    if len(body) <= MAX_DOCUMENT:
        return body
    side = max(0, (MAX_DOCUMENT - (end - start)) // 2)
    first, last = max(0, start - side), min(len(body), end + side)
    return f"{'[…] ' if first else ''}{body[first:last]}{' […]' if last < len(body) else ''}"
