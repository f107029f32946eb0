"""Addresses of Redis and of its sentinels."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kombu
import pytest

from aiwriter.core import redis_addresses
from tests.servers import free_port
from tests.servers.redis import Redis

GOOD = "sentinel://:pass%40word@one:26380,two,10.0.0.3:26382/3?master=aiwriter&sentinel_password=other"


def test_an_address_is_read() -> None:
    found = redis_addresses.sentinels(GOOD)
    assert found
    assert found.hosts == (("one", 26380), ("two", 26379), ("10.0.0.3", 26382))
    assert (found.master, found.password, found.database, found.sentinel_password) == (
        "aiwriter",
        "pass@word",
        3,
        "other",
    )
    assert redis_addresses.sentinels("redis://host/0") is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://host", "not a Redis address"),
        ("sentinel://one:26379/0", "which group of servers"),
        ("sentinel://one:many/0?master=x", "the port 'many'"),
        ("sentinel://one/first?master=x", "the database 'first'"),
        ("sentinel:///0?master=x", "no sentinel"),
        ("sentinel://[::1]:1/0?master=x", "brackets"),
        ("sentinel://one/0?master=x&maste=y", "'maste', which is not known"),
    ],
)
def test_a_wrong_address_is_told(url: str, words: str) -> None:
    assert words in redis_addresses.problem(url)


@pytest.mark.parametrize("url", ["", "redis://host/0", "rediss://host/0", "unix:///run/redis.sock", GOOD])
def test_a_good_address_is_good(url: str) -> None:
    assert redis_addresses.problem(url) == ""


def test_celery_gets_them_in_its_own_form() -> None:
    url, options = redis_addresses.for_celery(GOOD)
    connection = kombu.Connection(url, transport_options=options)
    word = ":pass%40word"
    assert connection.alt == [
        f"sentinel://{word}@one:26380/3",
        f"sentinel://{word}@two:26379",
        f"sentinel://{word}@10.0.0.3:26382",
    ]
    assert (connection.password, connection.virtual_host) == ("pass@word", "3")
    assert options["master_name"] == "aiwriter"
    assert options["sentinel_kwargs"]["password"] == "other"
    assert redis_addresses.for_celery("redis://host/0") == ("redis://host/0", {})


@contextmanager
def watched(server: Redis, folder: Path) -> Iterator[int]:
    """A sentinel that watches a server; its port."""
    program = shutil.which("redis-sentinel") or shutil.which("redis-server")
    if not program:
        pytest.skip("redis-sentinel is not installed")
    port = free_port()
    config = folder / "sentinel.conf"
    config.write_text(f"port {port}\nbind 127.0.0.1\ndir {folder}\nsentinel monitor shop 127.0.0.1 {server.port} 1\n")
    process = subprocess.Popen([program, str(config), "--sentinel"], stdout=subprocess.DEVNULL)
    try:
        yield port
    finally:
        process.terminate()
        process.wait(10)


def test_a_client_finds_the_master_by_a_sentinel(tmp_path: Path) -> None:
    with Redis() as server, watched(server, tmp_path) as port:
        # The first one is nobody: the next is asked.
        url = f"sentinel://127.0.0.1:{free_port()},127.0.0.1:{port}/1?master=shop"
        client = redis_addresses.client(url, seconds=2)
        _until(lambda: client.ping())
        client.set("word", "value")
        broker = redis_addresses.of_broker(*redis_addresses.for_celery(url), seconds=2)
        assert broker.get("word") == b"value"
        broker.delete("word")


def _until(done: Any) -> None:
    from redis import RedisError

    for _ in range(100):
        try:
            done()
            return
        except RedisError:
            time.sleep(0.1)
    raise AssertionError("the sentinel names no master")
