"""A CSV as rows of cells, whatever program has saved it. Rows that cannot be read are told, not dropped."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field

from aiwriter.core.errors import InvalidInput, TooLarge, UnsupportedType

MAX_BYTES, MAX_ROWS, MAX_COLUMNS, MAX_CELL = 20 * 2**20, 5_000, 100, 100_000
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
# What people send in place of a CSV, by its first bytes.
_OTHERS = {b"PK\x03\x04": "an Excel workbook or a zip", b"\xd0\xcf\x11\xe0": "an old Excel workbook", b"%PDF": "a PDF"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Args:
        number: in a spreadsheet, where the names of the columns are row 1.
        cells: as many as there are columns.
        problem: why it cannot be used; "" for a sound row.
    """

    number: int
    cells: list[str]
    problem: str = ""


@dataclass(slots=True)
class Table:
    """A table as it was read."""

    columns: list[str]
    rows: list[Row] = field(default_factory=list)
    encoding: str = "utf-8"
    delimiter: str = ","


def read_table(data: bytes, *, delimiter: str = "") -> Table:
    """Read a CSV: UTF-8, UTF-16 or Windows-1252, its columns parted by comma, semicolon, tab or bar.

    Args:
        data: the file.
        delimiter: what parts the columns; told from the first row when empty.

    Raises:
        InvalidInput: it is empty, has no names of columns, or holds too many rows or columns.
        TooLarge: it is larger than 20 MiB.
        UnsupportedType: it is no text.
    """
    if len(data) > MAX_BYTES:
        raise TooLarge(f"The file is larger than {MAX_BYTES // 2**20} MiB.", field="file", remedy="Split it.")
    text, encoding = _decoded(data)
    text, named = _named_delimiter(text)
    if delimiter and delimiter not in DELIMITERS:
        raise InvalidInput(
            f"“{delimiter[:10]}” does not part columns.",
            field="delimiter",
            remedy="Use a comma, a semicolon, a tab or a bar, or leave it out.",
        )
    delimiter = delimiter or named or _delimiter_of(text)
    found = _records(text, delimiter)
    top = next((at for at, (cells, problem) in enumerate(found) if problem or any(map(str.strip, cells))), None)
    if top is None:
        raise InvalidInput(
            "The file is empty.", field="file", remedy="The first row names the columns; each further one is a text."
        )
    header, problem = found[top]
    if problem:
        raise InvalidInput(problem, field="file", remedy="The first row must name the columns.")
    table = Table(columns=_names(header), encoding=encoding, delimiter=delimiter)
    for number, (cells, problem) in enumerate(found[top + 1 :], start=top + 2):
        if not problem and not any(cell.strip() for cell in cells):
            continue
        if len(table.rows) == MAX_ROWS:
            raise InvalidInput(
                f"The file holds more than {MAX_ROWS:,} rows.", field="file", remedy="Split it into several files."
            )
        table.rows.append(_row(number, cells, problem, len(header)))
    if not table.rows:
        raise InvalidInput(
            "The file holds names of columns and no row below them.",
            field="file",
            remedy="Add one row for each text that is to be written.",
        )
    return table


def _row(number: int, cells: list[str], problem: str, width: int) -> Row:
    if not problem and any(cell.strip() for cell in cells[width:]):
        problem = (
            f"The row has {len(cells)} cells, the first row names {width} columns. "
            "Put quotation marks around a text that holds the separator."
        )
    if not problem and any(len(cell) > MAX_CELL for cell in cells):
        problem = f"A cell has more than {MAX_CELL:,} characters. Shorten it."
    # Spreadsheets leave empty cells at the end of a row out.
    return Row(number, [_bare(cell[:MAX_CELL]) for cell in cells[:width]] + [""] * (width - len(cells)), problem)


def _bare(cell: str) -> str:
    """A cell without the mark by which a spreadsheet was kept from taking it for a formula."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in ("=", "+", "-", "@", "\t", "\r") else cell


def _records(text: str, delimiter: str) -> list[tuple[list[str], str]]:
    """All rows, blank ones included, each with what is wrong with it."""
    csv.field_size_limit(MAX_BYTES)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found: list[tuple[list[str], str]] = []
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return found
        except csv.Error as error:
            if "end of data" in str(error):
                problem = (
                    f"A quotation mark is opened in line {line} and never closed. "
                    "Close it; what follows was read as one cell."
                )
            else:
                problem = (
                    f"The quotation marks in line {reader.line_num} do not match. "
                    "Write a quotation mark within a quoted text twice."
                )
            found.append(([], problem))
        else:
            found.append((cells, ""))
        if len(found) > MAX_ROWS * 3:
            raise InvalidInput(
                f"The file holds more than {MAX_ROWS:,} rows.", field="file", remedy="Split it into several files."
            )


def _names(header: list[str]) -> list[str]:
    """Names of the columns: each once, none empty."""
    if len(header) > MAX_COLUMNS:
        raise InvalidInput(
            f"The first row names {len(header)} columns.",
            field="file",
            remedy=f"Use at most {MAX_COLUMNS}, and check what parts the columns.",
        )
    names: list[str] = []
    for position, cell in enumerate(header, start=1):
        name = " ".join(cell.split())[:100] or f"Column {position}"
        count = 2
        shown = name
        while shown in names:
            shown, count = f"{name} ({count})", count + 1
        names.append(shown)
    return names


def _decoded(data: bytes) -> tuple[str, str]:
    if not data.strip():
        raise InvalidInput(
            "The file is empty.", field="file", remedy="The first row names the columns; each further one is a text."
        )
    for mark, what in _OTHERS.items():
        if data.startswith(mark):
            raise UnsupportedType(
                f"This is {what}, not a CSV.", field="file", remedy="Open it and save it as CSV (UTF-8)."
            )
    encoding = next((name for mark, name in _BOMS if data.startswith(mark)), "")
    if not encoding and b"\0" in data[:4096]:
        # Every second byte of western text in UTF-16 is zero; a program left the mark at the beginning out.
        even, odd, least = data[:4096:2].count(0), data[1:4096:2].count(0), len(data[:4096]) // 8
        encoding = "utf-16-le" if odd > max(least, 4 * even) else "utf-16-be" if even > max(least, 4 * odd) else ""
        if not encoding:
            raise UnsupportedType("This is no text.", field="file", remedy="Save the table as CSV (UTF-8).")
    try:
        return data.decode(encoding or "utf-8"), encoding.removesuffix("-sig") or "utf-8"
    except UnicodeDecodeError:
        if encoding:
            raise InvalidInput(
                f"The file says that it is {encoding.removesuffix('-sig').upper()} and is not.",
                field="file",
                remedy="Save it again as CSV (UTF-8).",
            ) from None
    return data.decode("cp1252", "replace"), "cp1252"


def _named_delimiter(text: str) -> tuple[str, str]:
    """The text without the line "sep=;" that some spreadsheets put before the table, and what it names."""
    first, _, rest = text.partition("\n")
    first = first.strip("\r").strip('"')
    if len(first) == 5 and first.lower().startswith("sep=") and first[4] in DELIMITERS:
        return rest, first[4]
    return text, ""


def _delimiter_of(text: str) -> str:
    """What parts the names in the first row, quoted parts left out; a comma when nothing does."""
    counts = dict.fromkeys(DELIMITERS, 0)
    quoted = False
    for letter in text.lstrip("\r\n")[:20_000]:
        if letter == '"':
            quoted = not quoted
        elif letter == "\n" and not quoted:
            break
        elif not quoted and letter in counts:
            counts[letter] += 1
    best = max(counts, key=lambda each: counts[each])
    return best if counts[best] else ","
