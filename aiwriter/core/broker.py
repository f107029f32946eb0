"""The broker of installations without Redis: a folder of messages.

kombu's own writes a message into the file that readers already see. With a hundred requests at once a worker reads a file
that is still empty, and kombu lets that error end the worker. Here a message appears under its name when it is complete,
and is taken by a rename, which exactly one of several workers wins.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import filesystem
from kombu.utils.json import dumps, loads

logger = logging.getLogger(__name__)

_TABLE_TRIES = 5


class Channel(filesystem.Channel):
    """kombu's channel with complete messages."""

    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Add a message. The name begins with the time, so that the oldest is taken first."""
        folder = Path(self.data_folder_out)
        name = f"{time.monotonic_ns() // 1_000_000:015d}_{uuid.uuid4()}.{queue}.msg"
        unfinished = folder / f".{name}.part"
        unfinished.write_bytes(dumps(payload).encode())  # type: ignore[no-untyped-call]
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
                return loads(text.decode())  # type: ignore[no-untyped-call]
            except ValueError:
                # Cut short by a full disk. Its row is still in the database, and the sweeper finds it.
                logger.warning("A message that cannot be read was dropped: %s", name)
        raise Empty

    def get_table(self, exchange: str) -> Any:
        """The queues of an exchange; the file may be in the making by another process that starts just now."""
        for _ in range(_TABLE_TRIES):
            try:
                return super().get_table(exchange)  # type: ignore[no-untyped-call]
            except ValueError:
                time.sleep(0.02)
        return []


class Transport(filesystem.Transport):
    """kombu's transport over our channel."""

    Channel = Channel
