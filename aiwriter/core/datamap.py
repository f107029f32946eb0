"""The data map: what kind of data every column of every table holds, how long it is kept, and who it is about.

Each app declares its tables in `models/datamap.py`, the lists are named in `DATA_MAPS` of the settings, and a test fails
on a column without a class. A staging copy follows the rules; what finds, exports and erases a person's data reads the
same lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from django.conf import settings
from django.utils.module_loading import import_string


class DataClass(StrEnum):
    """What kind of data a column holds."""

    PUBLIC = "public"  # the product's own words, or a choice of a list in the code
    TECHNICAL = "technical"  # ids, counters, times, references
    INTERNAL = "internal"  # names and words of the organisation
    PERSONAL = "personal"  # tells who somebody is
    CONTENT = "content"  # what people write and collect
    SECRET = "secret"  # noqa: S105  passwords, tokens, keys, addresses that hold one


class Rule(StrEnum):
    """What becomes of a value in a copy for other eyes."""

    KEEP = "keep"
    SHAPE = "shape"  # words of the same length; line ends, markup and places in the text stay where they are
    NAME = "name"  # as SHAPE, but two different names stay different
    PERSON = "person"  # the pseudonym of a person
    EMAIL = "email"  # the address of a pseudonym
    FILE = "file"  # the name of a file; its ending stays
    LANGUAGE = "language"  # kept when it is a code of a language, else emptied
    ZONE = "zone"  # kept when it is a time zone
    MIME = "mime"  # kept when it is a known media type
    CURRENCY = "currency"  # kept when it is three capitals
    MARKER = "marker"  # kept when it is the number of a passage
    SUBJECT = "subject"  # kept when it is a word of the code and an id
    WORD = "word"  # kept when it is one of the words that are named
    KEY = "key"  # a name in code that people may choose too: kept when the product has it, else NAME
    DIGEST = "digest"  # another digest
    HASH = "hash"  # the digest of the columns that are named, as they have become
    JSON = "json"  # every text within is shaped; keys and words of the code that are named stay
    IDS = "ids"  # as JSON, and ids stay
    SCHEMA = "schema"  # a JSON Schema of a brief
    OFF = "off"  # switched off, unless the column that is named says that every new portal has the row
    TURN = "turn"  # one word becomes another: old=new
    DROP = "drop"  # emptied
    UNUSABLE = "unusable"  # a password that nobody has
    PROFILE = "profile"  # the portal's own file storage
    FILE_BYTES = "file_bytes"  # told by what takes the file's place


class Staging(StrEnum):
    """What becomes of a table in a staging copy."""

    COPY = "copy"
    DROP = "drop"
    FRESH = "fresh"  # as a new portal has it


class Erasure(StrEnum):
    """What becomes of a row when a person is erased."""

    NONE = "none"  # it is about nobody
    DELETE = "delete"  # it goes with the person
    DETACH = "detach"  # it stays, and forgets who it was
    KEEP = "keep"  # it must stay for a time: the reason stands in `retention`


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Args:
        data_class: what it holds.
        rule: what becomes of it in a copy.
        words: what the rule needs.
    """

    data_class: DataClass
    rule: Rule
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Args:
        label: "users.User".
        columns: by the field's name.
        staging: what a staging copy does with it.
        people: fields that lead to the person whom a row is about, or who made it.
        erasure: what becomes of a row when that person is erased.
        retention: how long a row is kept, in words.
        kept: the same for programs: a column and days, after which a row goes by itself; None where something else decides.
    """

    label: str
    columns: Mapping[str, Column]
    staging: Staging
    people: tuple[str, ...]
    erasure: Erasure
    retention: str
    kept: tuple[str, int] | None = None


_DEFAULT = {
    DataClass.PUBLIC: Rule.KEEP,
    DataClass.TECHNICAL: Rule.KEEP,
    DataClass.INTERNAL: Rule.SHAPE,
    DataClass.PERSONAL: Rule.KEEP,
    DataClass.CONTENT: Rule.SHAPE,
    DataClass.SECRET: Rule.DROP,
}
_ENTRY = re.compile(r"(\w+)(?::(\w+)(?:\(([^)]*)\))?)?")
# The columns of every leased job.
JOB = "lease_until fence attempts worker:drop queued_at started_at finished_at"


def table(
    label: str,
    *,
    staging: str = "copy",
    people: str = "",
    erasure: str = "none",
    retention: str,
    public: str = "",
    technical: str = "",
    internal: str = "",
    personal: str = "",
    content: str = "",
    secrets: str = "",
    kept: str = "",
) -> Table:
    """Declare a table. Each class takes its columns: "title body_markdown brief:json(title,audience)".

    A column without a rule gets that of its class: public, technical and personal ones are kept, internal ones and
    content are shaped, secrets are dropped. A text that is kept must have choices, which the test of the map sees to.

    Args:
        label: "users.User".
        staging: "copy", "drop" or "fresh".
        people: names of fields that lead to a person.
        erasure: "none", "delete", "detach" or "keep".
        retention: how long a row is kept.
        public, technical, internal, personal, content, secrets: the columns of each class.
        kept: "created_at 90": a row goes 90 days after that moment, which a job sees to and a check proves.
    """
    given = {
        DataClass.PUBLIC: public,
        DataClass.TECHNICAL: technical,
        DataClass.INTERNAL: internal,
        DataClass.PERSONAL: personal,
        DataClass.CONTENT: content,
        DataClass.SECRET: secrets,
    }
    columns: dict[str, Column] = {}
    for data_class, text in given.items():
        for name, rule, words in _ENTRY.findall(text):
            if name in columns:
                raise ValueError(f"{label}.{name} is declared twice")
            columns[name] = Column(
                data_class,
                Rule(rule) if rule else _DEFAULT[data_class],
                tuple(word.strip() for word in words.split(",") if word.strip()),
            )
    moment, _, days = kept.partition(" ")
    rule = (moment, int(days)) if kept else None
    return Table(label, columns, Staging(staging), tuple(people.split()), Erasure(erasure), retention, rule)


@cache
def data_map() -> Mapping[str, Table]:
    """Every declared table by its label.

    Raises:
        ValueError: a table is declared twice.
    """
    found: dict[str, Table] = {}
    for path in settings.DATA_MAPS:
        declared: Iterable[Table] = import_string(path)
        for each in declared:
            if each.label in found:
                raise ValueError(f"{each.label} is declared twice")
            found[each.label] = each
    return found
