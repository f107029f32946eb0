"""Real proxies under the drivers: who is sent where, what is counted, and that a proxy that starts again does the same."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from aw_deployd import web
from aw_deployd.environment import Slot
from aw_deployd.errors import Stale
from aw_deployd.traffic import PROBE_HEADER, Shares, TrafficDriver, open_traffic
from tests.fakes.rollout import environment
from tests.servers import free_port, proxies


def _version(name: str) -> ThreadingHTTPServer:
    """Answers with its name, or with the secret where that came through."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.headers.get(PROBE_HEADER, name).encode()
            self.send_response(500 if self.path == "/bad" else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *words: None  # type: ignore[method-assign, assignment]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Proxy:
    """One that runs, with its driver."""

    def __init__(self, kind: str, folder: Path, versions: dict[str, ThreadingHTTPServer]) -> None:
        try:
            binary = proxies.binary(kind, fetch=False)
        except proxies.NotHere as error:
            pytest.skip(f"not run: {error}")
        slots = tuple(Slot(name, f"127.0.0.1:{server.server_address[1]}") for name, server in versions.items())
        self.environment = replace(
            environment(folder),
            traffic=kind,
            listen=f"127.0.0.1:{free_port()}",
            binary=binary,
            slots=slots,
            options={"api": f"127.0.0.1:{free_port()}"},
        )
        self.driver: TrafficDriver = open_traffic(self.environment)
        self.driver.render(Shares.only("blue"))
        self._log = (folder / "log").open("wb")
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            self.driver.command(), stdout=self._log, stderr=self._log, start_new_session=True
        )
        self.until(lambda: {"blue", "green"} <= self.driver.observe().up)

    def kill(self) -> None:
        # The group: nginx's workers go on serving without their first process.
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        proxies.stop(self._process)
        self._log.close()

    @staticmethod
    def until(condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.05)

    def ask(self, cookie: str = "", path: str = "/", probe: str = "") -> str:
        headers = {"Host": "localhost"} | ({"Cookie": cookie} if cookie else {})
        headers |= self.driver.probe_headers(probe) if probe else {}
        return web.ask(self.environment.listen, path, headers=headers, timeout=30).body.decode()


@pytest.fixture(params=["haproxy", "caddy", "traefik", "nginx"])
def proxy(request: pytest.FixtureRequest) -> Iterator[Proxy]:
    """Each of the four, before two versions of which blue serves."""
    versions = {name: _version(name) for name in ("blue", "green")}
    # A short path: the name of a socket has 108 bytes.
    with TemporaryDirectory(prefix="aw-", dir="/tmp") as folder:
        made = Proxy(request.param, Path(folder), versions)
        yield made
        made.close()
    for server in versions.values():
        server.shutdown()
        server.server_close()


def test_people_go_where_their_number_says_and_probes_where_they_ask(proxy: Proxy) -> None:
    driver = proxy.driver
    assert driver.observe().shares == Shares.only("blue")
    assert {proxy.ask(), proxy.ask("aw_bucket=0")} == {"blue"}
    assert [proxy.ask(probe=slot) for slot in ("blue", "green")] == ["blue", "green"]
    driver.listen()

    canary = Shares({"blue": 100}, "green", 25)
    driver.set_shares(canary, 1)
    assert driver.observe().shares == canary
    for number in (0, 7, 24, 25, 26, 99):
        asked = proxy.ask(f"first=1; aw_bucket={number}; last=2")
        assert asked == ("green" if number < 25 else "blue"), number
    assert {proxy.ask(), proxy.ask("aw_bucket=x"), proxy.ask("aw_bucket=240")} == {"blue"}
    proxy.ask("aw_bucket=1", path="/bad")
    proxy.ask(path="/bad", probe="green")
    proxy.until(lambda: driver.counters("green").n >= 4)
    # Of the probe nothing is counted here.
    assert (driver.counters("green").n, driver.counters("green").errors) == (4, 1)
    proxy.until(lambda: len(driver.heard().milliseconds.get("green", [])) > 0)

    driver.set_shares(Shares.only("green"), 2)
    assert {proxy.ask() for _ in range(5)} == {"green"}
    with pytest.raises(Stale):
        driver.set_shares(Shares.only("blue"), 1)
    assert driver.observe().shares == Shares.only("green")

    driver.set_shares(Shares.only("blue", "green"), 3)
    assert {proxy.ask() for _ in range(10)} == {"blue", "green"}

    driver.set_shares(canary, 4)
    proxy.kill()
    assert driver.observe().shares is None
    proxy.start()
    assert driver.observe().shares == canary
    assert [proxy.ask(f"aw_bucket={number}") for number in (24, 25)] == ["green", "blue"]
