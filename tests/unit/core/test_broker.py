"""The folder of messages: complete, and taken once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Connection

import aiwriter.celery  # noqa: F401  names our transport


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Connection]:
    for name in ("messages", "control"):
        (tmp_path / name).mkdir()
    options = {
        "data_folder_in": str(tmp_path / "messages"),
        "data_folder_out": str(tmp_path / "messages"),
        "control_folder": str(tmp_path / "control"),
        "store_processed": False,
    }
    with Connection("filesystem://", transport_options=options) as connection:
        yield connection


def test_it_is_ours(broker: Connection):
    assert type(broker.transport).__module__ == "aiwriter.core.broker"


def test_every_message_comes_once(broker: Connection):
    queue = broker.SimpleQueue("one")
    for number in range(20):
        queue.put({"n": number})
    found = []
    for _ in range(20):
        message = queue.get(timeout=2)
        message.ack()
        found.append(message.payload["n"])
    assert sorted(found) == list(range(20))
    with pytest.raises(queue.Empty):
        queue.get_nowait()


def test_a_binding_that_another_thread_is_writing_is_waited_for(broker: Connection, monkeypatch):
    """kombu notes it in memory first; who believed the note published into nowhere."""
    channel = type(broker.default_channel)
    bind, begun, release = channel._queue_bind, threading.Event(), threading.Event()

    def slowly(self, *arguments):
        if not begun.is_set():
            begun.set()
            release.wait(5)
        bind(self, *arguments)

    monkeypatch.setattr(channel, "_queue_bind", slowly)

    def put(number: int) -> None:
        with broker.clone() as own:
            own.SimpleQueue("late").put({"n": number})

    first = threading.Thread(target=put, args=(1,))
    first.start()
    begun.wait(5)
    put(2)
    release.set()
    first.join()
    queue = broker.SimpleQueue("late")
    assert sorted(queue.get(timeout=2).payload["n"] for _ in range(2)) == [1, 2]


def test_tables_that_many_change_at_once_keep_every_queue(broker: Connection):
    channel = broker.default_channel

    def bind(number: int) -> None:
        with broker.clone() as own:
            own.default_channel._queue_bind("shared", f"key{number}", None, f"queue{number}")

    threads = [threading.Thread(target=bind, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {row.queue for row in channel.get_table("shared")} == {f"queue{n}" for n in range(12)}
    channel._delete("queue3", "shared", "key3", None)
    assert "queue3" not in {row.queue for row in channel.get_table("shared")}


def test_many_writers_and_readers_lose_nothing_and_take_nothing_twice(broker: Connection):
    writers, each, readers = 4, 100, 3
    found: list[int] = []
    errors: list[Exception] = []
    lock = threading.Lock()

    def write(start: int) -> None:
        with broker.clone() as own:
            queue = own.SimpleQueue("busy")
            for number in range(start, start + each):
                queue.put({"n": number})

    def read() -> None:
        try:
            with broker.clone() as own:
                queue = own.SimpleQueue("busy")
                while True:
                    message = queue.get(timeout=2)
                    message.ack()
                    with lock:
                        found.append(message.payload["n"])
        except queue.Empty:
            pass
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=write, args=(n * each,)) for n in range(writers)]
    threads += [threading.Thread(target=read) for _ in range(readers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(found) == list(range(writers * each))


def test_a_message_cut_short_is_dropped_and_the_next_one_comes(broker: Connection, tmp_path: Path):
    queue = broker.SimpleQueue("cut")
    (tmp_path / "messages" / "000_x.cut.msg").write_text("{")
    queue.put({"n": 1})
    assert queue.get(timeout=2).payload == {"n": 1}
