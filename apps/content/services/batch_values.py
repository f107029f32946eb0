"""Rows of a table as briefs of a template: which column fills which field, and what is wrong with a row."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiwriter.core.errors import Detail, InvalidInput
from apps.content.markup.markdown import clean_text
from apps.content.models import BatchRow, ContentType
from apps.content.parsing.rows import Row
from apps.content.services.briefs import check_brief
from apps.content.services.content_types import brief_of
from apps.content.services.type_schema import COMMON

_COMMON_TITLES = {
    "title": "Title of the document",
    "audience": "Audience",
    "tone": "Tone",
    "length": "Length in words",
    "language": "Language",
}
# Other words by which people name the columns of these fields.
_ALIASES = {
    "title": ("heading", "headline", "titel", "überschrift", "titre"),  # codespell:ignore titel
    "topic": ("subject", "about", "thema", "sujet"),
    "audience": ("readers", "target group", "zielgruppe", "public"),
    "tone": ("voice", "style", "ton", "tonfall"),
    "length": ("words", "word count", "wörter", "länge", "longueur"),
    "language": ("lang", "locale", "sprache", "langue"),
}
_YES = {"yes", "y", "true", "1", "x", "ja", "oui", "sí", "si", "on"}
_NO = {"no", "n", "false", "0", "nein", "non", "off"}
_LANGUAGES = {
    "english": "en", "german": "de", "deutsch": "de", "french": "fr", "français": "fr", "spanish": "es", "español": "es",
    "italian": "it", "italiano": "it", "portuguese": "pt", "português": "pt", "dutch": "nl", "nederlands": "nl",
    "polish": "pl", "polski": "pl",
}  # fmt: skip
# That of a document's own column.
_LANGUAGE_LETTERS = 12


@dataclass(frozen=True, slots=True)
class Target:
    """A field of the brief that a column can fill.

    Args:
        name: of the field.
        title: for people.
        required: whether a text needs it.
        help: what belongs there.
        schema: of the field; of the common ones only their type.
    """

    name: str
    title: str
    required: bool
    help: str = ""
    schema: Mapping[str, Any] = field(default_factory=dict)


def targets_of(content_type: ContentType) -> list[Target]:
    """All fields that a column can fill: the template's own in its order, then those of every brief."""
    schema = content_type.fields
    own = [
        Target(name, given["title"], name in schema["required"], given.get("description", ""), given)
        for name in schema["x-order"]
        for given in (schema["properties"][name],)
    ]
    return own + [
        Target(name, _COMMON_TITLES[name], False, "", {"type": "integer" if name == "length" else "string"})
        for name in COMMON
        if name not in schema["properties"]
    ]


def guess_mapping(content_type: ContentType, columns: Sequence[str]) -> dict[str, str]:
    """Which column fills which field, told from the names: the field's name or title first, then other words for it."""
    targets = targets_of(content_type)
    free = {column: _plain(column) for column in columns}
    found: dict[str, str] = {}
    for names_of in (_names, _aliases):
        for target in targets:
            if target.name in found:
                continue
            names = names_of(target)
            match = next((column for column, plain in free.items() if plain and plain in names), None)
            if match is not None:
                found[target.name] = match
                del free[match]
    return found


def check_mapping(content_type: ContentType, columns: Sequence[str], mapping: Mapping[str, Any]) -> dict[str, str]:
    """A mapping as it is kept; fields without a column are left out.

    Raises:
        InvalidInput: a field or a column is not known.
    """
    known = {target.name for target in targets_of(content_type)}
    kept = {}
    for name, column in mapping.items():
        if name not in known:
            raise InvalidInput(
                f"{str(name)[:60]} is no field of the template.",
                field="mapping",
                remedy=f"Known are: {', '.join(sorted(known))}.",
            )
        if column in (None, ""):
            continue
        if column not in columns:
            raise InvalidInput(
                f"There is no column “{str(column)[:60]}”.",
                field="mapping",
                remedy=f"The columns are: {', '.join(columns)[:300]}.",
            )
        kept[name] = str(column)
    return kept


def check_fixed(content_type: ContentType, fixed: Mapping[str, Any]) -> dict[str, str]:
    """Values that are the same for all rows, as they are kept; whether they fit is told with the rows.

    Raises:
        InvalidInput: a field is not known, or a value is no text.
    """
    known = {target.name for target in targets_of(content_type)}
    kept = {}
    for name, value in fixed.items():
        if name not in known:
            raise InvalidInput(
                f"{str(name)[:60]} is no field of the template.",
                field="fixed",
                remedy=f"Known are: {', '.join(sorted(known))}.",
            )
        if text := clean_text(as_cell(value)).strip()[:20_000]:
            kept[name] = text
    return kept


def as_cell(value: Any) -> str:
    """A value of JSON as the cell of a table."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return "\n".join(map(str, value))
    return "" if value is None else str(value)


@dataclass(slots=True)
class Reader:
    """Reads rows of one table as briefs of one template.

    Args:
        content_type: the template.
        columns: of the table.
        mapping: see `check_mapping`.
        fixed: see `check_fixed`.
        language: of texts whose row names none.
    """

    content_type: ContentType
    columns: Sequence[str]
    mapping: Mapping[str, str]
    fixed: Mapping[str, str]
    language: str

    def values(self, cells: Sequence[str]) -> dict[str, Any]:
        """A row as the values of a brief. An empty cell leaves the field to what is the same for all rows.

        Raises:
            InvalidInput: with every cell that cannot be understood.
        """
        found, problems = self._read(cells)
        _raise(problems)
        return found

    def brief(self, cells: Sequence[str]) -> dict[str, Any]:
        """The brief that a row becomes, checked.

        Raises:
            InvalidInput: with every problem of the row.
        """
        found, problems = self._read(cells)
        try:
            brief, _ = brief_of(self.content_type, found)
            checked = check_brief(self.content_type.writes, brief, has_document=False)
        except InvalidInput as error:
            told = {problem.field for problem in problems}
            details = error.details or (Detail(error.field, error.message, error.remedy),)
            problems += [detail for detail in details if detail.field not in told]
        _raise(problems)
        return checked

    def _read(self, cells: Sequence[str]) -> tuple[dict[str, Any], list[Detail]]:
        problems: list[Detail] = []
        found: dict[str, Any] = {}
        at = {column: position for position, column in enumerate(self.columns)}
        for target in targets_of(self.content_type):
            column = self.mapping.get(target.name)
            cell = cells[at[column]] if column is not None else ""
            text = clean_text(cell).strip() or self.fixed.get(target.name, "")
            if not text:
                continue
            value = _understood(target, text, problems)
            if value is not None:
                found[target.name] = value
        if "language" not in found:
            found["language"] = self.language
        return found, problems

    def problems(self, row: Row) -> list[dict[str, str]]:
        """What is wrong with a row: column, field, issue, remedy. Empty for a sound one."""
        if row.problem:
            issue, _, remedy = row.problem.partition(". ")
            return [{"column": "", "field": "", "issue": f"{issue.rstrip('.')}.", "remedy": remedy}]
        try:
            self.brief(row.cells)
        except InvalidInput as error:
            details = error.details or (Detail(error.field, error.message, error.remedy),)
            return [
                {
                    "column": self.mapping.get(detail.field, ""),
                    "field": detail.field,
                    "issue": detail.issue,
                    "remedy": detail.remedy,
                }
                for detail in details
            ]
        return []

    def missing(self) -> list[Target]:
        """Fields that every text needs and nothing fills."""
        properties = self.content_type.fields["properties"]
        return [
            target
            for target in targets_of(self.content_type)
            if target.required
            and target.name not in self.mapping
            and target.name not in self.fixed
            and "default" not in properties[target.name]
        ]


def row_of(row: BatchRow) -> Row:
    """A kept row as it was read."""
    return Row(row.number, row.cells, row.unread)


def _understood(target: Target, text: str, problems: list[Detail]) -> Any:
    """A cell as a value of its field."""
    kind, title = target.schema.get("type"), f"“{target.title}”"
    if kind == "boolean":
        word = text.casefold()
        if word not in _YES | _NO:
            problems.append(Detail(target.name, f"{title} is “{text[:40]}”.", "Write yes or no."))
            return None
        return word in _YES
    if kind == "integer":
        plain = re.sub(r"(?<=\d)[,.\u00a0\u202f ](?=\d{3}\b)", "", text)
        if not re.fullmatch(r"-?\d{1,9}", plain):
            problems.append(Detail(target.name, f"{title} is “{text[:40]}”.", "Write a whole number in digits."))
            return None
        return int(plain)
    if kind == "array":
        return [line.strip() for line in (text.splitlines() if "\n" in text else text.split(";")) if line.strip()]
    if "enum" in target.schema:
        return next((each for each in target.schema["enum"] if each.casefold() == text.casefold()), text)
    if target.name == "language":
        tag = _LANGUAGES.get(text.casefold(), text)
        if len(tag) > _LANGUAGE_LETTERS:
            problems.append(Detail("language", f"{title} is “{text[:40]}”.", "Write a language tag such as en or de."))
            return None
        return tag
    return text


def _raise(problems: list[Detail]) -> None:
    if problems:
        raise InvalidInput(problems[0].issue, field=problems[0].field, remedy=problems[0].remedy, details=problems)


def _names(target: Target) -> set[str]:
    return {_plain(target.name), _plain(target.title)}


def _aliases(target: Target) -> set[str]:
    return {_plain(alias) for alias in _ALIASES.get(target.name, ())}


def _plain(name: str) -> str:
    """A name without case, accents, spaces and signs, for comparing."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in letters if letter.isalnum() and not unicodedata.combining(letter))
