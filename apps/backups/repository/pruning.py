"""Deleting in two phases: first marked, after a grace looked at again, and only then removed.

Why this is safe without locking writers out: a pack is removed only when its grace has passed and no set needs it, looked
at after the grace. A writer that counted on the pack before it was marked commits long before the end of the grace, so
its set is seen; one that takes longer refuses to commit (`COMMIT_MARGIN`); later writers do not count on it at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from apps.backups.repository.clock import require_clock
from apps.backups.repository.control import QUIET, Control
from apps.backups.repository.errors import DeleteRefused, NoSuchSet
from apps.backups.repository.index import Index
from apps.backups.repository.locking import exclusive
from apps.backups.repository.marks import Doom
from apps.backups.repository.packs import Wrap, read_head
from apps.backups.repository.reader import SetReader
from apps.backups.repository.records import TWIN
from apps.backups.repository.sets import set_name
from apps.backups.repository.shipping import Line, Shipper

if TYPE_CHECKING:
    from apps.backups.repository.repository import Repository

GRACE = timedelta(hours=48)
REMEMBERED = timedelta(days=30)
_WRAPS = 64


@dataclass(slots=True)
class PruneReport:
    """What was marked and what was removed.

    Args:
        doomed_sets: sets that are hidden from now on and removed after the grace.
        doomed_packs: packs marked now, and `doomed_bytes` their size.
        removed_sets: sets whose grace has passed.
        removed_packs: packs removed now, and `freed_bytes` their size.
        spared_packs: packs that were marked and are needed again.
        rewritten_bytes: bytes copied out of packs of which little was needed.
        refused: what the place said when it did not let anything be removed; "" when nothing was refused. What was
            marked stays marked, and is removed by whoever may.
    """

    doomed_sets: list[str] = field(default_factory=list)
    doomed_packs: int = 0
    doomed_bytes: int = 0
    removed_sets: list[str] = field(default_factory=list)
    removed_packs: int = 0
    freed_bytes: int = 0
    spared_packs: int = 0
    rewritten_bytes: int = 0
    refused: str = ""


def prune(
    repository: Repository,
    *,
    drop: Collection[str] = (),
    grace: timedelta = GRACE,
    repack_below: float = 0.25,
    control: Control = QUIET,
) -> PruneReport:
    """Drop sets, mark what nothing needs any more, and remove what was marked before and whose grace has passed.

    Args:
        drop: ids of sets to drop; a set that is not named stays.
        grace: how long what is marked stays; longer than the longest run, never shorter than a commit takes.
        repack_below: packs of which less than this part is needed are written anew without the rest.
    """
    with exclusive(repository, "Prune"):
        require_clock(repository, without=drop)
        repository.mend_records()
        repository.sync(control)
        report = PruneReport()
        present = {manifest.info.id for manifest in repository.manifests(doomed=True)}
        if unknown := set(drop) - present:
            raise NoSuchSet(f"There is no set {sorted(unknown)[0]}.")
        dooms = repository.marks.dooms()
        hidden = {set_id for doom in dooms for set_id in doom.sets}
        live = present - hidden - set(drop)
        needs = _Needs(repository, live, control)
        for doom in dooms:
            control.check()
            try:
                _settle(repository, doom, present, needs, report)
            except DeleteRefused as error:
                report.refused = error.message
                # Nothing that is copied out of packs would make room where the packs stay.
                repack_below = 0.0
                break
        doomed = {pack for doom in repository.marks.dooms() for pack in doom.packs}
        _mark(repository, set(drop) - hidden, doomed, needs, report, grace, repack_below, control)
        repository.index.forget_sources()
        return report


def undrop(repository: Repository, set_id: str) -> None:
    """Take back the dropping of a set, as long as it is not removed."""
    with exclusive(repository, "Undrop"):
        for doom in repository.marks.dooms():
            if set_id in doom.sets:
                repository.manifest(set_id)
                repository.marks.doom(doom.sets - {set_id}, doom.packs, doom.after, doom.name)
                return
    raise NoSuchSet(f"No set {set_id} waits for its removal.")


class _Needs:
    """Which packs the live sets need. Of several packs with the same chunk, one that is sound and not marked counts."""

    def __init__(self, repository: Repository, live: Iterable[str], control: Control) -> None:
        self._repository = repository
        self._index = repository.index
        seen: set[bytes] = set()
        with self._index.work() as db:
            db.execute("create temp table if not exists live (id blob primary key) without rowid")
            db.execute("delete from live")
        for done, set_id in enumerate(sorted(live)):
            control.check()
            reader = SetReader(repository, repository.manifest(set_id))
            fill(self._index, list(reader.list_ids()))
            for chunk, ids in reader.ref_pieces():
                if chunk not in seen:
                    seen.add(chunk)
                    fill(self._index, ids)
            control.progress("needs", done + 1)
        gaps = "select 1 from live where not exists (select 1 from blobs where blobs.id = live.id) limit 1"
        self.missing = bool(self._index.rows(gaps))
        self.packs: dict[str, int] = {}
        self.look()

    def look(self) -> None:
        """Choose a pack for each chunk."""
        doomed = {pack for doom in self._repository.marks.dooms() for pack in doom.packs}
        with self._index.work() as db:
            db.execute("create temp table if not exists rank (number integer primary key, worth integer)")
            db.execute("delete from rank")
            found = db.execute("select number, name, damaged from packs order by name").fetchall()
            # By name, not by number: two machines that look at the same packs choose the same ones.
            for order, (number, name, damaged) in enumerate(found):
                worth = order + (1 << 40 if name in doomed else 0) + (1 << 41 if damaged else 0)
                db.execute("insert into rank values (?, ?)", (number, worth))
        rows = self._index.rows(
            "select p.name, sum(best.stored) from (select b.id, min(r.worth) as worth, b.stored as stored from live l"
            " join blobs b on b.id = l.id join rank r on r.number = b.pack group by b.id) best"
            " join rank r on r.worth = best.worth join packs p on p.number = r.number group by p.number"
        )
        self.packs = {str(name): int(size) for name, size in rows}  # type: ignore[call-overload]

    def chunks(self, pack: str) -> set[bytes]:
        """The needed chunks of a pack."""
        rows = self._index.rows(
            "select b.id from packs p join blobs b on b.pack = p.number join live l on l.id = b.id where p.name = ?",
            (pack,),
        )
        return {row[0] for row in rows}  # type: ignore[misc]


def fill(index: Index, ids: Collection[bytes]) -> None:
    """Add needed chunks."""
    with index.work() as db:
        db.executemany("insert or ignore into live values (?)", [(chunk,) for chunk in ids])


def _settle(repository: Repository, doom: Doom, present: Collection[str], needs: _Needs, report: PruneReport) -> None:
    """Remove what is due; take back what is needed again. Sets go before packs, the mark goes last."""
    spared = {pack for pack in doom.packs if pack in needs.packs}
    report.spared_packs += len(spared)
    if not doom.due():
        if spared:
            repository.marks.doom(doom.sets, doom.packs - spared, doom.after, doom.name)
        return
    for set_id in sorted(doom.sets.intersection(present)):
        repository.records.delete(set_name(set_id))
        report.removed_sets.append(set_id)
    known = repository.index.packs()
    gone = []
    for pack in sorted(doom.packs - spared):
        repository.store.delete(TWIN + pack)
        repository.store.delete(pack)
        if pack in known:
            number, size = known[pack]
            gone.append(number)
            report.removed_packs, report.freed_bytes = report.removed_packs + 1, report.freed_bytes + size
        repository.marks.mark_sound(pack)
        repository.marks.mark_sound(TWIN + pack)
    repository.index.forget(gone)
    # The names of dropped sets stay for a while, so that other machines that knew them see that it was meant.
    if not doom.sets or doom.due(margin=-REMEMBERED):
        repository.marks.lift(doom)
    elif doom.packs:
        repository.marks.doom(doom.sets, (), doom.after, doom.name)


def _mark(
    repository: Repository,
    sets: Collection[str],
    doomed: Collection[str],
    needs: _Needs,
    report: PruneReport,
    grace: timedelta,
    repack_below: float,
    control: Control,
) -> None:
    packs = repository.index.packs()
    little = [
        name
        for name, live in sorted(needs.packs.items())
        if name in packs and name not in doomed and live < packs[name][1] * repack_below
    ]
    if len(little) > 1 or (little and sum(packs[name][1] for name in little) > 1024 * 1024):
        report.rewritten_bytes = _rewrite(repository, little, needs, control)
    else:
        little = []
    # A pack whose trailer is damaged may hold what is missing elsewhere: while anything is missing, it stays.
    unreadable = set() if needs.missing else set(repository.index.unreadable)
    useless = {name for name in packs if name not in needs.packs and name not in doomed}
    useless |= set(little) | (unreadable - set(doomed))
    if not useless and not sets:
        return
    repository.marks.doom(sets, useless, datetime.now(UTC) + grace)
    repository.index.unsee(sets)
    report.doomed_sets = sorted(sets)
    report.doomed_packs = len(useless)
    report.doomed_bytes = sum(packs[name][1] for name in useless if name in packs)


def _rewrite(repository: Repository, little: Collection[str], needs: _Needs, control: Control) -> int:
    """Copy needed chunks, sealed as they are, into new packs that carry the wrapped keys along."""
    shipper = Shipper(repository.store, repository.index, repository.index_cipher, repository.id, control=control)
    try:
        for group in _grouped(repository, little):
            wraps = list(dict.fromkeys(wrap for _, head in group for wrap in head))
            keys = {wrap: number for number, wrap in enumerate(wraps, 1)}
            contents, listing = Line(wraps), Line(wraps, lists=True)
            lists = repository.index.list_packs()
            for name, head in group:
                control.check()
                line = listing if name in lists else contents
                data = memoryview(repository.store.get(name))
                wanted = needs.chunks(name)
                for item in repository.index.items(name):
                    if item.id in wanted and not shipper.holds(item.id):
                        sealed = bytes(data[item.start : item.start + item.stored])
                        shipper.add_sealed(line, item.id, sealed, item.raw, keys[head[item.key - 1]] if item.key else 0)
            shipper.flush(contents, listing)
        return shipper.bytes_added
    finally:
        shipper.close()


def _grouped(repository: Repository, names: Collection[str]) -> Iterator[list[tuple[str, list[Wrap]]]]:
    """Packs in groups that have few wrapped keys together."""
    group: list[tuple[str, list[Wrap]]] = []
    wraps: set[Wrap] = set()
    for name in names:
        head = read_head(repository.store, name)
        if group and len(wraps | set(head)) > _WRAPS:
            yield group
            group, wraps = [], set()
        group.append((name, head))
        wraps |= set(head)
    if group:
        yield group
