"""Copies: a repository into a second place, the two compared, and one mended from the other."""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from apps.backups.repository import packs
from apps.backups.repository.control import QUIET, Control
from apps.backups.repository.errors import Damaged, DeleteRefused, ForeignRepository, NoRepository, ObjectMissing
from apps.backups.repository.marks import BENT, DAMAGED
from apps.backups.repository.mending import mend_lists, replace_pack, sound_pack
from apps.backups.repository.records import TWIN, Records
from apps.backups.repository.sealing import without_checksum
from apps.backups.repository.segments import LINES, SEGMENT_HEAD, SEGMENTS
from apps.backups.repository.sets import PLACE as SETS
from apps.backups.repository.shipping import put_checked
from apps.backups.repository.store import FolderStore, ObjectStore

if TYPE_CHECKING:
    from apps.backups.repository.repository import Repository

# One lane waits for the disk while the others hash and write.
_LANES = 3


@dataclass(slots=True)
class CopyReport:
    """What went over.

    Args:
        objects: copied now, `bytes` their size; `skipped` were there already.
        failed: names of packs that are damaged or gone at the source, and were left out.
        removed_keys: older generations of keys that were removed at the target.
    """

    objects: int = 0
    bytes: int = 0
    skipped: int = 0
    sets: int = 0
    failed: list[str] = field(default_factory=list)
    removed_keys: int = 0

    @property
    def ok(self) -> bool:
        """Whether the target has everything."""
        return not self.failed

    @property
    def exit_code(self) -> int:
        """0, or 14 when the source lacks something."""
        return 0 if self.ok else Damaged.exit_code


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two places differ, by name and size.

    Args:
        missing: what the second lacks; `extra` what only the second has; `different` what has another size there.
    """

    missing: tuple[str, ...]
    extra: tuple[str, ...]
    different: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether the second has all that the first has, whole."""
        return not self.missing and not self.different


def copy(repository: Repository, target: ObjectStore, *, control: Control = QUIET) -> CopyReport:
    """Bring a second place up to date. Packs are checked on the way, sets go last; run it again after any interruption.

    Sets that the source has dropped stay at the target: it has a retention of its own, by `prune` of a repository opened
    there, and a check of its own, by `verify_cheap`.
    """
    _same_repository(repository, target)
    report = CopyReport()
    there = dict(target.names(""))
    source = repository.store
    for name in [*repository.companions, *_twins(repository.records, "format"), *_twins(repository.records, "keys/")]:
        _copy_small(source, target, name, there, report, control)
    newest = f"keys/{repository.record.generation:04d}" if repository.has_keys else ""
    for name in sorted(there):
        if newest and name.removeprefix(TWIN).startswith("keys/") and name.removeprefix(TWIN) < newest:
            with suppress(DeleteRefused):
                target.delete(name)
                report.removed_keys += 1
    # What a check of the copy found damaged there is sent again.
    healed = []
    for mark in [name for name in there if name.startswith((DAMAGED, BENT))]:
        pack = (TWIN if mark.startswith(BENT) else "") + packs.pack_name(mark.rpartition("/")[2])
        if sound_pack(source, pack):
            with suppress(DeleteRefused):
                target.delete(pack)
                there.pop(pack, None)
                healed.append(mark)
    wanted = sorted([*source.names(packs.PLACE), *source.names(TWIN + packs.PLACE)])
    _copy_packs(source, target, wanted, there, report, control)
    for mark in healed:
        Records(target).delete(mark)
    for name in _twins(repository.records, LINES):
        _copy_small(source, target, name, there, report, control)
    _copy_segments(source, target, there, report, control)
    hidden = {SETS + s for doom in repository.marks.dooms() for s in doom.sets} if repository.has_keys else set()
    for name in _twins(repository.records, SETS):
        if name.removeprefix(TWIN) not in hidden:
            _copy_small(source, target, name, there, report, control)
            report.sets += not name.startswith(TWIN)
    return report


def _same_repository(repository: Repository, target: ObjectStore) -> None:
    try:
        ours, theirs = repository.records.get_text("format"), Records(target).get_text("format")
    except ObjectMissing:
        for name, _ in target.names(packs.PLACE):
            if not any(True for _ in repository.store.names(name)):
                raise ForeignRepository("The target holds packs of another repository.") from None
        return
    if ours != theirs:
        raise ForeignRepository("The target holds another repository.")


def _twins(records: Records, prefix: str) -> list[str]:
    return [place + name for name in records.names(prefix) for place in (TWIN, "")]


def _copy_small(
    source: ObjectStore,
    target: ObjectStore,
    name: str,
    there: dict[str, int],
    report: CopyReport,
    control: Control,
) -> None:
    control.check()
    try:
        data = source.get(name)
        if name not in ("README.txt", "restore.py"):
            without_checksum(data)
    except (Damaged, ObjectMissing):
        report.failed.append(name)
        return
    if there.get(name) == len(data) and target.get(name) == data:
        report.skipped += 1
        return
    put_checked(target, name, data, control)
    report.objects, report.bytes = report.objects + 1, report.bytes + len(data)


def _copy_segments(
    source: ObjectStore, target: ObjectStore, there: dict[str, int], report: CopyReport, control: Control
) -> None:
    """Segments keep name and size for ever; only encrypting anew changes their bytes, and then those of all."""
    for place in (TWIN + SEGMENTS, SEGMENTS):
        found = sorted(source.names(place))
        common = [name for name, size in found if there.get(name) == size]
        ends = {common[0], common[-1]} if common else set()
        renewed = any(source.get(name, 0, SEGMENT_HEAD) != target.get(name, 0, SEGMENT_HEAD) for name in ends)
        same = set() if renewed else set(common)
        report.skipped += len(same)
        for name, _ in found:
            if name not in same:
                _copy_small(source, target, name, there, report, control)


def _copy_packs(
    source: ObjectStore,
    target: ObjectStore,
    wanted: list[tuple[str, int]],
    there: dict[str, int],
    report: CopyReport,
    control: Control,
) -> None:
    todo = [(name, size) for name, size in wanted if there.get(name) != size]
    report.skipped += len(wanted) - len(todo)
    total, done = sum(size for _, size in todo), 0
    aside = control.elsewhere()

    def carry(name: str, size: int) -> bool:
        if isinstance(source, FolderStore) and isinstance(target, FolderStore):
            aside.check()
            aside.throttle(size)
            try:
                if target.take(name, source, name.rpartition("/")[2]):
                    return True
            except ObjectMissing:
                return False
        try:
            data = source.get(name)
        except ObjectMissing:
            return False
        if packs.pack_name(hashlib.sha256(data).hexdigest()) != name.removeprefix(TWIN):
            return False
        put_checked(target, name, data, aside)
        return True

    waiting: deque[tuple[str, int, Future[bool]]] = deque()
    with ThreadPoolExecutor(_LANES, "copy") as pool:
        items = iter(todo)
        try:
            while True:
                while len(waiting) < _LANES and (following := next(items, None)):
                    waiting.append((*following, pool.submit(carry, *following)))
                if not waiting:
                    break
                control.check()
                name, size, future = waiting.popleft()
                if future.result():
                    report.objects, report.bytes = report.objects + 1, report.bytes + size
                else:
                    report.failed.append(name)
                done += size
                control.progress("copy", done, total)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def compare(repository: Repository, target: ObjectStore) -> Comparison:
    """Which objects of packs, sets and keys differ between the two places. Names are digests: no byte has to be read."""
    places = (packs.PLACE, TWIN + packs.PLACE, SETS, "keys/", "format")

    def listed(store: ObjectStore) -> dict[str, int]:
        return {name: size for place in places for name, size in store.names(place)}

    ours, theirs = listed(repository.store), listed(target)
    if not theirs:
        raise NoRepository("There is no copy of the repository at this place.")
    return Comparison(
        missing=tuple(sorted(ours.keys() - theirs.keys())),
        extra=tuple(sorted(theirs.keys() - ours.keys())),
        different=tuple(sorted(name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name])),
    )


def mend_from(repository: Repository, other: ObjectStore, *, control: Control = QUIET) -> list[str]:
    """Fetch from a copy what is lost or damaged here. Returns the names of what came back."""
    if repository.records.get_text("format") != Records(other).get_text("format"):
        raise ForeignRepository("The other place holds another repository.")
    repository.sync(control)
    bad = repository.marks.damaged() | set(repository.index.unreadable)
    there = dict(repository.store.names(packs.PLACE))
    mended = []
    for name, size in sorted(other.names(packs.PLACE)):
        control.check()
        if there.get(name) == size and name not in bad:
            continue
        data = other.get(name)
        if packs.pack_name(hashlib.sha256(data).hexdigest()) != name:
            continue
        control.throttle(len(data))
        if replace_pack(repository.store, name, data):
            repository.marks.mark_sound(name)
            mended.append(name)
    repository.sync(control)
    mended += mend_lists(repository)
    elsewhere = Records(other)
    for prefix in (SETS, "keys/"):
        for name in elsewhere.names(prefix):
            try:
                repository.records.get(name)
            except (Damaged, ObjectMissing):
                repository.records.put(name, elsewhere.get(name))
                mended.append(name)
    repository.sync(control)
    return mended
