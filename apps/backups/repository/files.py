"""Many files at once: looked up together, read and named by several threads, taken in the order in which they were given."""

from __future__ import annotations

import os
import stat
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from apps.backups.repository.chunks import WHOLE
from apps.backups.repository.errors import SourceChanged
from apps.backups.repository.sets import Entry
from apps.backups.repository.shipping import threads_for_sealing

if TYPE_CHECKING:
    from apps.backups.repository.writer import SetWriter

_FILES, _BYTES = 512, 4 * 1024 * 1024
_SETTLED_NS = 2_000_000_000
OnProblem = Callable[[str, SourceChanged], None]


@dataclass(slots=True)
class _File:
    path: str
    source: str
    key: str
    size: int
    settled: bool
    entry: Entry | None = None
    ids: Sequence[bytes] = ()
    data: bytes = b""
    problem: SourceChanged | None = None


def source_key(source: str, found: os.stat_result) -> tuple[str, bool]:
    """A name for this content of this file, and whether it may be relied on.

    A file that changed a moment ago may change again within the same tick of its clock.
    """
    key = f"file:{source}:{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}:{found.st_ino}"
    return key, time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) > _SETTLED_NS


def walk(folder: Path, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Path and source of each regular file below a folder, in the order of their names. Links are not followed."""
    with os.scandir(folder) as found:
        items = sorted(found, key=lambda item: item.name)
    for item in items:
        path = f"{prefix}/{item.name}" if prefix else item.name
        if item.is_dir(follow_symlinks=False):
            yield from walk(Path(item.path), path)
        elif item.is_file(follow_symlinks=False):
            yield path, item.path


def add_files(writer: SetWriter, files: Iterable[tuple[str, str]], on_problem: OnProblem | None) -> int:
    """Take files into a set. Returns how many."""
    threads = threads_for_sealing()
    waiting: deque[Future[list[_File]]] = deque()
    count = 0
    with ThreadPoolExecutor(threads, "read") as pool:
        try:
            for batch in _batches(files):
                _look_up(writer, batch)
                waiting.append(pool.submit(_read, writer, batch))
                while len(waiting) > threads + 1:
                    count += _take(writer, waiting.popleft().result(), on_problem)
            while waiting:
                count += _take(writer, waiting.popleft().result(), on_problem)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return count


def _batches(files: Iterable[tuple[str, str]]) -> Iterator[list[_File]]:
    batch: list[_File] = []
    size = 0
    for path, source in files:
        try:
            found = os.stat(source)  # noqa: PTH116
            if not stat.S_ISREG(found.st_mode):
                raise SourceChanged(f"{source} is no regular file.")
            key, settled = source_key(source, found)
            batch.append(_File(path, source, key, found.st_size, settled))
            size += found.st_size
        except OSError as error:
            problem = SourceChanged(f"{source} cannot be read: {error.strerror}.")
            batch.append(_File(path, source, "", 0, False, problem=problem))
        except SourceChanged as error:
            batch.append(_File(path, source, "", 0, False, problem=error))
        if len(batch) >= _FILES or size >= _BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _look_up(writer: SetWriter, batch: Sequence[_File]) -> None:
    """Which of them are known and still there."""
    known = writer.known_many([file.key for file in batch if file.key])
    for file in batch:
        if file.key in known:
            size, sha256, ids = known[file.key]
            file.entry, file.ids = Entry(file.path, size, len(ids), sha256), ids


def _read(writer: SetWriter, batch: list[_File]) -> list[_File]:
    """Runs in a thread: reads what is not known, and names it."""
    for file in batch:
        if file.entry is not None or file.problem is not None or file.size > WHOLE:
            continue
        try:
            with open(file.source, "rb", buffering=0) as opened:  # noqa: PTH123
                data = opened.read(WHOLE + 1)
        except OSError as error:
            file.problem = SourceChanged(f"{file.source} cannot be read: {error.strerror}.")
            continue
        if len(data) > WHOLE:
            file.size = len(data)
            continue
        file.settled = file.settled and len(data) == file.size
        file.size, file.data, file.ids = len(data), data, [writer.name_of(data)]
    return batch


def _take(writer: SetWriter, batch: Sequence[_File], on_problem: OnProblem | None) -> int:
    count = 0
    fresh = [file for file in batch if file.entry is None and file.problem is None and file.size <= WHOLE]
    writer.store_named([file.ids[0] for file in fresh], [file.data for file in fresh])
    for file in batch:
        if file.problem is None and file.entry is None and file.size > WHOLE:
            try:
                writer.add_file(file.path, Path(file.source))
                count += 1
                continue
            except SourceChanged as error:
                file.problem = error
        if file.problem is not None:
            if on_problem is None:
                raise file.problem
            on_problem(file.path, file.problem)
            continue
        entry = file.entry or Entry(file.path, file.size, 1)
        writer.refer(entry, file.ids, file.key if file.entry is None and file.settled else "")
        count += 1
    return count
