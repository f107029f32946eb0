"""Checks: the cheap one reads bytes and names and needs no identity, the deep one opens every chunk."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from apps.backups.repository import packs
from apps.backups.repository.control import QUIET, Control
from apps.backups.repository.errors import Damaged, KeyNeeded, NoSuchSet, ObjectMissing
from apps.backups.repository.reader import SetReader
from apps.backups.repository.records import PLACES, TWIN
from apps.backups.repository.sealing import open_record, unpack
from apps.backups.repository.segments import faults, gaps, lines
from apps.backups.repository.sets import PLACE as SETS
from apps.backups.repository.sets import Entry, Manifest
from apps.backups.repository.shipping import threads_for_sealing

if TYPE_CHECKING:
    from apps.backups.repository.repository import Repository


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it was written.

    Args:
        kind: "record", "pack", "chunks", "set", "segment" or "companion".
        name: of the object, or the id of the set.
        what: what is wrong with it.
        sets: ids of the sets that it takes something from.
    """

    kind: str
    name: str
    what: str
    sets: tuple[str, ...] = ()


@dataclass(slots=True)
class Report:
    """What a check found."""

    packs: int = 0
    packs_read: int = 0
    bytes: int = 0
    bytes_read: int = 0
    chunks_read: int = 0
    sets: int = 0
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything that was looked at is as it was written."""
        return not self.problems

    @property
    def exit_code(self) -> int:
        """0, or 14 when something is wrong."""
        return 0 if self.ok else Damaged.exit_code

    @property
    def broken_sets(self) -> set[str]:
        """Sets that cannot be restored whole."""
        return {set_id for problem in self.problems for set_id in problem.sets}


def verify_cheap(repository: Repository, *, share: float = 1.0, control: Control = QUIET, mark: bool = True) -> Report:
    """Bytes against names, records against their twins, and every chunk of every set in a pack that is there.

    Args:
        share: the part of the bytes to read, those first that were not read for longest; references are checked in full.
        mark: mark damaged packs, so that the next backup stores again what they hold.
    """
    report = Report()
    _check_records(repository, report)
    if not repository.has_keys:
        found = sorted([*repository.store.names(packs.PLACE), *repository.store.names(TWIN + packs.PLACE)])
        report.packs = len(found)
        for name, what in _read_packs(repository, report, found, control).items():
            report.problems.append(Problem("pack", name, what))
        report.notes.append("Without the writer's secret only bytes were checked, not whether anything is missing.")
        return report
    gone = repository.sync(control)
    chosen = _share(repository.index.oldest_first(), share)
    unreadable = repository.index.unreadable
    report.packs = len(repository.index.packs()) + len(unreadable)
    lists = repository.index.list_packs()
    twins = [(TWIN + name, size) for name, size in chosen if name in lists]
    bad = _read_packs(repository, report, [*chosen, *twins], control)
    single = _check_twins(repository, lists, bad, mark=mark)
    repository.index.mark_verified([name for name, _ in chosen if name not in bad])
    bad.update(unreadable)
    if bad and mark:
        repository.marks.mark_damaged(bad.keys())
    repository.sync(control)
    there = dict(repository.store.names(packs.PLACE))
    bad.update({name: "damaged, as an earlier check found" for name in repository.marks.damaged() if name in there})
    repository.index.doubt(bad)
    used: set[bytes] = set()
    needed = _check_references(repository, report, used, control)
    for problem in single:
        if not used.isdisjoint(_chunks_of(repository, problem.name.removeprefix(TWIN))):
            report.problems.append(problem)
        else:
            report.notes.append(
                f"{problem.name}: {problem.what}; no set needs it. A run may have ended between two copies."
            )
    for name, what in sorted(bad.items()):
        if not needed(name) and name not in unreadable:
            report.notes.append(f"{name} is damaged ({what}); all that it held is in other packs.")
        elif name in unreadable and not report.broken_sets:
            report.notes.append(f"{name} is damaged ({what}); no set needs it.")
        else:
            report.problems.append(Problem("pack", name, what, tuple(sorted(report.broken_sets))))
    report.problems += [Problem("segment", name, what) for name, what in gaps(repository, control)]
    for name in gone:
        if report.broken_sets:
            report.problems.append(Problem("pack", name, "missing", tuple(sorted(report.broken_sets))))
        else:
            report.notes.append(f"{name} is gone; no set needs it.")
    return report


def verify_deep(repository: Repository, *, share: float = 1.0, control: Control = QUIET) -> Report:
    """The cheap check, and every chunk of a share of the packs opened and compared with its name."""
    if not repository.can_read:
        raise KeyNeeded("The deep check opens contents, so it needs an identity.")
    report = verify_cheap(repository, share=0.0, control=control)
    for line in lines(repository):
        found = faults(repository, line.id, control)
        report.problems += [Problem("segment", f"segments/{line.id}", text) for text in found]
    chosen = _share(repository.index.oldest_first(), share)

    def look(data: bytes) -> int:
        # From the pack itself, not from the cache: each byte of it is then authenticated by its head, chunk or trailer.
        wraps, head = packs.decode_head(data)
        found = packs.decode_trailer(data, len(data), head, repository.index_cipher, repository.id)
        if isinstance(found, int):
            raise Damaged("the pack is cut short")
        items, view = found[0], memoryview(data)
        if items and items[0].start != head:
            raise Damaged("there are bytes in the pack that belong to no chunk")
        for item in items:
            cipher = repository.index_cipher if item.key == 0 else repository.data_cipher(wraps[item.key - 1])
            plain = unpack(cipher.open(view[item.start : item.start + item.stored], item.id), item.raw)
            if repository.keys.chunk_id(plain) != item.id:
                raise Damaged("a chunk does not have its name")
        return len(items)

    bad = _read_packs(repository, report, chosen, control, look)
    repository.index.mark_verified([name for name, _ in chosen if name not in bad])
    if bad:
        repository.marks.mark_damaged(bad.keys())
        repository.sync(control)
        repository.index.doubt(bad)
        needed = _check_references(repository, report, set(), control)
        for name, what in sorted(bad.items()):
            if needed(name):
                report.problems.append(Problem("pack", name, what, tuple(sorted(report.broken_sets))))
    for manifest in repository.manifests():
        if manifest.info.id in report.broken_sets:
            continue
        control.check()
        try:
            entries = list(SetReader(repository, manifest).entries())
            if len(entries) != manifest.info.entries or sum(e.chunks for e in entries) != manifest.info.chunks:
                raise Damaged("its list of entries is not the one that was written")
        except Damaged as error:
            report.problems.append(Problem("set", manifest.info.id, error.message, (manifest.info.id,)))
    return report


def losses(repository: Repository, set_id: str) -> list[Entry]:
    """The entries of a set that cannot be restored, by name. Needs an identity."""
    reader = repository.reader(set_id)
    refs = reader.chunk_ids()
    lost = []
    for entry in reader.entries():
        ids = [next(refs) for _ in range(entry.chunks)]
        if repository.index.absent(ids):
            lost.append(entry)
    return lost


def _share(found: Sequence[tuple[str, int]], share: float) -> list[tuple[str, int]]:
    wanted, chosen, have = share * sum(size for _, size in found), [], 0
    for name, size in found:
        if have >= wanted:
            break
        chosen.append((name, size))
        have += size
    return chosen


def _check_records(repository: Repository, report: Report) -> None:
    records = repository.records
    names = ["format", *(name for place in PLACES[1:] for name in records.names(place))]
    for name in names:
        report.problems += [Problem("record", place, what) for place, what in records.faults(name)]
    for name, digest in repository.companions.items():
        try:
            if hashlib.sha256(repository.store.get(name)).hexdigest() != digest:
                report.problems.append(Problem("companion", name, "damaged"))
        except ObjectMissing:
            report.problems.append(Problem("companion", name, "missing"))


def _check_twins(repository: Repository, lists: dict[str, int], bad: dict[str, str], *, mark: bool) -> list[Problem]:
    """Packs of lists are there twice. Returns what is wrong with either copy; what one of them has is not lost."""
    found: list[Problem] = []
    there = dict(repository.store.names(TWIN + packs.PLACE))
    first = dict(repository.store.names(packs.PLACE))
    for name, size in lists.items():
        faults = {}
        for place, sizes in ((name, first), (TWIN + name, there)):
            if place not in sizes:
                faults[place] = "missing"
            elif place in bad or sizes[place] != size:
                faults[place] = bad.get(place, "its size is another one")
        if mark:
            repository.marks.mark_damaged([place for place, what in faults.items() if what != "missing"])
        found += [Problem("pack", place, what) for place, what in faults.items()]
        bad.pop(TWIN + name, None)
        if len(faults) < 2:
            bad.pop(name, None)
    return found


def _read_packs(
    repository: Repository,
    report: Report,
    chosen: Sequence[tuple[str, int]],
    control: Control,
    look: Callable[[bytes], int] | None = None,
) -> dict[str, str]:
    """Read packs and compare them with their names, a few at a time. Returns those that are not what they should be."""
    bad: dict[str, str] = {}
    aside = control.elsewhere()
    total, done = sum(size for _, size in chosen), 0

    def read(name: str) -> tuple[int, int, str]:
        try:
            data = repository.store.get(name)
        except ObjectMissing:
            return 0, 0, "missing"
        aside.throttle(len(data))
        if look is not None:
            try:
                return len(data), look(data), ""
            except Damaged as error:
                return len(data), 0, error.message
        if packs.pack_name(hashlib.sha256(data).hexdigest()) != name.removeprefix(TWIN):
            return len(data), 0, "its bytes are not those of its name"
        return len(data), 0, ""

    waiting: deque[tuple[str, Future[tuple[int, int, str]]]] = deque()
    with ThreadPoolExecutor(threads_for_sealing(), "verify") as pool:
        todo = iter(chosen)
        try:
            while True:
                while len(waiting) < threads_for_sealing() * 2 and (following := next(todo, None)):
                    waiting.append((following[0], pool.submit(read, following[0])))
                if not waiting:
                    break
                control.check()
                name, future = waiting.popleft()
                size, chunks, what = future.result()
                done += size
                report.packs_read, report.bytes_read = report.packs_read + 1, report.bytes_read + size
                report.chunks_read += chunks
                if what:
                    bad[name] = what
                control.progress("verify", done, total)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    report.bytes = max(report.bytes, total)
    return bad


def _check_references(
    repository: Repository, report: Report, used: set[bytes], control: Control
) -> Callable[[str], bool]:
    """Every chunk of every set is in a sound pack. Returns a question: does a set need this damaged pack?

    `used` learns which chunks the lists of the sets are made of.
    """
    index = repository.index
    report.sets = 0
    names = list(repository.records.names(SETS))
    for set_id in index.unseen(name.removeprefix(SETS) for name in names):
        report.problems.append(Problem("set", set_id, "was here and is gone, and nobody dropped it", (set_id,)))
    lost: set[bytes] = set()
    checked: dict[bytes, frozenset[bytes]] = {}
    for name in names:
        control.check()
        set_id = name.removeprefix(SETS)
        report.sets += 1
        try:
            manifest = Manifest.decode(open_record(repository.index_cipher, name, repository.records.get(name)))
        except (Damaged, ObjectMissing, NoSuchSet) as error:
            report.problems.append(Problem("set", set_id, error.message, (set_id,)))
            continue
        index.see(set_id)
        missing: set[bytes] = set()
        try:
            reader = SetReader(repository, manifest)
            lists = list(reader.list_ids())
            used.update(lists)
            missing.update(index.absent(lists))
            for chunk, ids in reader.ref_pieces():
                if chunk not in checked:
                    checked[chunk] = frozenset(index.absent(ids))
                missing |= checked[chunk]
        except Damaged as error:
            report.problems.append(Problem("set", set_id, f"its lists cannot be read: {error.message}", (set_id,)))
            lost |= missing
            continue
        if missing:
            report.problems.append(Problem("chunks", set_id, f"{len(missing)} chunks are in no sound pack", (set_id,)))
            lost |= missing

    return lambda name: not lost.isdisjoint(_chunks_of(repository, name))


def _chunks_of(repository: Repository, pack: str) -> list[object]:
    query = "select b.id from blobs b join packs p on p.number = b.pack where p.name = ?"
    return [row[0] for row in repository.index.rows(query, (pack,))]
