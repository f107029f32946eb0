"""The broker of installations without Redis: a folder of messages.

kombu's own writes a message into the file that readers already see. With a hundred requests at once a worker reads a file
that is still empty, and kombu lets that error end the worker. Here a message appears under its name when it is complete,
and is taken by a rename, which exactly one of several workers wins. The tables of queues are replaced whole, for the same reason.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import filesystem
from kombu.utils.json import dumps, loads

logger = logging.getLogger(__name__)


class Channel(filesystem.Channel):
    """kombu's channel with complete messages."""

    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Add a message. The name begins with the time, so that the oldest is taken first."""
        folder = Path(self.data_folder_out)
        name = f"{time.monotonic_ns() // 1_000_000:015d}_{uuid.uuid4()}.{queue}.msg"
        unfinished = folder / f".{name}.part"
        unfinished.write_bytes(dumps(payload).encode())
        unfinished.rename(folder / name)

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        """Take the oldest message of a queue.

        Raises:
            Empty: there is none.
        """
        folder, ending = Path(self.data_folder_in), f"{queue}.msg"
        for name in sorted(entry.name for entry in os.scandir(folder)):
            if name.partition(".")[2] != ending:
                continue
            taken = folder / f".{name}.taken"
            try:
                (folder / name).rename(taken)
                text = taken.read_bytes()
                taken.unlink()
            except OSError:
                # Another worker was faster.
                continue
            try:
                return loads(text.decode())
            except ValueError:
                # Cut short by a full disk. Its row is still in the database, and the sweeper finds it.
                logger.warning("A message that cannot be read was dropped: %s", name)
        raise Empty

    def queue_bind(
        self, queue: str, exchange: str | None = None, routing_key: str = "", arguments: Any = None, **kwargs: Any
    ) -> None:
        """Bind, and return only when the binding can be read.

        kombu notes a binding in the memory of the process before it writes it, and skips what is noted: a second thread
        published before the first had written, found no queue, and its messages were dropped without a word.
        """
        exchange = exchange or "amq.direct"
        super().queue_bind(queue, exchange, routing_key, arguments, **kwargs)
        meta = self.typeof(exchange).prepare_bind(queue, exchange, routing_key, arguments)
        self._queue_bind(exchange, *meta)

    def _queue_bind(self, exchange: str, routing_key: str | None, pattern: Any, queue: str | None) -> None:
        """Add a queue to the table of an exchange."""
        added = filesystem.exchange_queue_t(routing_key or "", pattern or "", queue or "")
        with self._changing(exchange) as table:
            if added not in table:
                table.insert(0, added)

    def _delete(self, queue: str, exchange: str, routing_key: str, pattern: Any, *args: Any, **kwargs: Any) -> None:
        """Take a queue out of the table of an exchange, and its messages out of the folder."""
        self._purge(queue)
        removed = filesystem.exchange_queue_t(routing_key or "", pattern or "", queue or "")
        with self._changing(exchange) as table:
            if removed in table:
                table.remove(removed)

    @contextmanager
    def _changing(self, exchange: str) -> Iterator[list[Any]]:
        """The table of an exchange to change: one process at a time, and readers see the old or the new whole."""
        file: Path = self._exchange_file(exchange)
        with file.with_suffix(".lock").open("w") as guard:
            filesystem.lock(guard, filesystem.LOCK_EX)
            before = self.get_table(exchange)
            table = list(before)
            yield table
            if table != before:
                unfinished = file.with_suffix(".part")
                unfinished.write_bytes(dumps(table).encode())
                unfinished.rename(file)


class Transport(filesystem.Transport):
    """kombu's transport over our channel."""

    Channel = Channel
