"""Changing who can read: by wrapping the keys anew, which takes milliseconds, and by encrypting everything anew."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from apps.backups.repository import packs
from apps.backups.repository.control import QUIET, Control
from apps.backups.repository.errors import Damaged, KeyNeeded, ObjectMissing
from apps.backups.repository.keys import KeyRecord, Master, make_key_record, new_master, seal_for
from apps.backups.repository.locking import exclusive
from apps.backups.repository.packs import Wrap
from apps.backups.repository.records import TWIN
from apps.backups.repository.sealing import Cipher, new_data_key
from apps.backups.repository.segments import reseal
from apps.backups.repository.shipping import Line, Shipper, threads_for_sealing

if TYPE_CHECKING:
    from apps.backups.repository.repository import Repository

_Moved = list[tuple[bytes, bytes, int, int]]


@dataclass(slots=True)
class ReencryptReport:
    """What was encrypted anew.

    Args:
        resumed: an earlier run was gone on with, so that no new master key was made.
        packs: rewritten, `bytes` their size; `removed_packs` are the old ones.
        segments: of captured changes, rewritten.
        failed: packs and segments that could not be read, and that the old key still opens.
    """

    resumed: bool = False
    packs: int = 0
    bytes: int = 0
    removed_packs: int = 0
    segments: int = 0
    failed: list[str] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        """Whether nothing is left that an old key opens."""
        return not self.failed

    @property
    def exit_code(self) -> int:
        """0, or 14 when something could not be read."""
        return 0 if self.finished else Damaged.exit_code


def rewrap(repository: Repository, *, recipients: Sequence[str]) -> KeyRecord:
    """From now on these recipients, and no others, find keys in the repository. Any size takes milliseconds.

    Who had an identity and kept a copy of the old keys can still read what was written up to now: `reencrypt` ends that.
    """
    with exclusive(repository, "Key rotation"):
        return _new_generation(repository, recipients, ())


def _new_generation(repository: Repository, recipients: Sequence[str], more: Sequence[Master]) -> KeyRecord:
    if not repository.can_read:
        raise KeyNeeded("Changing the keys needs an identity of a present recipient.")
    record = repository.record
    masters = [Master(number, record.masters[number], text) for number, text in repository.masters.items()]
    made = make_key_record(
        generation=record.generation + 1,
        keys=repository.keys,
        masters=[*masters, *more],
        recipients=recipients,
    )
    repository.replace_keys(made)
    for master in more:
        repository.masters[master.number] = master.identity
    return made


def reencrypt(
    repository: Repository, *, recipients: Sequence[str] | None = None, control: Control = QUIET
) -> ReencryptReport:
    """A new master key, and every pack written anew under it; then the old packs are removed.

    Names of chunks stay, so sets stay as they are. Killed at any point it is gone on with by the next call: what is moved
    already is not moved again, and an old pack goes only when all that it holds lies in durable new ones.

    Args:
        recipients: who may read from now on; the present ones when left out.
    """
    with exclusive(repository, "Key rotation"):
        if not repository.can_read:
            raise KeyNeeded("Encrypting anew needs an identity of a present recipient.")
        repository.sync(control)
        report = ReencryptReport()
        heads = _heads(repository, control)
        report.resumed = _old(repository, heads) != [] and repository.record.current.number > min(
            (wrap.master for head in heads.values() for wrap in head), default=1
        )
        if not report.resumed:
            number = repository.record.current.number + 1
            _new_generation(repository, recipients or repository.recipients, [new_master(number)])
        elif recipients is not None:
            _new_generation(repository, recipients, ())
        _move_all(repository, heads, report, control)
        moved, failed = reseal(repository, control)
        report.segments, report.failed = moved, [*report.failed, *failed]
        return report


def _heads(repository: Repository, control: Control) -> dict[str, list[Wrap]]:
    found = {}
    for name in repository.index.packs():
        control.check()
        try:
            found[name] = packs.read_head(repository.store, name)
        except (Damaged, ObjectMissing):
            found[name] = []
    return found


def _old(repository: Repository, heads: dict[str, list[Wrap]]) -> list[str]:
    current = repository.record.current.number
    return sorted(name for name, head in heads.items() if any(wrap.master != current for wrap in head) or not head)


def _move_all(repository: Repository, heads: dict[str, list[Wrap]], report: ReencryptReport, control: Control) -> None:
    master = repository.record.current
    key = new_data_key()
    wraps = [Wrap(master.number, seal_for(key, [master.recipient]))]
    contents, listing, lists = Line(wraps), Line(wraps, lists=True), repository.index.list_packs()
    cipher = Cipher(key)
    old = _old(repository, heads)
    fresh = {name for name in heads if name not in old}
    sizes = repository.index.packs()
    total, done = sum(sizes[name][1] for name in old), 0
    emptied: list[str] = []
    shipper = Shipper(repository.store, repository.index, repository.index_cipher, repository.id, control=control)

    def moved(name: str) -> _Moved | None:
        try:
            return _reseal(repository, name, heads[name], cipher, fresh)
        except (Damaged, ObjectMissing):
            return None

    try:
        with ThreadPoolExecutor(threads_for_sealing(), "reencrypt") as pool:
            waiting: list[tuple[str, Future[_Moved | None]]] = []
            todo = iter(old)
            while True:
                while len(waiting) < threads_for_sealing() and (name := next(todo, None)):
                    waiting.append((name, pool.submit(moved, name)))
                if not waiting:
                    break
                control.check()
                name, future = waiting.pop(0)
                chunks = future.result()
                if chunks is None:
                    report.failed.append(name)
                    continue
                line = listing if name in lists else contents
                for chunk, sealed, raw, number in chunks:
                    if not shipper.holds(chunk):
                        shipper.add_sealed(line, chunk, sealed, raw, number)
                emptied.append(name)
                done += sizes[name][1]
                report.packs, report.bytes = report.packs + 1, report.bytes + sizes[name][1]
                control.progress("reencrypt", done, total)
        shipper.flush(contents, listing)
    finally:
        shipper.close()
    repository.sync(control)
    there = repository.index.packs()
    for name in emptied:
        control.check()
        # The old pack goes only when each of its chunks is in another pack that is there.
        if name in there and repository.index.is_held_elsewhere(name):
            repository.store.delete(TWIN + name)
            repository.store.delete(name)
            report.removed_packs += 1
        elif name in there:
            report.failed.append(name)
    repository.sync(control)


def _reseal(repository: Repository, name: str, head: list[Wrap], cipher: Cipher, fresh: set[str]) -> _Moved:
    """The chunks of a pack under the new key, without those that a new pack has already."""
    data = memoryview(repository.store.get(name))
    items = repository.index.items(name)
    present = repository.index.in_packs([item.id for item in items], fresh)
    found: _Moved = []
    for item in items:
        if item.id in present:
            continue
        sealed = data[item.start : item.start + item.stored]
        if item.key == 0:
            # Opened only to see that it is whole: the index key stays.
            repository.index_cipher.open(sealed, item.id)
            found.append((item.id, bytes(sealed), item.raw, 0))
        else:
            plain = repository.data_cipher(head[item.key - 1]).open(sealed, item.id)
            found.append((item.id, cipher.seal(plain, item.id), item.raw, 1))
    return found
