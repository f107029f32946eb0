"""A copy of a person's data as one archive: rows as JSON lines, texts as Markdown, files as they came in.

It is written piece by piece, so neither 10,000 documents nor large files fill the memory.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import tempfile
import uuid
import zipfile
from collections.abc import Iterator
from itertools import chain
from typing import Any, BinaryIO, Protocol, cast

import orjson
from django.db import models
from django.utils import timezone

from aiwriter import __version__
from aiwriter.core.datamap import DataClass, data_map
from apps.users.models import AuditEvent, User
from apps.users.services.personal_rows import Trace, traces
from apps.users.services.privacy_parts import Person, paged, parts
from apps.users.services.subjects import named

_AT_A_TIME = 500
_READ_ME = """This is a copy of the data that AI-Writer {version} holds about you, made {at} (UTC).

data/       one file per kind of record, one JSON object per line; the names of the columns are those of the database
documents/  your texts as Markdown, and versions.jsonl with every version of them
files/      your files as you gave them
record.jsonl  what you did, as the audit record has it

Left out: passwords, keys and other secrets (they are stored in a form that nobody can read), and what the portal
makes from the data above, such as search indexes. What others wrote in shared workspaces is theirs.
"""


class Steps(Protocol):
    """How a job says how far it is."""

    def begin(self, total: int) -> None: ...
    def phase(self, text: str) -> None: ...
    def tick(self, count: int = 1) -> None: ...


@contextlib.contextmanager
def written(person: Person, steps: Steps) -> Iterator[tuple[BinaryIO, dict[str, Any]]]:
    """The archive in a temporary file that goes away at the end, and what is in it.

    Args:
        person: whose data.
        steps: told of each row and file.
    """
    steps.begin(sum(part.count(person) for part in parts()))
    report: dict[str, Any] = {"files": 0, "records": {}}
    with tempfile.TemporaryFile() as target:
        # Level 1: texts become a third at once; the last tenth would cost three times as long.
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr("README.txt", _READ_ME.format(version=__version__, at=f"{timezone.now():%Y-%m-%d %H:%M}"))
            for part in parts():
                steps.phase(part.name)
                for piece in part.pieces(person):
                    with archive.open(piece.name, "w", force_zip64=True) as file:
                        for data in piece.content:
                            file.write(data)
                    report["files"] += 1
                    steps.tick()
            steps.phase("records")
            told = frozenset().union(*(part.told for part in parts()))
            for name, lines in _tables(person, told):
                count = 0
                with archive.open(name, "w", force_zip64=True) as file:
                    for line in lines:
                        file.write(line)
                        count += 1
                        steps.tick(0)
                report["records"][name.removeprefix("data/").removesuffix(".jsonl")] = count
        target.seek(0)
        yield cast("BinaryIO", target), report


def _tables(person: Person, told: frozenset[str]) -> Iterator[tuple[str, Iterator[bytes]]]:
    account = Trace(data_map()["users.User"], User, ("id",))
    for trace in (account, *traces()):
        if trace.label not in told and trace.of(person).exists():
            yield f"data/{trace.label}.jsonl", _rows(trace, person)
    yield "record.jsonl", _record(person)


def _rows(trace: Trace, person: Person) -> Iterator[bytes]:
    columns = [
        "pk",
        *(
            field.attname
            for field in trace.model._meta.concrete_fields
            if not isinstance(field, models.BinaryField)
            and trace.table.columns[field.name].data_class is not DataClass.SECRET
        ),
    ]
    for row in paged(trace.of(person).values(*columns), _AT_A_TIME):
        del row["pk"]
        yield line_of(row)


def _record(person: Person) -> Iterator[bytes]:
    facts = ("occurred_at", "action", "object_type", "object_id", "outcome", "reason", "before", "after")
    page: list[AuditEvent] = []
    for event in chain(paged(AuditEvent.objects.filter(actor_id=f"user:{person.id}"), _AT_A_TIME), [None]):
        if event is not None:
            page.append(event)
        if event is None or len(page) == _AT_A_TIME:
            for each in named(page):
                yield line_of({name: getattr(each, name) for name in facts})
            page = []


def line_of(row: dict[str, Any]) -> bytes:
    """A row as a line of JSON."""
    return orjson.dumps(row, default=_plain, option=orjson.OPT_APPEND_NEWLINE)


def _plain(value: Any) -> Any:
    if isinstance(value, decimal.Decimal | uuid.UUID | dt.timedelta):
        return str(value)
    raise TypeError
