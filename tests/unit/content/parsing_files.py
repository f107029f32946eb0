"""Makes real files of each kind that the portal reads, and files that want to do harm."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from docx import Document


def docx_file(path: Path) -> Path:
    """A Word document with a title, two levels of headings, a list, a table and a deleted sentence."""
    document = Document()
    document.core_properties.title = "The Ferry Handbook"
    document.add_heading("Timetables", level=1)
    document.add_paragraph("The ferry leaves Visby at half past seven and reaches the mainland before noon.")
    document.add_heading("Winter", level=2)
    document.add_paragraph("In winter the first departure is cancelled.", style="List Bullet")
    document.add_paragraph("Dogs travel free of charge.", style="List Bullet")
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip(
        [cell for row in table.rows for cell in row.cells], ["Port", "Hours", "Visby", "3"], strict=True
    ):
        cell.text = text
    paragraph = document.add_paragraph("Kept words. ")
    run = paragraph.add_run("Removed words.")
    # A tracked deletion: Word keeps the text in w:delText.
    run._r.tag = run._r.tag
    for node in run._r.iter():
        if node.tag.endswith("}t"):
            node.tag = node.tag[:-1] + "delText"
    document.save(str(path))
    return path


def odt_file(path: Path) -> Path:
    """An OpenDocument text with a heading, a paragraph, a list entry, a table row and a comment."""
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "text", "table")
    )
    content = f"""<?xml version="1.0" encoding="UTF-8"?><office:document-content {spaces}><office:body><office:text>
<text:h text:outline-level="2">Harbour dues</text:h>
<text:p>Boats pay by length<office:annotation><text:p>secret remark</text:p></office:annotation>, not by weight.</text:p>
<text:list><text:list-item><text:p>Under ten metres</text:p></text:list-item></text:list>
<table:table><table:table-row><table:table-cell><text:p>Length</text:p></table:table-cell>
<table:table-cell><text:p>Price</text:p></table:table-cell></table:table-row></table:table>
</office:text></office:body></office:document-content>"""
    return zip_file(path, {"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": content})


def epub_file(path: Path) -> Path:
    """A book of two chapters, listed in the other order than they are stored."""
    container = """<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""
    package = """<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">
<metadata><dc:title>Two Chapters</dc:title></metadata><manifest>
<item id="b" href="b.xhtml" media-type="application/xhtml+xml"/><item id="a" href="a.xhtml" media-type="application/xhtml+xml"/>
</manifest><spine><itemref idref="a"/><itemref idref="b"/></spine></package>"""
    chapter = "<html><body><h1>{0}</h1><p>This is the text of {0} chapter.</p></body></html>"
    return zip_file(
        path,
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": container,
            "OEBPS/book.opf": package,
            "OEBPS/b.xhtml": chapter.format("Second"),
            "OEBPS/a.xhtml": chapter.format("First"),
        },
    )


def zip_file(path: Path, entries: Mapping[str, str | bytes]) -> Path:
    """A zip file with these entries."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def pdf_bytes(pages: list[list[str]]) -> bytes:
    """A PDF written by hand: each page a list of lines in Helvetica."""
    objects: list[bytes] = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    kids: list[str] = []
    font = 3
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    for lines in pages:
        drawn = "\n".join(
            f"1 0 0 1 72 {760 - 16 * number} Tm ({line.replace('(', '').replace(')', '')}) Tj"
            for number, line in enumerate(lines)
        )
        stream = f"BT /F1 12 Tf\n{drawn}\nET".encode("latin-1")
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {len(objects)} 0 R "
            f"/Resources << /Font << /F1 {font} 0 R >> >> >>".encode()
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Count {len(kids)} /Kids [{' '.join(kids)}] >>".encode()
    out = io.BytesIO(b"")
    out.write(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    for place in places:
        out.write(b"%010d 00000 n \n" % place)
    out.write(b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start))
    return out.getvalue()


def encrypted_pdf(path: Path, password: str) -> Path:
    """The same kind of PDF, which asks for a password."""
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf_bytes([["Nobody may read this."]]))))
    writer.encrypt(user_password=password, owner_password="owner", algorithm="RC4-128")
    with path.open("wb") as stream:
        writer.write(stream)
    return path


RFC = """



Network Working Group                                         A. Example
Request for Comments: 9999                                   March 2020
Category: Informational


                       The Harbour Control Protocol

Status of This Memo

   This memo provides information for the Internet community.

Table of Contents

   1.  Introduction . . . . . . . . . . . . . . . . . . . . . . . . .  2
     1.1.  Lights . . . . . . . . . . . . . . . . . . . . . . . . . .  2
   2.  Operation  . . . . . . . . . . . . . . . . . . . . . . . . . .  3



Example                      Informational                      [Page 1]
\f
RFC 9999              The Harbour Control Protocol             March 2020


1.  Introduction

   The protocol moves ships through a harbour in a safe order, and it
   keeps a record of every movement so that the harbour master can

   +--------+            +--------+
   |  Ship  |<---------->| Tower  |
   +--------+            +--------+

1.1.  Lights

   Each light is either on or off.  A light that has failed counts as a
   red light until somebody has repaired it, which may take several



Example                      Informational                      [Page 2]
\f
RFC 9999              The Harbour Control Protocol             March 2020


   hours in winter.

2.  Operation

   o  The ship asks for a berth.

   o  The tower answers within ten seconds, or the ship asks again and
      waits twice as long.



Example                      Informational                      [Page 3]
"""
