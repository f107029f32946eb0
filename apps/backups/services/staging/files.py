"""What takes the place of a file: a small one of the same kind that says nothing."""

from __future__ import annotations

import hashlib
import hmac
import io
import struct
import uuid
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.backends.models import BackendProfile, StoredBlob, StoredFile, StoredFileVersion
from apps.backends.services.blobs import new_storage_name
from apps.backups.services.progress import Progress

_WORDS = "This file takes the place of another one"
_DOCX = {
    "[Content_Types].xml": '<?xml version="1.0" encoding="UTF-8"?><Types '
    'xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" '
    'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>',
    "_rels/.rels": '<?xml version="1.0" encoding="UTF-8"?><Relationships '
    'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" '
    'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
    'Target="word/document.xml"/></Relationships>',
    "word/document.xml": '<?xml version="1.0" encoding="UTF-8"?><w:document '
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>{text}</w:t></w:r>'
    "</w:p></w:body></w:document>",
}


@dataclass(frozen=True, slots=True)
class Placeholder:
    """The columns of a content that took another one's place."""

    sha256: str
    size: int
    storage_name: str


class Placeholders:
    """The files of one copy.

    Args:
        source: alias of the restored set.
        target: alias of the copy, as a new portal has it.
        secret: of this copy; makes every content another one.
        folder: data folder of the copy.

    Attributes:
        profile_id: the file storage of the copy.
        profile: its row, when the original has none of its own.
    """

    def __init__(self, source: str, target: str, secret: bytes, folder: Path) -> None:
        self._secret, self._folder = secret, folder
        self._kinds: dict[Any, str] = {}
        for model, name in ((StoredFileVersion, "file__content_type"), (StoredFile, "content_type")):
            self._kinds |= dict(model._base_manager.using(source).values_list("blob_id", name).iterator())
        there, here = (
            BackendProfile._base_manager.using(alias).filter(kind="storage").exclude(managed="").order_by("pk").first()
            for alias in (source, target)
        )
        self.profile = here if there is None else None
        self.profile_id: uuid.UUID | None = getattr(there or here, "pk", None)
        self._made: dict[Any, Placeholder] = {}

    @property
    def count(self) -> int:
        """How many were made."""
        return len(self._made)

    def of(self, blob_id: Any) -> Placeholder:
        """What takes the place of a content; written when it is asked for first."""
        made = self._made.get(blob_id)
        if made is None:
            number = hmac.digest(self._secret, f"file\0{blob_id}".encode(), "sha256").hex()[:16]
            content = content_of(self._kinds.get(blob_id, ""), number)
            digest = hashlib.sha256(content).hexdigest()
            made = self._made[blob_id] = Placeholder(digest, len(content), new_storage_name(digest))
            path = self._folder / "files" / made.storage_name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.write_bytes(content)
        return made


def content_of(kind: str, number: str) -> bytes:
    """A small file of a kind.

    Args:
        kind: its media type.
        number: stands in it, so that no two are the same.
    """
    text = f"{_WORDS} ({number})."
    plain = kind.partition(";")[0].strip()
    if plain == "image/png":
        return _png(number)
    if plain == "image/gif":
        comment = b"!\xfe" + bytes([len(number)]) + number.encode() + b"\0"
        return (
            b"GIF89a\x01\0\x01\0\x80\0\0\x99\x99\x99\xff\xff\xff" + comment + b",\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"
        )
    if plain == "image/svg+xml":
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><title>'
            f'{number}</title><rect width="64" height="64" fill="#999"/></svg>'
        ).encode()
    if plain.startswith("image/"):
        # A picture of another kind is shown by what it holds, not by what it is called.
        return _png(number)
    if plain == "application/pdf":
        return _pdf(text)
    if plain.endswith("wordprocessingml.document") or plain == "application/zip":
        return _zip({name: each.replace("{text}", text) for name, each in _DOCX.items()})
    if plain == "text/html":
        return f"<!doctype html><title>{number}</title><p>{text}</p>\n".encode()
    if plain == "application/json":
        return f'{{"text": "{text}"}}\n'.encode()
    return f"{text}\n".encode()


def _png(number: str) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    side = 64
    rows = b"".join(b"\0" + b"\x99" * side for _ in range(side))
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    note = chunk(b"tEXt", b"Comment\0" + number.encode())
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + note + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


def _pdf(text: str) -> bytes:
    stream = f"BT /F1 12 Tf 72 720 Td ({text.replace('(', '').replace(')', '')}) Tj ET".encode()
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )
    out, places = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + b"xref\n0 6\n0000000000 65535 f \n%strailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (
        table,
        len(out),
    )


def _zip(members: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), text)
    return buffer.getvalue()


def forget_unnamed(target: str, folder: Path, progress: Progress) -> int:
    """Remove placeholders whose rows did not come along. Returns how many."""
    named = set(StoredBlob._base_manager.using(target).values_list("storage_name", flat=True))
    gone = 0
    root = folder / "files"
    for path in sorted(root.rglob("*")) if root.is_dir() else ():
        if path.is_file() and path.relative_to(root).as_posix() not in named:
            path.unlink()
            gone += 1
            progress.check()
    return gone
