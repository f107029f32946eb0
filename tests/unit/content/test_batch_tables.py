"""Tables of batches: whatever program saved them is read, and what cannot be read says so."""

from __future__ import annotations

import pytest

from aiwriter.core.errors import InvalidInput, TooLarge, UnsupportedType
from apps.content.parsing import rows as parsing
from apps.content.parsing.rows import read_table


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_whatever_program_saved_it(encoding: str, delimiter: str):
    text = delimiter.join(["Name", "Größe"]) + "\r\n" + delimiter.join(['"Tür, ""neu""; \tx"', "„groß“"]) + "\r\n"
    table = read_table(text.encode(encoding))
    assert table.columns == ["Name", "Größe"]
    assert table.rows[0].cells == ['Tür, "neu"; \tx', "„groß“"]
    assert (table.rows[0].number, table.delimiter) == (2, delimiter)


def test_numbers_of_rows_are_those_of_the_spreadsheet():
    table = read_table(b'sep=;\nA;A;\n1;"two\nlines";x\n\n3;4\n')
    assert table.columns == ["A", "A (2)", "Column 3"]
    assert [(row.number, row.cells) for row in table.rows] == [(2, ["1", "two\nlines", "x"]), (4, ["3", "4", ""])]


def test_rows_that_cannot_be_read_say_so_and_the_others_stay():
    table = read_table(b'A,B\n1,2,3\n"a"b,2\n4,5\n6,"open\n7,8\n')
    told = {row.number: row.problem for row in table.rows}
    assert told[2].startswith("The row has 3 cells, the first row names 2 columns.")
    assert "quotation marks in line 3 do not match" in told[3]
    assert told[4] == ""
    assert "opened in line 5 and never closed" in told[5]


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"", InvalidInput, "empty"),
        (b" \n\n", InvalidInput, "empty"),
        (b"A,B\n", InvalidInput, "no row below"),
        (b"PK\x03\x04" + b"\0" * 40, UnsupportedType, "Excel workbook"),
        (b"%PDF-1.7\n", UnsupportedType, "a PDF"),
        (bytes(range(256)) * 8, UnsupportedType, "no text"),
        (b"\xff\xfeA\xd8", InvalidInput, "UTF-16 and is not"),
        (b"A\n" + b"x\n" * (parsing.MAX_ROWS + 1), InvalidInput, "more than 5,000 rows"),
        (b"x," * 150 + b"\n1\n", InvalidInput, "151 columns"),
        (b"x" * (parsing.MAX_BYTES + 1), TooLarge, "20 MiB"),
        (b'"a"b,c\n1,2\n', InvalidInput, "do not match"),
    ],
)
def test_files_that_are_no_table(data: bytes, kind: type[Exception], words: str):
    with pytest.raises(kind, match=words) as caught:
        read_table(data)
    assert caught.value.remedy  # type: ignore[attr-defined]
