"""CSV as plain text: each row one line of "column: value", so that a row found by search can be understood alone."""

from __future__ import annotations

import csv
import io

from apps.content.parsing.builder import TextBuilder, squeeze
from apps.content.parsing.problems import Problem
from apps.content.parsing.sniff import delimiter_of


def read_csv(text: str, builder: TextBuilder) -> None:
    """Add the rows of a table to `builder`. The first row names the columns unless it holds numbers.

    Raises:
        Problem: "broken" for a field without end, "unsupported" when no columns can be told apart.
    """
    delimiter = delimiter_of(text)
    if delimiter is None:
        raise Problem("unsupported", "no columns can be told apart")
    csv.field_size_limit(1_000_000)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        header = [squeeze(cell) for cell in next(rows)]
        if any(_is_number(cell) for cell in header) or not all(header):
            builder.row(header)
            header = []
        for row in rows:
            cells = [squeeze(cell) for cell in row]
            if header:
                builder.row(
                    [
                        ": ".join((header[at], cell)) if at < len(header) else cell
                        for at, cell in enumerate(cells)
                        if cell
                    ]
                )
            else:
                builder.row([cell for cell in cells if cell])
    except csv.Error as error:
        raise Problem("broken", "a row cannot be read") from error


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True
