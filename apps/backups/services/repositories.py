"""Opens the repositories of destinations, and fits the engine's errors and sets to the portal."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from aiwriter.core import secretrefs
from aiwriter.core.errors import AppError, Unavailable
from apps.backups.models import Destination, PlaceSize, Policy
from apps.backups.repository.control import Control
from apps.backups.repository.errors import AlreadyRepository, DeleteRefused, NoRepository, RepositoryError, Stopped
from apps.backups.repository.repository import Repository
from apps.backups.repository.rotation import rewrap
from apps.backups.services.progress import Progress
from apps.backups.services.stores import folder_of, open_store


class RepositoryProblem(AppError):
    """The engine's refusal, with its exit code."""

    status = 409

    def __init__(self, error: RepositoryError) -> None:
        super().__init__(error.message, remedy=error.remedy)
        self.code, self.exit_code = error.code, error.exit_code


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Turns the engine's errors into the portal's."""
    try:
        yield
    except Stopped:
        raise
    except RepositoryError as error:
        raise RepositoryProblem(error) from error


def work_folder() -> Path:
    """Where caches and scratch of backups lie."""
    folder = Path(settings.DATA_DIR) / "backups"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def cache_of(destination: Destination) -> Path:
    """The file of what is remembered of a repository; it may be deleted at any time."""
    folder = work_folder() / "cache"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / f"{destination.pk}.sqlite3"


def control_of(progress: Progress, *, policy: Policy | None = None) -> Control:
    """The engine's hooks on a job, and a policy's limits."""
    return Control(
        progress=progress.progress,
        check=progress.check,
        bandwidth=policy.bandwidth_mb * 1_000_000 if policy else 0,
        cpu=policy.cpu_percent / 100 if policy else 1.0,
    )


def open_repository(destination: Destination, *, identity: str | None = None, reading: bool = False) -> Repository:
    """The repository of a destination.

    Args:
        destination: where.
        identity: a key that opens it; the stored one when left out and `reading`.
        reading: for contents; without it nothing but the writer's secret is used.

    Raises:
        AppError: it is not there, the key is wrong or missing, or the place cannot be reached.
    """
    key = identity or None
    if reading and key is None:
        if not destination.identity_ref:
            error = Unavailable(
                f"The key that opens '{destination.name}' is not on this machine.",
                field="identity",
                remedy="Give the key: it begins with AGE-SECRET-KEY-1.",
            )
            error.exit_code = 12
            raise error
        key = secretrefs.resolve(destination.identity_ref).reveal()
    secret = base64.b64decode(secretrefs.resolve(destination.writer_ref).reveal()) if destination.writer_ref else None
    with told():
        return Repository.open(open_store(destination), cache=cache_of(destination), identity=key, writer_secret=secret)


def note_size(destination: Destination, repository: Repository) -> None:
    """Remember how much the place holds today."""
    size = sum(size for _, size in repository.index.packs().values())
    PlaceSize.objects.update_or_create(destination=destination, day=timezone.now().date(), defaults={"bytes": size})


def create_or_join(
    destination: Destination, *, recipients: Sequence[str], identity: str = ""
) -> tuple[list[str], bytes]:
    """Make the repository, or open one that is there with its key.

    Returns:
        the recipients and the writer's secret.

    Raises:
        AppError: it is there and the key is missing or wrong, or the place cannot be reached.
    """
    store = open_store(destination)
    try:
        if identity:
            try:
                found = Repository.open(store, cache=None, identity=identity)
                return list(found.recipients), found.writer_secret
            except NoRepository:
                pass
        made = Repository.create(store, recipients=list(recipients), comment="AI-Writer")
    except AlreadyRepository as error:
        problem = RepositoryProblem(error)
        problem.remedy = "Give the key of this repository, or choose an empty place."
        raise problem from error
    except RepositoryError as error:
        raise RepositoryProblem(error) from error
    return list(recipients), made.writer_secret


def check_place(destination: Destination) -> None:
    """Write, read and delete a few bytes. A place that lets nothing be deleted is fine: it is append-only.

    Raises:
        AppError: the place does not do it.
    """
    store = open_store(destination)
    with told():
        with contextlib.suppress(DeleteRefused):
            # It is there already, from an earlier look at an append-only place.
            store.put("probe/aiwriter", b"aiwriter")
        answer = store.get("probe/aiwriter")
        with contextlib.suppress(DeleteRefused):
            store.delete("probe/aiwriter")
    if answer != b"aiwriter":
        raise Unavailable("The place gave back something else than was written.", remedy="Choose another place.")


def change_recipients(destination: Destination, *, recipients: Sequence[str], identity: str = "") -> None:
    """Wrap the keys for other recipients. Errors as for `open_repository`."""
    repository = open_repository(destination, identity=identity, reading=True)
    with told():
        rewrap(repository, recipients=list(recipients))


def place_of(destination: Destination) -> str:
    """The address for people."""
    if destination.profile is not None:
        return f"{destination.profile.name}: {destination.prefix}"
    return str(folder_of(destination))
