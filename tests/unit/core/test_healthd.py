"""healthd: answers from a file, to those who may ask."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from aiwriter.core import healthstate
from aiwriter.core.healthstate import Seen, State
from aiwriter.healthd.metrics import exposition
from aiwriter.healthd.server import Server


@contextmanager
def healthd(state_file: Path, *, networks: str = "127.0.0.0/8", public: bool = False) -> Iterator[str]:
    """A server in a thread; gives its address."""
    server = Server(
        state_file=state_file,
        networks=[ipaddress.ip_network(networks)],
        public=public,
        metrics=lambda: exposition(state_file.parent / "none", state_file),
    )
    loop, ports = asyncio.new_event_loop(), []
    ready = threading.Event()

    def noted(port: int) -> None:
        ports.append(port)
        ready.set()

    task = loop.create_task(server.serve("127.0.0.1", 0, noted))

    def work() -> None:
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert ready.wait(5)
    try:
        yield f"http://127.0.0.1:{ports[0]}"
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(5)
        loop.close()


def state(**checks: Seen) -> State:
    return State(node="here", version="1", written_at=time.time(), checks=checks, begun=("database",))


def seen(status: str, *, required: bool = True, title: str = "Database", age: float = 0.0) -> Seen:
    now = time.time()
    return Seen(
        title=title,
        required=required,
        status=status,
        message="m",
        checked_at=now - age,
        valid_until=now - age + 30,
        data={"latency_seconds": 0.25},
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "health.json"


def ask(url: str) -> httpx2.Response:
    return httpx2.get(url, trust_env=False, timeout=5)


def test_without_a_word_of_the_watch_nothing_is_ready_but_it_lives(file: Path) -> None:
    with healthd(file) as url:
        assert ask(f"{url}/livez").text == "ok\n"
        answer = ask(f"{url}/readyz")
        assert (answer.status_code, answer.json()["failing"]) == (503, ["watch"])
        assert ask(f"{url}/startupz").status_code == 503
        assert "aiw_watch_up 0.0" in ask(f"{url}/metrics").text


def test_the_failing_check_is_named(file: Path) -> None:
    with healthd(file) as url:
        healthstate.write(file, state(database=seen("ok"), mail=seen("fail", required=False)))
        answer = ask(f"{url}/readyz")
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
        healthstate.write(file, state(database=seen("fail"), storage=seen("ok")))
        answer = ask(f"{url}/readyz")
        assert (answer.status_code, answer.json()["failing"]) == (503, ["database"])
        assert ask(f"{url}/startupz").json()["failing"] == ["storage"]


def test_an_old_result_is_unknown(file: Path) -> None:
    healthstate.write(file, state(database=seen("ok", age=31)))
    with healthd(file) as url:
        answer = ask(f"{url}/readyz")
        assert answer.status_code == 503
        assert answer.json()["checks"]["database"]["status"] == "unknown"


def test_metrics_say_how_the_checks_stand(file: Path) -> None:
    healthstate.write(file, state(database=seen("warn")))
    with healthd(file) as url:
        text = ask(f"{url}/metrics").text
    assert 'aiw_check_status{check="database",required="yes"} 1.0' in text
    assert 'aiw_check_figure{check="database",figure="latency_seconds"} 0.25' in text


def test_strangers_get_the_public_page_only_and_only_by_choice(file: Path) -> None:
    healthstate.write(
        file,
        State(
            node="secret-host",
            version="1",
            written_at=time.time(),
            checks={"database": seen("ok", title="<Database>")},
            notices=((time.time(), "Slow", "We <are> on it."),),
        ),
    )
    with healthd(file, networks="10.0.0.0/8") as url:
        assert [ask(f"{url}/{p}").status_code for p in ("readyz", "metrics", "livez", "status")] == [403] * 4
    with healthd(file, networks="10.0.0.0/8", public=True) as url:
        page = ask(f"{url}/status")
        assert page.status_code == 200
        assert "&lt;Database&gt;" in page.text
        assert "We &lt;are&gt; on it." in page.text
        assert "secret-host" not in page.text
        assert ask(f"{url}/readyz").status_code == 403


def test_what_is_no_request_is_refused_and_harms_nobody(file: Path) -> None:
    import socket

    healthstate.write(file, state(database=seen("ok")))
    with healthd(file) as url:
        port = int(url.rpartition(":")[2])
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
        with socket.create_connection(("127.0.0.1", port)) as odd:
            odd.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
            assert odd.recv(100).startswith(b"HTTP/1.1 400")
        assert httpx2.post(f"{url}/readyz", trust_env=False).status_code == 405
        assert ask(f"{url}/nowhere").status_code == 404
        assert httpx2.head(f"{url}/readyz", trust_env=False).content == b""
        assert ask(f"{url}/readyz").status_code == 200
        for each in silent:
            each.close()


def test_a_file_is_replaced_whole(file: Path) -> None:
    healthstate.write(file, state(database=seen("ok")))
    assert [each.name for each in file.parent.iterdir()] == ["health.json"]
    assert json.loads(file.read_text())["node"] == "here"
