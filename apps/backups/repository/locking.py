"""One keeper at a time on a machine. The lock ends with the process that holds it: there is nothing to clear by hand."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from apps.backups.repository.errors import Busy

if TYPE_CHECKING:
    from apps.backups.repository.repository import Repository


@contextmanager
def exclusive(repository: Repository, what: str) -> Iterator[None]:
    """Hold the keeper's lock of this repository, or raise `Busy`. Writers and readers need none."""
    if repository.cache is not None:
        path = repository.cache.with_name(repository.cache.name + ".lock")
    else:
        path = Path(tempfile.gettempdir()) / f"aiwriter-backup-{repository.id}.lock"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Busy(f"{what} cannot run: another prune or key rotation works on this repository.") from error
        yield
    finally:
        os.close(descriptor)
