"""Word files to HTML that Markdown can say, with a list of what it cannot."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docx import Document as open_document
from docx.oxml.ns import qn
from docx.table import Table
from docx.text.hyperlink import Hyperlink
from docx.text.paragraph import Paragraph

_HEADING = re.compile(r"^heading (\d)$", re.IGNORECASE)
# Takes the bytes and the name of a picture in; returns its address, "" when it cannot be kept.
Take = Callable[[bytes, str], str]
_DRAWING_NAME = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}docPr"
_BLIP = "{http://schemas.openxmlformats.org/drawingml/2006/main}blip"
_IMAGE_DATA = "{urn:schemas-microsoft-com:vml}imagedata"
_OLD_TITLE = "{urn:schemas-microsoft-com:office:office}title"
_ALTERNATIVES = "{http://schemas.openxmlformats.org/markup-compatibility/2006}AlternateContent"
_LEFT_OUT = {
    "w:footnoteReference": "footnotes",
    "w:endnoteReference": "endnotes",
    "w:commentReference": "comments",
    "w:del": "deleted passages of tracked changes",
    "m:oMath": "formulas",
}


def docx_to_html(path: Path, take: Take) -> tuple[str, str, list[str]]:
    """Title, HTML, and sentences about what was left out. The file has been looked through by the guarded parser before.

    Args:
        path: of the file.
        take: takes a picture in.
    """
    document = open_document(str(path))
    writer = _Writer(take)
    for block in document.iter_inner_content():
        if isinstance(block, Table):
            writer.table(block)
        else:
            writer.paragraph(block)
    writer.close_lists(0)
    found = [
        (what, len(document.element.body.findall(f".//{qn(tag)}" if not tag.startswith("m:") else _math(tag))))
        for tag, what in _LEFT_OUT.items()
    ]
    counts: dict[str, int] = {}
    for what, count in found:
        counts[what] = counts.get(what, 0) + count
    if writer.drawings:
        counts = {"drawings and charts": writer.drawings, **counts}
    notes = [f"Not taken over: {what} ({count})." for what, count in counts.items() if count]
    title = (document.core_properties.title or "").strip() or writer.title
    return title, "".join(writer.pieces), notes


def _math(tag: str) -> str:
    return ".//{http://schemas.openxmlformats.org/officeDocument/2006/math}" + tag.partition(":")[2]


class _Writer:
    def __init__(self, take: Take) -> None:
        self.take = take
        self.drawings = 0
        self.pieces: list[str] = []
        self.lists: list[str] = []
        self.title = ""

    def paragraph(self, paragraph: Paragraph) -> None:
        style = str(getattr(paragraph.style, "name", "") or "")
        inner = self.inline(paragraph)
        heading = _HEADING.match(style)
        if style == "Title" or heading:
            self.close_lists(0)
            level = 1 if heading is None else min(int(heading[1]), 6)
            if inner.strip():
                self.title = self.title or paragraph.text.strip()
                self.pieces.append(f"<h{level}>{inner}</h{level}>")
            return
        kind, depth = self._list_of(paragraph, style)
        if kind:
            self.item(kind, depth, inner)
            return
        self.close_lists(0)
        if not inner.strip():
            return
        if "Quote" in style:
            self.pieces.append(f"<blockquote><p>{inner}</p></blockquote>")
        elif style in ("Code", "HTML Preformatted", "Source Code"):
            self.pieces.append(f"<pre><code>{html.escape(paragraph.text)}</code></pre>")
        else:
            self.pieces.append(f"<p>{inner}</p>")

    def item(self, kind: str, depth: int, inner: str) -> None:
        """An item at a depth; a list that is deeper stands inside the item above it."""
        while len(self.lists) > depth or (len(self.lists) == depth and self.lists[-1] != kind):
            self.pieces.append(f"</li></{self.lists.pop()}>")
        if len(self.lists) == depth:
            self.pieces.append("</li><li>")
        while len(self.lists) < depth:
            self.lists.append(kind)
            self.pieces.append(f"<{kind}><li>")
        self.pieces.append(inner)

    def close_lists(self, depth: int) -> None:
        while len(self.lists) > depth:
            self.pieces.append(f"</li></{self.lists.pop()}>")

    def table(self, table: Table) -> None:
        self.close_lists(0)
        rows = []
        for number, row in enumerate(table.rows):
            tag = "th" if number == 0 else "td"
            cells = "".join(
                f"<{tag}>{' '.join(self.inline(p, bold=number > 0) for p in cell.paragraphs)}</{tag}>"
                for cell in row.cells
            )
            rows.append(f"<tr>{cells}</tr>")
        self.pieces.append(f"<table>{''.join(rows)}</table>")

    def inline(self, paragraph: Paragraph, *, bold: bool = True) -> str:
        """The words of a paragraph; a table's head is bold by itself, so its marks are left out there."""
        pieces = []
        for part in paragraph.iter_inner_content():
            if isinstance(part, Hyperlink):
                inner = "".join(self._run(run, bold) for run in part.runs)
                address = html.escape(part.url or "", quote=True)
                pieces.append(f'<a href="{address}">{inner}</a>' if address else inner)
            else:
                pieces.append(self._run(part, bold))
        return "".join(pieces)

    def _run(self, run: Any, bold: bool) -> str:
        text, pictures = html.escape(run.text).replace("\n", "<br>"), self._pictures(run)
        if not text.strip():
            return text + pictures
        for wanted, tag in ((run.bold and bold, "strong"), (run.italic, "em"), (run.font.strike, "s")):
            if wanted:
                text = f"<{tag}>{text}</{tag}>"
        return text + pictures

    def _pictures(self, run: Any) -> str:
        """The pictures of a run, each with what it is said to show."""
        pieces = []
        for element in run._r:
            drawn: Any = element
            if element.tag == _ALTERNATIVES:
                # The same picture, once for new programs and once for old ones.
                drawn = next((inner for inner in element.iter(qn("w:drawing"), qn("w:pict"))), None)
            if drawn is None or drawn.tag not in (qn("w:drawing"), qn("w:pict")):
                continue
            pieces.append(self._picture(run, drawn))
        return "".join(pieces)

    def _picture(self, run: Any, drawn: Any) -> str:
        named = next(drawn.iter(_DRAWING_NAME), None)
        said = named.get("descr") or "" if named is not None else ""
        key = ""
        for inner in drawn.iter(_BLIP, _IMAGE_DATA):
            key = inner.get(qn("r:embed")) or inner.get(qn("r:id")) or inner.get(qn("r:link")) or ""
            said = said or inner.get(_OLD_TITLE) or ""
            break
        relation = run.part.rels.get(key) if key else None
        if relation is None:
            self.drawings += 1
            return html.escape(said)
        if relation.is_external:
            address = relation.target_ref if relation.target_ref.startswith(("https://", "http://")) else ""
        else:
            part = relation.target_part
            address = self.take(part.blob, str(part.partname))
        alt = html.escape(said, quote=True)
        return f'<img src="{html.escape(address, quote=True)}" alt="{alt}">' if address else alt

    @staticmethod
    def _list_of(paragraph: Paragraph, style: str) -> tuple[str, int]:
        """ "ul" or "ol" and the depth from 1; "" for what is no item."""
        properties = paragraph._p.pPr
        numbered: Any = properties.numPr if properties is not None else None
        if not style.startswith("List") and numbered is None:
            return "", 0
        if style.startswith("List Continue"):
            return "", 0
        kind = "ol" if "Number" in style else "ul"
        named = re.search(r" (\d)$", style)
        level = numbered.ilvl.val if numbered is not None and numbered.ilvl is not None else 0
        return kind, min(9, max(level + 1, int(named[1]) if named else 1))
