"""Documents as Word files, with real headings, lists, tables and links, so that Word's own tools work on them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from io import BytesIO
from typing import Any

from docx import Document as new_document
from docx.enum.style import WD_STYLE_TYPE
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Emu, Pt
from markdown_it.token import Token

from apps.content.markup.exports import Reference
from apps.content.markup.markdown import parse
from apps.content.markup.pictures import Picture, Pictures, alt_of

_DEEPEST_LIST = 3
_MARKER = re.compile(r"(\[\d{1,4}\])")


def docx_file(
    title: str,
    body: str,
    references: Sequence[Reference],
    *,
    language: str = "en",
    pictures: Pictures | None = None,
    note: str = "",
) -> bytes:
    """The document as a Word file; markers become superscripts, the sources stand at the end.

    Args:
        title: becomes the file's title, and a heading unless the text begins with it.
        body: Markdown.
        references: the list of sources.
        language: language tag, for Word's spelling check.
        pictures: by address; a picture that is not among them is named in the text.
        note: how the text came to be, after the sources.
    """
    document = new_document()
    document.core_properties.title = title
    document.core_properties.language = language
    document.core_properties.author = ""
    _styles(document)
    tokens = [token for token in parse(body) if isinstance(token, Token)]
    if not _begins_with(title, tokens):
        document.add_heading(title, level=0)
    _Writer(document, pictures or {}).blocks(tokens)
    if references:
        document.add_heading("Sources", level=1)
        for entry in references:
            paragraph = document.add_paragraph()
            paragraph.add_run(f"[{entry.marker}] ").bold = True
            paragraph.add_run(entry.line)
            if entry.quote:
                paragraph.add_run(f" — “{entry.quote}”").italic = True
    if note:
        document.add_paragraph().add_run(note).italic = True
    output = BytesIO()
    document.save(output)
    return output.getvalue()


def _begins_with(title: str, tokens: list[Token]) -> bool:
    return len(tokens) > 1 and tokens[0].type == "heading_open" and tokens[1].content.strip() == title


def _styles(document: Any) -> None:
    code = document.styles.add_style("Code", WD_STYLE_TYPE.PARAGRAPH)
    code.font.name, code.font.size = "Courier New", Pt(9)
    code.paragraph_format.space_after = Pt(6)


class _Writer:
    """Walks Markdown tokens and writes paragraphs."""

    def __init__(self, document: Any, pictures: Pictures) -> None:
        self.document = document
        self.pictures = pictures
        self.lists: list[str] = []
        self.quotes = 0
        self.numberings = 0
        self.first_in_item = False
        # By name, number and address: python-docx looks each of them up anew by walking through all that there are.
        self.style_ids: dict[str, str] = {}
        self.abstracts: dict[int, int] = {}
        self.relations: dict[str, str] = {}

    def blocks(self, tokens: list[Token]) -> None:
        position = 0
        while position < len(tokens):
            token = tokens[position]
            kind = token.type
            if kind == "heading_open":
                level = min(int(token.tag[1]), 9)
                self.inline(self.styled(f"Heading {level}"), tokens[position + 1])
                position += 2
            elif kind == "paragraph_open":
                self.inline(self.paragraph(), tokens[position + 1])
                position += 2
            elif kind in ("bullet_list_open", "ordered_list_open"):
                self.lists.append("Number" if kind.startswith("ordered") else "Bullet")
                if kind.startswith("ordered"):
                    self.restart_numbering(int(token.attrs.get("start") or 1))
            elif kind in ("bullet_list_close", "ordered_list_close"):
                self.lists.pop()
            elif kind == "list_item_open":
                self.first_in_item = True
            elif kind == "blockquote_open":
                self.quotes += 1
            elif kind == "blockquote_close":
                self.quotes -= 1
            elif kind in ("fence", "code_block"):
                self.document.add_paragraph(token.content.rstrip("\n"), style="Code")
            elif kind == "hr":
                self.rule()
            elif kind == "table_open":
                end = next(i for i in range(position, len(tokens)) if tokens[i].type == "table_close")
                self.table(tokens[position:end])
                position = end
            position += 1

    def paragraph(self) -> Any:
        if self.lists:
            depth = min(len(self.lists), _DEEPEST_LIST)
            if self.first_in_item:
                self.first_in_item = False
                name = f"List {self.lists[-1]}" + (f" {depth}" if depth > 1 else "")
                paragraph = self.styled(name)
                if self.lists[-1] == "Number":
                    self.number(paragraph, depth)
                return paragraph
            return self.styled("List Continue" + (f" {depth}" if depth > 1 else ""))
        return self.styled("Intense Quote" if self.quotes > 1 else "Quote" if self.quotes else "")

    def styled(self, name: str) -> Any:
        """A new paragraph at the end; "" for the plain style."""
        paragraph = self.document.add_paragraph()
        if name:
            if name not in self.style_ids:
                self.style_ids[name] = self.document.styles[name].style_id
            paragraph._p.style = self.style_ids[name]
        return paragraph

    def restart_numbering(self, start: int) -> None:
        """A numbering of its own for each list: Word would go on counting from the list before."""
        numbering = self.document.part.numbering_part.element
        depth = min(len(self.lists), _DEEPEST_LIST)
        if depth not in self.abstracts:
            style = self.document.styles["List Number" + (f" {depth}" if depth > 1 else "")]
            number_id = style.element.pPr.numPr.numId.val
            self.abstracts[depth] = next(n for n in numbering.num_lst if n.numId == number_id).abstractNumId.val
        made = numbering.add_num(self.abstracts[depth])
        made.add_lvlOverride(ilvl=0).add_startOverride(start)
        self.numberings = made.numId

    def number(self, paragraph: Any, depth: int) -> None:
        properties = paragraph._p.get_or_add_pPr().get_or_add_numPr()
        properties.get_or_add_ilvl().val = 0
        properties.get_or_add_numId().val = self.numberings

    def rule(self) -> None:
        paragraph = self.document.add_paragraph()
        borders = OxmlElement("w:pBdr")
        bottom = OxmlElement("w:bottom")
        for name, value in (("val", "single"), ("sz", "6"), ("space", "1"), ("color", "auto")):
            bottom.set(qn(f"w:{name}"), value)
        borders.append(bottom)
        paragraph._p.get_or_add_pPr().append(borders)

    def table(self, tokens: list[Token]) -> None:
        rows: list[list[Token]] = []
        for token in tokens:
            if token.type == "tr_open":
                rows.append([])
            elif token.type == "inline":
                rows[-1].append(token)
        columns = max(len(row) for row in rows)
        table = self.document.add_table(rows=len(rows), cols=columns)
        table.style = "Table Grid"
        for row_number, row in enumerate(rows):
            # python-docx looks a cell up by counting through the table, so cells are taken row by row.
            cells = table.rows[row_number].cells
            for cell, inline in zip(cells, row, strict=False):
                paragraph = cell.paragraphs[0]
                self.inline(paragraph, inline)
                if row_number == 0:
                    for run in paragraph.runs:
                        run.bold = True

    def inline(self, paragraph: Any, token: Token) -> None:
        bold = italic = struck = 0
        link = ""
        for child in token.children or []:
            kind = child.type
            if kind in ("strong_open", "strong_close"):
                bold += 1 if kind.endswith("open") else -1
            elif kind in ("em_open", "em_close"):
                italic += 1 if kind.endswith("open") else -1
            elif kind in ("s_open", "s_close"):
                struck += 1 if kind.endswith("open") else -1
            elif kind == "link_open":
                link = str(child.attrs.get("href", ""))
            elif kind == "link_close":
                link = ""
            elif kind == "hardbreak":
                paragraph.add_run().add_break()
            elif kind == "image":
                self.picture(paragraph, child)
            else:
                text = " " if kind == "softbreak" else child.content
                for piece in _MARKER.split(text) if kind == "text" and not link else [text]:
                    if not piece:
                        continue
                    run = self.linked(paragraph, link, piece) if link else _run(paragraph, piece)
                    # Setting a property to None costs as much as setting it, and most runs have none.
                    if bold:
                        run.bold = True
                    if italic:
                        run.italic = True
                    if struck:
                        run.font.strike = True
                    if kind == "code_inline":
                        run.font.name = "Courier New"
                    if kind == "text" and not link and _MARKER.fullmatch(piece):
                        run.font.superscript = True

    def picture(self, paragraph: Any, child: Token) -> None:
        """A picture no wider than the text; one that Word cannot show is named in the text."""
        address = str(child.attrs.get("src", ""))
        found, alt = self.pictures.get(address), alt_of(child)
        if found is None or not self._drawn(paragraph, found, alt):
            paragraph.add_run(f"[{alt or address}]").italic = True

    def _drawn(self, paragraph: Any, picture: Picture, alt: str) -> bool:
        section = self.document.sections[0]
        widest = Emu(section.page_width - section.left_margin - section.right_margin)
        run = paragraph.add_run()
        try:
            shape = run.add_picture(BytesIO(picture.content))
        except Exception:  # noqa: BLE001 - python-docx reads headers of damaged pictures with whatever error comes
            return False
        if shape.width > widest:
            shape.height, shape.width = Emu(int(shape.height * widest / shape.width)), widest
        shape._inline.docPr.set("descr", alt)
        return True

    def linked(self, paragraph: Any, address: str, text: str) -> Any:
        """A run inside a hyperlink; python-docx reads links but has nothing to write one."""
        if address not in self.relations:
            part = paragraph.part
            self.relations[address] = part.relate_to(address, RELATIONSHIP_TYPE.HYPERLINK, is_external=True)
        hyperlink = OxmlElement("w:hyperlink")
        hyperlink.set(qn("r:id"), self.relations[address])
        run = _run(paragraph, text)
        run.font.underline = True
        hyperlink.append(run._r)
        paragraph._p.append(hyperlink)
        return run


def _run(paragraph: Any, text: str) -> Any:
    """A run of text. python-docx looks at every character for tabs and line ends, which nearly no text has."""
    if "\t" in text or "\n" in text or "\r" in text:
        return paragraph.add_run(text)
    run = paragraph.add_run()
    run._r.add_t(text)
    return run
