"""A portal filled with what a backup must bring back: documents with versions, pictures, sources."""

from __future__ import annotations

from tests.lab.portal import Portal

_FILL = """
import io, os, struct, zlib
from apps.users.models import Workspace
from apps.users.selectors.access import Actor
from apps.content.models import Document
from apps.content.services.documents import create_document, save_document
from apps.content.services.pictures import add_picture
from apps.content.services.sources import add_text_source
actor = Actor.system_actor("lab")
room = Workspace.objects.order_by("created_at").first()
def picture(size):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    return b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", head) + chunk(b"prVt", os.urandom(size)) + chunk(b"IDAT", zlib.compress(bytes(4))) + chunk(b"IEND", b"")
made = []
for number in range({documents}):
    words = " ".join(f"lantern{{number}} sentence {{each}} of the harbour." for each in range(60))
    row = create_document(actor=actor, workspace=room, title=f"Harbour lantern {{number}}", body_markdown=f"# Lantern {{number}}\\n\\n{{words}}")
    if number % {every} == 0:
        file = add_picture(actor=actor, document_id=row.pk, name="lamp.png", stream=io.BytesIO(picture({picture_bytes})))
        row = Document.objects.get(pk=row.pk)
        save_document(actor=actor, document_id=row.pk, revision=row.revision, body_markdown=row.body_markdown + f"\\n\\n![lamp](/pictures/{{file.pk}})", label="with a picture")
    made.append(str(row.pk))
for number in range({sources}):
    add_text_source(actor=actor, workspace=room, title=f"Notes {{number}}", text=f"# Notes\\n\\nThe tide table number {{number}} names the springs and the neaps.\\n" * 20)
answer = made
"""


def fill(
    portal: Portal, *, documents: int = 40, every: int = 4, picture_bytes: int = 20_000, sources: int = 5
) -> list[str]:
    """Put documents, pictures and sources into the first workspace.

    Args:
        portal: a running one.
        documents: how many; two versions where there is a picture.
        every: each so many-th document gets a picture.
        picture_bytes: size of a picture, bytes that do not compress.
        sources: how many texts to be read in.

    Returns:
        ids of the documents.
    """
    code = _FILL.format(documents=documents, every=every, picture_bytes=picture_bytes, sources=sources)
    made: list[str] = portal.shell(code)
    return made


def counts(portal: Portal) -> dict[str, int]:
    """What there is."""
    found: dict[str, int] = portal.shell(
        "from apps.content.models import Document, DocumentVersion, Source\n"
        "from apps.backends.models import StoredFile\n"
        "answer = {'documents': Document.objects.count(), 'versions': DocumentVersion.objects.count(),"
        " 'files': StoredFile.objects.count(), 'sources': Source.objects.count()}"
    )
    return found


def stop_schedules(portal: Portal) -> None:
    """Let no backup or drill begin by itself, so that those of a proof are the only ones."""
    portal.shell("from apps.backups.models import Policy\nanswer = Policy.objects.update(enabled=False)")
