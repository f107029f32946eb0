"""Where the keyring lies, and how every process sees the same one.

A process looks at the file's time stamp at each use (2 µs) and reads it again when it has changed, so a rotation counts in
all processes from the next use on. It is written whole under another name and renamed: a reader sees the old one or the new.
"""

from __future__ import annotations

import dataclasses
import json
import os
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

from django.conf import settings

from aiwriter.core.errors import StorageFull
from aiwriter.core.keyring import providers
from aiwriter.core.keyring.document import KEY_BYTES, PURPOSES, Key, Ring, Stage, State, dump, new_key, parse
from aiwriter.core.keyring.errors import RingMissing, RingProblem
from aiwriter.core.wholefiles import write_whole

# Its name in a backup, wherever it lies.
IN_BACKUPS = "keys/keyring.json"
# Where the version before kept the key for files.
OLDER_FILE_KEY = "keys/file_key"
_lock = threading.Lock()
_cached: tuple[tuple[str, int, int, int, int], Ring] | None = None


def location() -> Path:
    """Where the keyring lies."""
    return Path(settings.KEYRING_FILE)


def exists() -> bool:
    """Whether there is one."""
    return location().exists()


def load() -> Ring:
    """The keyring as it is now.

    Raises:
        RingMissing: there is none.
        RingProblem: it cannot be read, others can read it, or it is not a keyring.
    """
    global _cached
    path = settings.KEYRING_FILE
    try:
        found = os.stat(path)  # noqa: PTH116  at every use: half the time of Path.stat
    except FileNotFoundError:
        raise RingMissing(
            f"The keyring {path} is missing.",
            remedy="Put it back from the backup (keys/keyring.json), or name the right file with AIWRITER_KEYRING.",
        ) from None
    except OSError as error:
        raise RingProblem(f"The keyring {path} cannot be read: {error.strerror}.") from error
    mark = (str(path), found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode)
    cached = _cached
    if cached is not None and cached[0] == mark:
        return cached[1]
    with _lock:
        _check_mode(Path(path), found)
        ring = _read(Path(path))
        _cached = (mark, ring)
    return ring


def of_folder(data_dir: Path) -> Mapping[str, Key]:
    """The keys of another data folder's keyring, by id; none when it has no keyring.

    Raises:
        RingProblem: it cannot be read.
    """
    path = data_dir / IN_BACKUPS
    return _read(path).keys if path.is_file() else {}


def take_over(content: bytes) -> int:
    """Add the keys of another keyring, to open what they sealed; none of them seals.

    Args:
        content: the other keyring's file, such as a backup holds it.

    Returns:
        how many were added.

    Raises:
        RingProblem: it is not a keyring.
    """
    other = _parsed(content.decode("utf-8", "replace"), "the keyring of the backup")
    with changing():
        ring = load()
        added = 0
        for key in other.keys.values():
            if key.usable and key.id not in ring.keys:
                ring = ring.with_key(dataclasses.replace(key, state=State.DECRYPT_ONLY, wrapped=""))
                added += 1
        if added:
            replace(ring)
    return added


def active(purpose: str) -> Key:
    """The key that seals now; errors as for `load` and `Ring.active`."""
    return load().active(purpose)


def find(key_id: str) -> Key:
    """A key that opens something; errors as for `load` and `Ring.find`."""
    return load().find(key_id)


def create(*, stage: Stage) -> Ring:
    """Make the keyring of a new installation, or of one that had none yet. One that is there is left.

    The key for files of an older version is taken over, so that what it encrypted stays readable.

    Args:
        stage: "contract" for a new installation; "expand" where older secrets exist.

    Raises:
        StorageFull: it cannot be written.
        RingProblem: the key service cannot be used.
    """
    with changing():
        if exists():
            return load()
        older = older_file_key(Path(settings.DATA_DIR))
        keys = [new_key(name, material=older if name == "file" else None) for name in PURPOSES]
        ring = Ring(keys={key.id: key for key in keys}, stage=stage, provider=settings.KEY_PROVIDER)
        replace(ring)
        return load()


def replace(ring: Ring) -> None:
    """Put another keyring in the place of the present one.

    Raises:
        StorageFull: it cannot be written; the present one stays.
        RingProblem: the file is mounted read-only, as secrets of a container are.
    """
    path, text = location(), written(ring)
    try:
        write_whole(path, text.encode("ascii"))
    except OSError as error:
        if error.errno in (13, 30):
            raise RingProblem(
                f"The keyring {path} cannot be written: {error.strerror}.",
                remedy="Where it is a mounted secret, make the change with `manage.py keys … --out FILE` and give the "
                "platform the new file.",
            ) from error
        raise StorageFull(
            f"The keyring cannot be kept: {error.strerror}.", remedy=f"Make {path.parent} writable."
        ) from error


def written(ring: Ring) -> str:
    """What the file of a keyring holds.

    Raises:
        RingProblem: the key service cannot be used.
    """
    whole = dump(ring, lambda key: providers.wrap(ring.provider, key.material, key.purpose))
    return json.dumps(whole, indent=1) + "\n"


@contextmanager
def changing() -> Iterator[None]:
    """Hold the lock of changes: of two processes that start or rotate at once, one waits for the other."""
    path = location()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = (path.parent / f".{path.name}.lock").open("a")
    except OSError:
        # A mounted folder that cannot be written has no second writer either.
        yield
        return
    with handle:
        flock(handle, LOCK_EX)
        yield


def _read(path: Path) -> Ring:
    try:
        return _parsed(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise RingProblem(f"The keyring {path} cannot be read: {error.strerror}.") from error


def _parsed(text: str, where: str) -> Ring:
    try:
        document = json.loads(text)
    except ValueError:
        raise RingProblem(
            f"{where} is not a keyring.", remedy="Put the keyring of this installation back from the backup."
        ) from None
    provider = document.get("provider", "file") if isinstance(document, dict) else "file"
    return parse(document, lambda wrapped, purpose: providers.unwrap(provider, wrapped, purpose), where=where)


def _check_mode(path: Path, found: os.stat_result) -> None:
    mode = stat.S_IMODE(found.st_mode)
    own = Path(settings.DATA_DIR).resolve() in path.resolve().parents
    # Kubernetes mounts secrets 0440 or 0444 in a memory file system of the pod's own; nobody else may write there.
    if mode & (0o077 if own else 0o022):
        raise RingProblem(
            f"The keyring {path} is open to others (mode {mode:04o}).", remedy=f"Close it: chmod 600 {path}"
        )


def older_file_key(data_dir: Path) -> bytes | None:
    """The key for files that the version before the keyring made in a data folder, if there is one."""
    try:
        key = bytes.fromhex((data_dir / OLDER_FILE_KEY).read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        return None
    return key if len(key) == KEY_BYTES else None
