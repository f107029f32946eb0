"""Bases of a PostgreSQL server: the whole of it once a week, and in between what has changed since then.

From version 17 on a server that summarizes its log gives an increment: a block that has not changed is not read again. It is
always taken against the whole base, so that a restore needs two sets and never a chain of them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from aiwriter.core.errors import Unavailable
from aiwriter.core.late import psycopg
from aiwriter.core.wholefiles import write_whole
from apps.backups.models import BackupSet
from apps.backups.services import postgres
from apps.backups.services.capture_postgres import connect, look_at_server, receiver_problem
from apps.backups.services.capture_state import capture_folder
from apps.backups.services.progress import Progress

BASE = "physical/base.tar"
# The server keeps summaries of its log for ten days, unless it is told otherwise.
FULL_SECONDS = 7 * 24 * 3600
_SINCE = 170_000
_BLOCK = 512
_BUFFER = 64 * 1024


@dataclass(frozen=True, slots=True)
class Full:
    """A whole base that increments are taken against.

    Args:
        set_name: the repository's name of its set.
        manifest: what the server was told then; kept here, so that no key is needed to go on.
    """

    set_name: str
    manifest: Path


def take_base(writer: Any, progress: Progress, *, line: str = "", full: Full | None = None) -> dict[str, Any]:
    """Put a base of the whole server into a set.

    Args:
        writer: of the set.
        progress: phases and stop.
        line: of the capture that it is for.
        full: take only what has changed since this one.

    Returns:
        what a restore must know.

    Raises:
        Unavailable: the server does not give one.
    """
    with contextlib.closing(connect()) as opened:
        server = look_at_server(opened)
        size = opened.execute("SELECT sum(pg_database_size(oid)) FROM pg_database").fetchone()[0]  # type: ignore[index]
        if full is not None and not _summarizes(opened, server.version):
            progress.say("A whole base is taken: the server does not summarize its log (summarize_wal is off).")
            full = None
    wanted = postgres.parameters()
    facts = {**server.as_detail(), "role": str(wanted.get("user", "")), "database": str(wanted["dbname"])}
    if full is not None:
        try:
            entry, _ = _stream(writer, progress, int(size), server.version, full)
        except _Refused as refused:
            progress.say(f"A whole base is taken: {refused}")
        else:
            progress.say(f"Base: {entry.size / 2**20:,.1f} MiB have changed since the whole one of {full.set_name}.")
            return {**facts, "bytes": entry.size, "increment_of": full.set_name}
    entry, manifest = _stream(writer, progress, int(size), server.version, None)
    if line:
        _remember(line, writer.id, manifest)
    progress.say(f"Base of the server with {entry.size / 2**20:,.1f} MiB taken.")
    return {**facts, "bytes": entry.size}


class _Refused(Exception):
    """The server gives no increment, and nothing of one was stored."""


def _stream(writer: Any, progress: Progress, size: int, version: int, full: Full | None) -> tuple[Any, bytes]:
    command = [
        postgres.program("pg_basebackup", version // 10_000),
        "--pgdata=-",
        "--format=tar",
        # With the log of the time of the backup: without it the server waits, silently, for an archive that may be broken.
        "--wal-method=fetch",
        "--checkpoint=fast",
        "--no-password",
        "--label=aiwriter",
        *([f"--incremental={full.manifest}"] if full else []),
    ]
    progress.phase("base", 0 if full else size)
    environment = {**postgres.environment(postgres.parameters()), "PGAPPNAME": "aiwriter_base"}
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment) as process,
    ):
        stream = _Program(cast("BinaryIO", process.stdout), process)
        try:
            if full is not None and not stream.begins():
                errors.seek(0)
                raise _Refused(errors.read()[-300:].decode("utf-8", "replace").strip() or "the program ended at once")
            entry = writer.add_stream(BASE, stream, chunking="content")
        except _Refused:
            raise
        except BaseException:
            process.kill()
            errors.seek(0)
            said = errors.read()[-600:].decode("utf-8", "replace").strip()
            if process.wait() > 0 and said:
                raise receiver_problem(said) from None
            raise
    return entry, stream.manifest.content


class _Program:
    """The output of a program as a file: a program that fails has no end, but an error."""

    def __init__(self, stream: BinaryIO, process: subprocess.Popen[bytes]) -> None:
        self._stream, self._process = stream, process
        self._first = b""
        self.manifest = Manifest()

    def begins(self) -> bool:
        """Whether anything comes."""
        with postgres.not_for_ever(self._process):
            self._first = self._stream.read(_BLOCK)
        return bool(self._first)

    def read(self, size: int = -1) -> bytes:
        """Bytes of it."""
        if self._first:
            piece, self._first = self._first, b""
        else:
            with postgres.not_for_ever(self._process):
                piece = self._stream.read(size)
        if not piece and size and self._process.wait(60):
            raise Unavailable("The program ended with an error.", remedy="See the server's log, then try again.")
        self.manifest.feed(piece)
        return piece


class Manifest:
    """Picks the server's manifest out of a tar while it goes by; it is the last file in it."""

    def __init__(self) -> None:
        self._head = b""
        self._rest = self._wanted = 0
        self._parts: list[bytes] = []

    @property
    def content(self) -> bytes:
        """What has come of it."""
        return b"".join(self._parts)

    def feed(self, piece: bytes) -> None:
        """The next bytes of the tar."""
        view = memoryview(piece)
        while view:
            if self._rest:
                count = min(self._rest, len(view))
                if self._wanted:
                    self._parts.append(bytes(view[: min(self._wanted, count)]))
                    self._wanted -= len(self._parts[-1])
                self._rest -= count
                view = view[count:]
                continue
            count = _BLOCK - len(self._head)
            self._head += view[:count]
            view = view[count:]
            if len(self._head) == _BLOCK:
                self._member(self._head)
                self._head = b""

    def _member(self, head: bytes) -> None:
        if not head.strip(b"\0"):
            return
        info = tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
        self._rest = -(-info.size // _BLOCK) * _BLOCK
        self._wanted = info.size if info.name == "backup_manifest" else 0


# ------------------------------------------------------------ what increments are taken against
def _folder() -> Path:
    folder = capture_folder() / "bases"
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder


def _remembered() -> list[Path]:
    return sorted(_folder().glob("*~*"), key=lambda path: path.stat().st_mtime, reverse=True)


def _remember(line: str, set_name: str, manifest: bytes) -> None:
    """Keep the manifest of a base whose set is not written yet; the one before stays until it is."""
    write_whole(_folder() / f"{line}~{set_name}", manifest)
    for path in _remembered()[2:]:
        path.unlink()


def newest_full(destination_id: uuid.UUID | str, line: str) -> Full | None:
    """The whole base that an increment may be taken against; None when a whole one is due."""
    for path in _remembered():
        known, _, name = path.name.partition("~")
        if known != line or time.time() - path.stat().st_mtime > FULL_SECONDS:
            continue
        if BackupSet.objects.filter(destination_id=destination_id, name=name).restorable().exists():
            return Full(name, path)
    return None


def _summarizes(opened: psycopg.Connection[Any], version: int) -> bool:
    return version >= _SINCE and opened.execute("SHOW summarize_wal").fetchone() == ("on",)


# ------------------------------------------------------------ laying it out again
def unpack(reader: Any, folder: Path, progress: Progress) -> None:
    """The files of a base, into an empty folder. The whole is compared with its digest."""
    stream = reader.open(BASE)
    with contextlib.closing(stream), tarfile.open(fileobj=stream, mode="r|", bufsize=_BUFFER) as archive:
        for member in archive:
            _lay_out(archive, member, folder)
            progress.check()
        while stream.read(1 << 20):
            pass


def _lay_out(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Not `extract`: a server has tens of thousands of files, and it asks for real paths, owners and times of each.

    What is made here are folders and files, never a link, so a name without ".." stays within.
    """
    inside = not member.name.startswith("/") and ".." not in member.name.split("/")
    if not inside or not (member.isfile() or member.isdir()):
        raise tarfile.ExtractError(f"{member.name} is no file of a base.")
    path = f"{folder}/{member.name}"
    if member.isdir():
        Path(path).mkdir(0o700, parents=True, exist_ok=True)
        return
    content = archive.extractfile(member)
    with open(path, "xb", opener=_private) as file:
        if content is not None and member.size:
            shutil.copyfileobj(content, file, _BUFFER)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@contextlib.contextmanager
def _parts(folder: Path) -> Iterator[tuple[Path, Path]]:
    with tempfile.TemporaryDirectory(dir=folder, prefix="parts-") as name:
        parts = Path(name) / "whole", Path(name) / "increment"
        for part in parts:
            part.mkdir(mode=0o700)
        yield parts


def combine(whole: Any, increment: Any, data: Path, major: int, progress: Progress) -> None:
    """Make a data directory of a whole base and what has changed since.

    Args:
        whole, increment: readers of the two sets.
        data: an empty folder.
        major: the server's version.
        progress: phases and stop.

    Raises:
        Unavailable: they could not be put together.
    """
    program = postgres.program("pg_combinebackup", major)
    with _parts(data.parent) as (first, second):
        unpack(whole, first, progress)
        unpack(increment, second, progress)
        progress.phase("combining")
        done = subprocess.run(
            [program, str(first), str(second), "--output", str(data)], capture_output=True, check=False
        )
    if done.returncode:
        said = done.stderr[-400:].decode("utf-8", "replace").strip()
        raise Unavailable(f"Base and increment do not go together: {said}.", remedy="Choose another moment.")


__all__ = ["BASE", "Full", "Manifest", "combine", "newest_full", "take_base", "unpack"]
