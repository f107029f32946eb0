"""A database as it was at a moment, put into a place of its own."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiwriter.core.errors import Conflict
from apps.backups.repository.repository import Repository
from apps.backups.repository.segments import moment as words_of_moment
from apps.backups.selectors.destinations import captured_destination, chosen_destination
from apps.backups.services import moments, postgres, postgres_base, restoring, sqlite
from apps.backups.services.moments import Choice
from apps.backups.services.progress import Progress, Quiet
from apps.backups.services.repositories import open_repository, told
from apps.backups.services.restoring import Target
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record


@dataclass(frozen=True, slots=True)
class Travelled:
    """What was made.

    Args:
        target: the database.
        reached: the moment of its state, in milliseconds.
        seconds: how long it took.
    """

    target: Target
    reached: int
    seconds: float


def restore_moment(
    repository: Repository, choice: Choice, reader: Any, folder: Path, name: str, progress: Progress
) -> Travelled:
    """Put the base into a new place, hold it against its manifest, and put the changes over it.

    Args:
        repository: opened with a key.
        choice: of `moments.choose`.
        reader: of the base.
        folder: where a SQLite file goes.
        name: part of a PostgreSQL database's name.
        progress: phases, log, stop.

    Raises:
        RepositoryProblem: something of base or changes is lost or damaged; it is named, and nothing is left behind.
        Unavailable: the result is not whole.
    """
    begun = time.monotonic()
    extra = reader.info.extra
    progress.say(f"Base {choice.base}, then {len(choice.segments)} segments up to {words_of_moment(choice.target)}.")
    restoring.refuse_other_engine(extra)
    if choice.line.engine == "postgresql":
        database = f"{postgres.parameters()['dbname'][:30]}_{name}"
        postgres.create_database(database)
        target = Target("postgresql", postgres.url_of(database), database)
        return _loaded(repository, choice, reader, target, begun, progress)
    target = restoring.restore_database(reader, extra, folder, name, progress)
    try:
        restoring.require_same(target, extra, progress)
        reached = moments.put_over(repository, choice, Path(target.place), progress)
        sqlite.check(Path(target.place))
    except BaseException:
        target.drop()
        raise
    seconds = time.monotonic() - begun
    short = choice.target - reached
    note = f", {short} ms before the moment that was asked for: a change was made just then" if short else ""
    progress.say(f"The database is as it was at {words_of_moment(reached)}{note}; {seconds:.1f} s.")
    return Travelled(target, reached, seconds)


def restore_server_moment(repository: Repository, choice: Choice, reader: Any, progress: Progress) -> Travelled:
    """The same on PostgreSQL, into the portal's own empty database, as a rebuild needs it."""
    name = str(postgres.parameters()["dbname"])
    target = Target("postgresql", postgres.url_of(name), name)
    return _loaded(repository, choice, reader, target, time.monotonic(), progress, keep=True)


def _loaded(
    repository: Repository,
    choice: Choice,
    reader: Any,
    target: Target,
    begun: float,
    progress: Progress,
    *,
    keep: bool = False,
) -> Travelled:
    """Bring a scratch server to the moment and load what the portal's database was there."""
    try:
        with postgres_base.recovered(repository, choice, reader, progress) as dump:
            progress.phase("loading")
            postgres.load(target.place, dump)
    except BaseException:
        if not keep:
            target.drop()
        raise
    seconds = time.monotonic() - begun
    progress.say(f"The database is as it was at {words_of_moment(choice.target)}; {seconds:.1f} s.")
    return Travelled(target, choice.target, seconds)


def hand_over_server(
    *,
    actor: Actor,
    moment: dt.datetime,
    into: str,
    destination: str = "",
    identity: str = "",
    say: Callable[[str], None],
) -> dict[str, str]:
    """Lay out the data directory of the whole PostgreSQL server as it was at a moment.

    Args:
        actor: needs "backups.restore".
        moment: which.
        into: an empty folder.
        destination: name or id of the place; the captured one when left out.
        identity: the key, when it is not on this machine.
        say: told what is done.

    Returns:
        the folder, and the command that starts it.

    Raises:
        Conflict: the folder is not empty, or the changes are not those of a PostgreSQL server.
        InvalidInput: the moment cannot be reached.
    """
    require(actor, "backups.restore")
    place = chosen_destination(actor=actor, named=destination) if destination else captured_destination(actor=actor)
    repository = open_repository(place, identity=identity, reading=True)
    choice = moments.choose(repository, moment)
    if choice.line.engine != "postgresql":
        raise Conflict(
            "At that moment changes of SQLite were captured.", remedy="Use: restore database --moment … instead."
        )
    folder = Path(into).expanduser().absolute()
    with told():
        reader = repository.reader(choice.base)
    start = postgres_base.hand_over(repository, choice, reader, folder, Quiet(say))
    record(actor, "backup.restored", after={"scope": "server", "set": choice.base, "moment": moment.isoformat()})
    return {"data": str(folder / "data"), "start": start, "set": choice.base}


class Files:
    """Files of several sets as if they were one: what was added after the base lies in a later set.

    Args:
        readers: of the sets, the base first.
    """

    def __init__(self, *readers: Any) -> None:
        self._readers = readers
        self._where: dict[str, Any] = {}

    def entries(self, prefix: str = "") -> list[Any]:
        """The entries of all."""
        found = []
        for reader in self._readers:
            for entry in reader.entries(prefix):
                if entry.path not in self._where:
                    self._where[entry.path] = reader
                    found.append(entry)
        return found

    def each(self, paths: Collection[str]) -> Iterator[tuple[str, Any]]:
        """Streams of many of them; see `SetReader.each`. What lies where is known once `entries` was asked."""
        for reader in self._readers:
            yield from reader.each({path for path in paths if self._where.get(path, self._readers[0]) is reader})

    def open(self, path: str) -> Any:
        """One of them."""
        return self._where.get(path, self._readers[0]).open(path)


def files_of(repository: Repository, choice: Choice, reader: Any) -> Files:
    """The files of the base and of the first set after the moment."""
    later = [info for info in repository.sets() if moments.as_milliseconds(info.created) >= choice.target]
    return Files(reader, *(repository.reader(info.id) for info in later[:1] if info.id != choice.base))
