"""Export of 50,000 words in every format, against the bare library of the format or pandoc where it is installed."""

from __future__ import annotations

import io
import shutil
import subprocess
import time
from collections.abc import Callable

from tests.benchmarks import Row
from tests.lab.django import set_up

WORDS = 50_000
_PARAGRAPH = "A sentence with *some* words and a [link](https://example.org/) that fills the page. [1] "


def _text() -> str:
    blocks, words, number = [], 0, 0
    while words < WORDS:
        if number % 12 == 0:
            blocks.append(f"## Part {number // 12 + 1}")
        if number % 20 == 7:
            blocks.append("- one thing\n- another thing\n  1. a nested thing")
        if number % 50 == 9:
            blocks.append("| name | value |\n| --- | --- |\n| tide | 4.2 |")
        blocks.append((_PARAGRAPH * 7).strip())
        words += 7 * 13
        number += 1
    return "\n\n".join(blocks) + "\n"


def _seconds(work: Callable[[], object], rounds: int = 3) -> float:
    best = float("inf")
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begun)
    return best


def _bare_docx(text: str) -> None:
    """python-docx with plain paragraphs: what the library itself costs for as many words."""
    import docx

    document = docx.Document()
    for block in text.split("\n\n"):
        paragraph = document.add_paragraph()
        for piece in block.split("*"):
            paragraph.add_run(piece)
    document.save(io.BytesIO())


def _pandoc(text: str, format: str) -> float | None:
    program = shutil.which("pandoc")
    if program is None:
        return None

    def work() -> None:
        arguments = [program or "", "-f", "commonmark", "-t", format, "-o", "/dev/null"]
        subprocess.run(arguments, input=text.encode(), check=True)

    return _seconds(work, rounds=1)


def measure() -> list[Row]:
    """One row for each format."""
    set_up()
    from apps.content.markup.docx import docx_file
    from apps.content.markup.exports import Reference, html_file, markdown_file
    from apps.content.markup.markdown import to_html
    from apps.content.markup.pdf import pdf_file
    from apps.content.markup.plain import text_file

    text, sources = _text(), [Reference("1", "Notes on tides", "p. 4", "the tide rises")]
    bare_html = _seconds(lambda: to_html(text))
    bare_docx = _seconds(lambda: _bare_docx(text), rounds=1)
    word = _pandoc(text, "docx")
    return [
        Row("50,000 words as Markdown", _seconds(lambda: markdown_file("T", text, sources)), 1.0, "s", "limit", 1.0),
        Row(
            "50,000 words as HTML", _seconds(lambda: html_file("T", text, sources)), bare_html, "s", "parser alone", 1.5
        ),
        Row("50,000 words as text", _seconds(lambda: text_file("T", text, sources)), 2.0, "s", "limit", 1.0),
        Row("50,000 words as PDF", _seconds(lambda: pdf_file("T", text, sources)), 5.0, "s", "limit", 1.0),
        Row(
            "50,000 words as Word",
            _seconds(lambda: docx_file("T", text, sources), rounds=1),
            word or bare_docx,
            "s",
            "pandoc" if word else "python-docx, plain paragraphs",
            None if word else 6.0,
        ),
    ]
