"""Pictures that come in with a text: judged by their bytes, counted, kept as the editor's uploads are.

While a text is read its pictures only get an address each. They are kept one by one afterwards, and the row of the import
notes every one in the same transaction: a worker that takes over finds them, and keeps none twice.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import BytesIO
from urllib.parse import unquote_to_bytes

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from apps.backends.services.filestore import put_file
from apps.content.markup.pictures import ENDINGS, kind_of
from apps.content.models import Import
from apps.content.services.pictures import MAX_PICTURE, PURPOSE, address_of, drop_unused
from apps.users.selectors.access import Actor

MAX_PICTURES, MAX_PICTURES_BYTES = 200, 60 * 2**20


@dataclass(frozen=True, slots=True)
class Waiting:
    """A picture that is to be kept."""

    content: bytes
    name: str
    digest: str


@dataclass(slots=True)
class Box:
    """Takes the pictures of one import in.

    Args:
        most: so many at most; 0 takes none.
    """

    most: int = MAX_PICTURES
    waiting: dict[str, Waiting] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    _bytes: int = 0
    _addresses: dict[str, str] = field(default_factory=dict)

    def take(self, content: bytes, name: str) -> str:
        """Take a picture in.

        Args:
            content: its bytes.
            name: as it was called.

        Returns:
            the address that the text names until the picture is kept; "" when it cannot be.
        """
        digest = hashlib.sha256(content).hexdigest()
        if digest in self._addresses:
            return self._addresses[digest]
        kind = kind_of(content)
        if not kind:
            return self._refuse("pictures that are no PNG, JPEG, GIF or WebP")
        if len(content) > MAX_PICTURE:
            return self._refuse(f"pictures of more than {MAX_PICTURE // 2**20} MiB")
        if len(self.waiting) >= self.most or self._bytes + len(content) > MAX_PICTURES_BYTES:
            return self._refuse(f"pictures beyond {self.most} or {MAX_PICTURES_BYTES // 2**20} MiB together")
        stem = name.replace("\\", "/").rpartition("/")[2].rpartition(".")[0] or "picture"
        address = self._addresses[digest] = address_of(uuid.uuid4())
        self.waiting[address] = Waiting(content, f"{stem[:100]}.{ENDINGS[kind]}", digest)
        self._bytes += len(content)
        return address

    def _refuse(self, why: str) -> str:
        self.lost[why] = self.lost.get(why, 0) + 1
        return ""

    def notes(self) -> list[str]:
        """Sentences about what could not be taken in."""
        return [f"Not taken over: {why} ({count})." for why, count in self.lost.items()]


def of_data_address(address: str) -> bytes | None:
    """The bytes that an address of the kind "data:" holds; None when it is another, or damaged."""
    head, comma, body = address.partition(",")
    if not comma or not head.strip().lower().startswith("data:"):
        return None
    raw = unquote_to_bytes(body)
    if not head.strip().lower().endswith(";base64"):
        return raw
    try:
        return base64.b64decode(b"".join(raw.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def keep_pictures(
    *, actor: Actor, row: Import, held: QuerySet[Import], box: Box, bodies: Iterable[str], lease: dt.timedelta
) -> dict[str, str] | None:
    """Keep the pictures that texts name.

    Args:
        actor: for whom.
        row: the import; it notes what is kept.
        held: the row while it is ours.
        box: the pictures.
        bodies: the texts that will be documents.
        lease: how long the claim is prolonged with each picture.

    Returns:
        the lasting address by the one of the box; None when another worker has the import.

    Raises:
        StorageFull, Unavailable: a picture could not be stored.
    """
    texts = list(bodies)
    found: dict[str, str] = {}
    for address, picture in box.waiting.items():
        if not any(address in body for body in texts):
            continue
        if picture.digest not in row.pictures:
            with transaction.atomic():
                file = put_file(
                    actor=actor,
                    workspace=row.workspace,
                    name=picture.name,
                    stream=BytesIO(picture.content),
                    content_type=kind_of(picture.content),
                    purpose=PURPOSE,
                    limit=MAX_PICTURE,
                )
                row.pictures = {**row.pictures, picture.digest: str(file.pk)}
                if not held.update(pictures=row.pictures, lease_until=timezone.now() + lease):
                    transaction.set_rollback(True)
                    return None
        found[address] = address_of(row.pictures[picture.digest])
    return found


def drop_pictures(row: Import) -> None:
    """Delete what an import kept that came to nothing."""
    drop_unused(row.workspace_id, [uuid.UUID(each) for each in row.pictures.values()])
