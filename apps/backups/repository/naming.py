"""Names of the chunks of a stream, made by a thread of their own while the next ones are read and the last ones are packed."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from apps.backups.repository.chunks import Batch

_AHEAD = 3
Part = bytes | memoryview
Named = tuple[Sequence[Part], list[bytes]]


class Naming:
    """Gives each batch of a stream's chunks their names, in order.

    Naming and the digest of the whole read every byte twice. The thread that takes a stream in has to cut it, to look each
    name up and to hand the chunks on; with both to do it is what all others wait for.

    Args:
        name: the name of a chunk; any thread may call it.
        pace: called by the thread after each batch, so that it keeps to its share of the processor.
    """

    def __init__(self, name: Callable[[Part], bytes], pace: Callable[[], None]) -> None:
        self._name, self._pace = name, pace
        self._digest = hashlib.sha256()
        self.sha256 = ""
        self.begun = False

    def run(self, batches: Iterator[Batch]) -> Generator[Named]:
        """The chunks of each batch, and their names. After the last one `sha256` is known, for a stream of many chunks."""
        first = next(batches, None)
        if first is None:
            return
        self.begun = True
        second = next(batches, None)
        if second is None:
            # Most things in a set are one chunk: its name says what it holds, and a thread would cost more than it.
            if len(first.parts) == 1:
                yield first.parts, [self._name(first.parts[0])]
                return
            yield self._named(first)
        else:
            yield from self._ahead([first, second], batches)
        self.sha256 = self._digest.hexdigest()

    def _ahead(self, begun: Sequence[Batch], batches: Iterator[Batch]) -> Iterator[Named]:
        waiting: deque[Future[Named]] = deque()
        # One thread: the digest wants the bytes in their order.
        with ThreadPoolExecutor(1, "name") as pool:
            try:
                waiting += [pool.submit(self._named, batch) for batch in begun]
                for batch in batches:
                    waiting.append(pool.submit(self._named, batch))
                    while len(waiting) > _AHEAD:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _named(self, batch: Batch) -> Named:
        # All at once: a digest lets go of the interpreter, and to get it back costs more than to hash a small chunk.
        self._digest.update(batch.data)
        ids = [self._name(part) for part in batch.parts]
        self._pace()
        return batch.parts, ids
