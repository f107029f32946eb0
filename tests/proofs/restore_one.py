"""One deleted document comes back with versions and files within 5 seconds from a repository of 10 GB.

The repository holds GIGABYTES (default 10) of files that do not compress, as sets of a portal that has them; a document
with versions and a picture is deleted for good, bytes included, and restored by the command that people use. Nothing else
changes. Measured is the restore itself, from its start to its end as its row says, and the whole command.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from tests.lab.portal import Portal
from tests.lab.shelf import fill, stop_schedules
from tests.proofs import expect

GIGABYTES = float(os.environ.get("GIGABYTES", "10"))
LIMIT_SECONDS = 5.0
_LOOK = """
import hashlib
from apps.content.models import Document
from apps.backends.models import StoredFile
from apps.backends.services.filestore import open_file
from apps.users.selectors.access import Actor
row = Document.objects.filter(pk="{key}").first()
files = StoredFile.objects.filter(pk__in=[{files}])
answer = None if row is None else {{
    "title": row.title, "text": row.body_markdown, "current": str(row.current_version_id),
    "versions": [[v.number, v.sha256, v.label, v.created_at.isoformat()] for v in row.versions.order_by("number")],
    "files": sorted(hashlib.sha256(open_file(actor=Actor.system_actor("proof"), file=f).read()).hexdigest() for f in files),
}}
"""
_LOSE = """
from pathlib import Path
from django.conf import settings
from apps.content.models import Document
from apps.backends.models import StoredFile, StoredBlob
Document.objects.filter(pk="{key}").delete()
for file in StoredFile.objects.filter(pk__in=[{files}]):
    blob = file.blob
    file.delete()
    blob.delete()
    (Path(settings.DATA_DIR) / "files" / blob.storage_name).unlink()
answer = True
"""
# Bytes of a portal's files that were there for long: they go into the repository through the engine, as a run puts them.
_BALLAST = """
import os, io
from apps.backups.models import Destination
from apps.backups.services.repositories import open_repository
from apps.backups.repository import Control
repository = open_repository(Destination.objects.get())
class Noise:
    def __init__(self, size): self.left = size
    def read(self, size=-1):
        size = min(self.left, size if size >= 0 else 1 << 20, 1 << 20)
        self.left -= size
        return os.urandom(size)
with repository.begin(kind="ballast", labels={{}}, control=Control()) as writer:
    for number in range({files}):
        writer.add_stream(f"files/{{number}}", Noise({size}), chunking="whole")
    info = writer.commit({{}})
answer = info.bytes_added
"""


def prove() -> str:
    """Fill, weigh down, lose, restore, compare."""
    with Portal(within=300) as portal:
        stop_schedules(portal)
        documents = fill(portal, documents=200, every=2, picture_bytes=50_000)
        key = documents[0]
        text = portal.shell(
            f"from apps.content.models import Document\nanswer = Document.objects.get(pk='{key}').body_markdown"
        )
        picture = text.rpartition("/pictures/")[2][:36]
        names = {"key": key, "files": f"'{picture}'"}
        size = 64 << 20
        added = portal.shell(_BALLAST.format(files=int(GIGABYTES * 2**30 / size), size=size))
        expect(added >= GIGABYTES * 2**30 * 0.99, f"the repository grew by {added} bytes only")
        made = portal.manage("backup", "--json", check=False)
        expect(made.returncode == 0, f"backup: {made.stdout}{made.stderr}")
        before = portal.shell(_LOOK.format(**names))
        others = portal.shell("from apps.content.models import Document\nanswer = Document.objects.count()")
        portal.shell(_LOSE.format(**names))
        expect(portal.shell(_LOOK.format(**names)) is None, "the document is still there")
        begun = time.monotonic()
        done = portal.manage("restore", "document", key, "--yes", "--json", check=False)
        whole = time.monotonic() - begun
        expect(done.returncode == 0, f"restore: {done.stdout}{done.stderr}")
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        after = portal.shell(_LOOK.format(**names))
        expect(after == before, f"before {before}\nafter {after}")
        expect(
            portal.shell("from apps.content.models import Document\nanswer = Document.objects.count()") == others,
            "something else changed",
        )
        expect(found["seconds"] <= LIMIT_SECONDS, f"it took {found['seconds']} s")
        return (
            f"{found['seconds']:.2f} s (limit {LIMIT_SECONDS:.0f}; the command with its start {whole:.1f} s) from a repository "
            f"of {added / 2**30:.1f} GiB; {len(before['versions'])} versions, {len(before['files'])} file"
        )
