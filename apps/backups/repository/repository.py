"""A repository: made once, opened by writers, readers and keepers."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from apps.backups.repository import packs
from apps.backups.repository.clock import require_clock
from apps.backups.repository.control import QUIET, Control
from apps.backups.repository.errors import (
    AlreadyRepository,
    Damaged,
    DeleteRefused,
    ForeignRepository,
    KeyNeeded,
    NoRepository,
    NoSuchSet,
    ObjectMissing,
    StorageFailed,
    UnsupportedVersion,
)
from apps.backups.repository.index import Index
from apps.backups.repository.keys import (
    KeyRecord,
    WriterKeys,
    decode_key_record,
    make_key_record,
    new_master,
    new_writer_secret,
)
from apps.backups.repository.marks import REUSE_MARGIN, Marks
from apps.backups.repository.mending import mend_lists
from apps.backups.repository.reader import SetReader
from apps.backups.repository.reading import DataCiphers
from apps.backups.repository.records import PLACES, TWIN, Records
from apps.backups.repository.sealing import Cipher, open_record
from apps.backups.repository.sets import PLACE as SETS
from apps.backups.repository.sets import Manifest, SetInfo, set_name
from apps.backups.repository.store import ObjectStore
from apps.backups.repository.writer import SetWriter

FORMAT = "aiwriter-backup"
VERSION = 1
# Records are small: in a bucket the way there takes longer than the reading.
_LANES = 8
_README = """This folder is a backup repository of AI-Writer: encrypted, deduplicated, append-only.
Do not change, rename or delete anything in it by hand.

To restore without AI-Writer: Python 3.11, `pip install cryptography zstandard`, then
    python restore.py REPOSITORY IDENTITY-FILE TARGET-FOLDER
with the script that lies here, or in deploy/rescue/ of AI-Writer.
The identity is the line AGE-SECRET-KEY-1... that was shown when the repository was made.
The format is described in docs/operators/backup-format.md of AI-Writer.
"""
_RESCUE = Path(__file__).resolve().parents[3] / "deploy" / "rescue" / "restore.py"


class Repository:
    """An opened repository. Without an identity: write, list, verify cheaply, prune. With one: read as well."""

    def __init__(
        self,
        store: ObjectStore,
        *,
        id: str,
        created: datetime,
        comment: str,
        record: KeyRecord | None,
        keys: WriterKeys | None,
        masters: dict[int, str],
        cache: Path | None,
        companions: Mapping[str, str],
        identity: str | None = None,
    ) -> None:
        self.store = store
        self.id = id
        self.created = created
        self.comment = comment
        self.records = Records(store)
        self.cache = cache
        self.companions = dict(companions)
        self._record = record
        self._keys = keys
        self.masters = masters
        self._index: Index | None = None
        self._index_cipher = Cipher(keys.index_key) if keys else None
        self._identity = identity
        self._data_ciphers = DataCiphers(masters)

    def __repr__(self) -> str:
        return f"<Repository {self.id} in {self.store!r}>"

    # Making and opening

    @classmethod
    def create(
        cls,
        store: ObjectStore,
        *,
        recipients: Sequence[str],
        comment: str = "",
        cache: Path | None = None,
        writer_secret: bytes | None = None,
    ) -> Repository:
        """A new repository in an empty place. Keep its `writer_secret`: the server needs it to back up."""
        for name, _ in store.names(""):
            if name.startswith(("format", "packs/", "sets/", "keys/", "twins/")):
                raise AlreadyRepository(f"There is a repository here already ({name}).")
        number, now = secrets.token_hex(16), datetime.now(UTC)
        keys = WriterKeys(number, writer_secret or new_writer_secret())
        record = make_key_record(generation=1, keys=keys, masters=[new_master(1)], recipients=recipients)
        records = Records(store)
        companions = _companions()
        for name, data in companions.items():
            store.put(name, data)
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in companions.items()}
        records.put_text(key_name(1), record.encode(keys))
        body = {
            "format": FORMAT,
            "version": VERSION,
            "repository": number,
            "created": now.isoformat(),
            "comment": comment,
            "companions": digests,
        }
        records.put_text("format", json.dumps(body, indent=1, ensure_ascii=False).encode())
        return cls(
            store,
            id=number,
            created=now,
            comment=comment,
            record=record,
            keys=keys,
            masters={},
            cache=cache,
            companions=digests,
        )

    @classmethod
    def open(
        cls,
        store: ObjectStore,
        *,
        cache: Path | None = None,
        identity: str | None = None,
        writer_secret: bytes | None = None,
    ) -> Repository:
        """Open what is there. Without any key only the check of bytes against names is possible."""
        records = Records(store)
        try:
            body = json.loads(records.get_text("format"))
        except ObjectMissing as error:
            raise NoRepository("There is no backup repository here.") from error
        except ValueError as error:
            raise ForeignRepository("What lies here is not a repository of AI-Writer.") from error
        if body.get("format") != FORMAT:
            raise ForeignRepository("What lies here is not a repository of AI-Writer.")
        if body.get("version") != VERSION:
            raise UnsupportedVersion(
                f"The repository has version {body.get('version')} of the format; this release reads {VERSION}."
            )
        number = str(body["repository"])
        keys = WriterKeys(number, writer_secret) if writer_secret else None
        record, keys, masters = _open_keys(records, keys, identity)
        return cls(
            store,
            id=number,
            created=datetime.fromisoformat(body["created"]),
            comment=body.get("comment", ""),
            record=record,
            keys=keys,
            masters=masters,
            cache=cache,
            companions=body.get("companions", {}),
            identity=identity,
        )

    # What it has

    @property
    def keys(self) -> WriterKeys:
        """The writer's keys."""
        if self._keys is None:
            raise KeyNeeded("This needs the writer's secret or an identity.")
        return self._keys

    @property
    def has_keys(self) -> bool:
        """Whether lists can be read."""
        return self._keys is not None

    @property
    def writer_secret(self) -> bytes:
        """What the server keeps, to write without being able to read."""
        return self.keys.secret

    @property
    def record(self) -> KeyRecord:
        """The newest generation of keys."""
        if self._record is None:
            raise KeyNeeded("This needs the writer's secret or an identity.")
        return self._record

    @property
    def recipients(self) -> tuple[str, ...]:
        """Who can read what is written now."""
        return self.record.recipients

    @property
    def can_read(self) -> bool:
        """Whether an identity was given."""
        return bool(self.masters)

    @property
    def index_cipher(self) -> Cipher:
        """The cipher of lists and records."""
        if self._index_cipher is None:
            raise KeyNeeded("This needs the writer's secret or an identity.")
        return self._index_cipher

    @property
    def marks(self) -> Marks:
        """What is doomed and what is damaged."""
        return Marks(self.records, self.index_cipher)

    def data_cipher(self, wrap: packs.Wrap) -> Cipher:
        """The cipher of a wrapped data key. One of a newer master makes it look at the keys again."""
        if self._identity is not None and wrap.master > max(self.masters, default=0):
            self._record, self._keys, masters = _open_keys(self.records, self._keys, self._identity)
            self.masters.update(masters)
        return self._data_ciphers.cipher(wrap)

    @property
    def index(self) -> Index:
        """The local index, made from the packs when it is not there."""
        if self._index is None:
            self._index = Index(self.cache, self.id)
        if not self._index.fresh:
            self.sync()
        return self._index

    def sync(self, control: Control = QUIET) -> list[str]:
        """Look at what is in the store now. Returns packs that were there before and are gone."""
        if self._index is None:
            self._index = Index(self.cache, self.id)
        marks = self.marks
        dooms = marks.dooms()
        doomed = [pack for doom in dooms if doom.due(margin=REUSE_MARGIN) for pack in doom.packs]
        self._index.unsee(set_id for doom in dooms for set_id in doom.sets)
        listed = {name.removeprefix(TWIN): size for name, size in self.store.names(TWIN + packs.PLACE)}
        listed.update(self.store.names(packs.PLACE))
        return self._index.sync(
            listed.items(),
            self._read_trailer,
            damaged=marks.damaged(),
            doomed=doomed,
            control=control,
        )

    def _read_trailer(self, name: str, size: int) -> tuple[list[packs.Item], bool]:
        try:
            return packs.read_trailer(self.store, name, size, self.index_cipher, self.id)
        except (Damaged, ObjectMissing):
            try:
                return packs.read_trailer(self.store, TWIN + name, size, self.index_cipher, self.id)
            except ObjectMissing:
                pass
            raise

    def close(self) -> None:
        """Let go of the cache."""
        if self._index is not None:
            self._index.close()
            self._index = None

    # Sets

    def begin(self, *, kind: str, labels: Mapping[str, str] | None = None, control: Control = QUIET) -> SetWriter:
        """A new set. What is lost or damaged in the repository and still in the source is stored again by it.

        Raises `ClockSkew` when a set is there that would be newer than this one.
        """
        require_clock(self)
        self.mend_records()
        self.sync(control)
        if mend_lists(self):
            self.sync(control)
        return SetWriter(self, kind=kind, labels=labels or {}, control=control)

    def mend_records(self) -> list[str]:
        """Write lost or damaged records again from their twins. Returns those that cannot be mended."""
        if not self.has_keys:
            return []
        self.records.mend("format")
        for name, data in _companions().items():
            if hashlib.sha256(data).hexdigest() == self.companions.get(name) and not self._has(name, data):
                self.store.put(name, data)
        self._drop_old_keys()
        names = [name for place in PLACES[1:] for name in self.records.names(place)]
        with ThreadPoolExecutor(_LANES, "mend") as pool:
            return [name for name, whole in zip(names, pool.map(self.records.mend, names), strict=True) if not whole]

    def _has(self, name: str, data: bytes) -> bool:
        try:
            return self.store.get(name) == data
        except ObjectMissing:
            return False

    def _drop_old_keys(self) -> None:
        """Older generations go once the newest is whole: those who are no recipients any more must not find them."""
        newest = key_name(self.record.generation)
        if self.records.mend(newest):
            for name in self.records.names("keys/"):
                if name < newest:
                    with suppress(DeleteRefused):
                        self.records.delete(name)

    def replace_keys(self, record: KeyRecord) -> None:
        """Store a new generation, look at it, and drop those before."""
        name = key_name(record.generation)
        data = record.encode(self.keys)
        self.records.put_text(name, data)
        if self.records.get_text(name) != data:
            raise StorageFailed(f"The storage took {name} and gives back something else.")
        self._record = record
        self._drop_old_keys()

    def manifests(self, *, doomed: bool = False) -> list[Manifest]:
        """The records of all sets, oldest first; those that are to be deleted only when asked for."""
        hidden: set[str] = set() if doomed else {s for doom in self.marks.dooms() for s in doom.sets}
        found = []
        for name in self.records.names(SETS):
            set_id = name.removeprefix(SETS)
            if set_id in hidden:
                continue
            try:
                found.append(self.manifest(set_id))
            except NoSuchSet:
                continue
        return sorted(found, key=lambda manifest: (manifest.info.created, manifest.info.id))

    def manifest(self, set_id: str) -> Manifest:
        """The record of one set."""
        name = set_name(set_id)
        try:
            data = self.records.get(name)
        except ObjectMissing as error:
            raise NoSuchSet(f"There is no set {set_id}.") from error
        return Manifest.decode(open_record(self.index_cipher, name, data))

    def sets(self) -> list[SetInfo]:
        """All sets, oldest first. One whose record is damaged is left out here and named by the check."""
        hidden = {set_id for doom in self.marks.dooms() for set_id in doom.sets}
        present = [name.removeprefix(SETS) for name in self.records.names(SETS)]

        def info(set_id: str) -> SetInfo | None:
            try:
                return self.manifest(set_id).info
            except (Damaged, NoSuchSet):
                return None

        with ThreadPoolExecutor(_LANES, "sets") as pool:
            seen = pool.map(info, [set_id for set_id in present if set_id not in hidden])
            found = [known for known in seen if known is not None]
        return sorted(found, key=lambda info: (info.created, info.id))

    def reader(self, set_id: str) -> SetReader:
        """One set, to read."""
        return SetReader(self, self.manifest(set_id))


def _companions() -> dict[str, bytes]:
    """What lies in every repository for people who have nothing else."""
    found = {"README.txt": _README.encode()}
    if _RESCUE.is_file():
        found["restore.py"] = _RESCUE.read_bytes()
    return found


def key_name(generation: int) -> str:
    """Where a generation of keys lies."""
    return f"keys/{generation:04d}"


def _open_keys(
    records: Records, keys: WriterKeys | None, identity: str | None
) -> tuple[KeyRecord | None, WriterKeys | None, dict[int, str]]:
    """The newest generation that is whole, opened with what is given."""
    if keys is None and identity is None:
        return None, None, {}
    trouble: Exception | None = None
    for name in sorted(records.names("keys/"), reverse=True):
        try:
            record, mac = decode_key_record(records.get_text(name))
        except (Damaged, ObjectMissing, ValueError, KeyError) as error:
            trouble = error
            continue
        masters: dict[int, str] = {}
        if identity is not None:
            found, masters = record.open(identity)
            if keys is not None and keys.secret != found.secret:
                raise ForeignRepository("The writer's secret and the identity belong to two repositories.")
            keys = found
        if keys is None:
            return record, None, {}
        record.check(keys, mac)
        return record, keys, masters
    raise Damaged("No record of the repository's keys can be read.") from trouble
