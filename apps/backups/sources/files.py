"""Files: every content that the snapshot names, once, whatever storage it lies in."""

from __future__ import annotations

import io
import uuid
from typing import Any, BinaryIO

from aiwriter.core.errors import AppError
from apps.backends.models import BackendProfile, StoredBlob
from apps.backends.services.blobs import BlobReader, copy_to
from apps.backups.services.contents import file_entry
from apps.backups.services.sources import Collecting

_BLOBS = "SELECT id, sha256, size, profile_id, storage_name, encrypted, key_id FROM backends_storedblob ORDER BY sha256"
_MOST_NAMED = 1_000
_IN_MEMORY = 8 << 20


def files(collecting: Collecting) -> None:
    """Store what the repository does not know yet. What is missing is named, and makes the set incomplete.

    The rows are read from the snapshot and the bytes from the storages: contents never change, and the collector of the
    file store leaves what nobody names for two days, so everything that the snapshot names is still there.
    """
    rows = list(collecting.snapshot.rows(_BLOBS))
    profiles = {str(profile.pk): profile for profile in BackendProfile.objects.filter(kind="storage")}
    total = sum(int(row[2]) for row in rows)
    collecting.progress.phase("files", total)
    done = stored = known = size = 0
    seen: set[str] = set()
    for row in rows:
        collecting.progress.check()
        blob = _blob(row, profiles)
        done += int(row[2])
        collecting.progress.progress("files", done, total)
        if str(row[1]) in seen:
            continue
        if collecting.writer.add_known(file_entry(str(row[1])), _key(str(row[1]))) is not None:
            seen.add(str(row[1]))
            known += 1
            size += int(row[2])
            continue
        problem = _store(collecting, blob, str(row[1]))
        if problem:
            if len(collecting.missing) < _MOST_NAMED:
                collecting.missing.append({"blob": str(row[0]), "sha256": str(row[1]), "problem": problem[:300]})
            continue
        seen.add(str(row[1]))
        stored += 1
        size += int(row[2])
    # A content can lie in two storages; what one of them has lost may have come from the other.
    collecting.missing[:] = [each for each in collecting.missing if each.get("sha256") not in seen]
    collecting.facts["files"] = {"count": len(seen), "bytes": size, "missing": len(collecting.missing)}
    collecting.progress.say(f"{len(seen):,} files: {known:,} were in the repository, {stored:,} are new.")
    if collecting.missing:
        collecting.progress.say(f"{len(collecting.missing):,} files could not be read; the set is incomplete.")


def _blob(row: tuple[Any, ...], profiles: dict[str, BackendProfile]) -> StoredBlob | None:
    profile = profiles.get(str(uuid.UUID(str(row[3]))))
    if profile is None:
        return None
    return StoredBlob(
        id=uuid.UUID(str(row[0])),
        sha256=row[1],
        size=int(row[2]),
        profile=profile,
        storage_name=row[4],
        encrypted=bool(row[5]),
        key_id=row[6],
    )


def _store(collecting: Collecting, blob: StoredBlob | None, sha256: str) -> str:
    """Put one content into the set; returns why that was not possible, or ""."""
    if blob is None:
        return "its storage profile is gone"
    # Verified whole before the first byte goes into the set: a writer cannot take back half a file.
    path = collecting.scratch / sha256
    try:
        if blob.size <= _IN_MEMORY:
            with BlobReader(blob) as reader:
                content: BinaryIO = io.BytesIO(reader.read())
        else:
            copy_to(blob, path)
            content = path.open("rb")
    except AppError as error:
        path.unlink(missing_ok=True)
        return error.message
    with content:
        collecting.writer.add_stream(file_entry(sha256), content, chunking="whole", key=_key(sha256))
    path.unlink(missing_ok=True)
    return ""


def _key(sha256: str) -> str:
    """Under which the repository remembers a content."""
    return f"sha256:{sha256}"
