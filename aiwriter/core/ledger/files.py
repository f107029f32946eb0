"""A record as a file: one event a line, JSON."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator

import orjson

from aiwriter.core.ledger.chain import COLUMNS, OCCURRED, Row


def line_of(row: Row) -> bytes:
    """An event of an export: one JSON object and a line end."""
    return orjson.dumps(dict(zip(COLUMNS, row, strict=True)), option=orjson.OPT_APPEND_NEWLINE)


class NotAnExport(ValueError):
    """A line of a file is not an event.

    Args:
        number: of the line.
    """

    def __init__(self, number: int, problem: str) -> None:
        super().__init__(f"line {number} is not an exported event: {problem}")
        self.number = number


def rows_of(lines: Iterable[bytes]) -> Iterator[Row]:
    """Events of an export, in the order of its lines.

    Raises:
        NotAnExport: a line cannot be read.
    """
    moment = dt.datetime.fromisoformat
    loads = orjson.loads
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            event = loads(line)
            row = [event[name] for name in COLUMNS]
            row[4], row[OCCURRED] = moment(row[4]), moment(row[OCCURRED])
        except (ValueError, KeyError, TypeError) as error:
            raise NotAnExport(number, f"{type(error).__name__} {error}") from None
        yield row
