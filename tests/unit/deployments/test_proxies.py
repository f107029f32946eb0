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
from aw_deployd.traffic.compose import ComposeProxy
from tests.fakes.docker import Docker
from tests.fakes.rollout import environment
from tests.servers import free_port, proxies


def _version(name: str, unready: set[str], port: int = 0) -> ThreadingHTTPServer:
    """Answers with its name, or with the secret where that came through; says that it is not ready while it stands there."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.headers.get(PROBE_HEADER, name).encode()
            wrong = {"/bad": 500, "/readyz": 503 if name in unready else 200}
            self.send_response(wrong.get(self.path, 200))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.handle_error = lambda *words: None  # type: ignore[method-assign, assignment]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Proxy:
    """One that runs, with its driver."""

    versions: dict[str, ThreadingHTTPServer]
    unready: set[str]
    _command: list[str] = []
    _docker: Docker | None = None

    def __init__(self, kind: str, folder: Path, versions: dict[str, ThreadingHTTPServer]) -> None:
        try:
            binary = proxies.binary("haproxy" if kind == "compose" else kind, fetch=False)
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
        self.people = self.environment.listen
        if kind == "compose":
            self._use_compose(folder)
        self.driver: TrafficDriver = open_traffic(self.environment)
        if isinstance(self.driver, ComposeProxy):
            self.driver.map_name = f"{self.environment.options['folder']}/haproxy/pct.map"
        self.driver.render(Shares.only("blue"))
        self._log = (folder / "log").open("wb")
        self.start()

    def _use_compose(self, folder: Path) -> None:
        """The files of deploy/compose: elsewhere, without TLS, with addresses instead of the engine's names."""
        docker = Docker(folder)
        place = docker.compose
        self._docker = docker
        for path in (place / "haproxy").glob("*.cfg"):
            text = path.read_text().replace("/usr/local/etc/haproxy", f"{place}/haproxy")
            text = text.replace("/var/run/haproxy", f"{place}/run").replace(" init-addr none resolvers docker", "")
            text = text.replace(' ssl crt "${AW_TLS_PEM}" alpn h2,http/1.1', "").replace(":443", self.people)
            for slot in self.environment.slots:
                text = text.replace(f"web-{slot.name}:8000", slot.address)
            path.write_text(text.replace(":80\n", f"127.0.0.1:{free_port()}\n"))
        files = [f"{place}/haproxy/{name}.cfg" for name in ("agent", "haproxy")]
        self._command = [self.environment.binary, "-db", "-f", files[0], "-f", files[1]]
        self.environment = replace(
            self.environment,
            runtime="compose",
            listen=f"{place}/run/agent.sock",
            options={"folder": str(place)},
        )

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command or self.driver.command(), stdout=self._log, stderr=self._log, start_new_session=True
        )
        self.until(lambda: {"blue", "green"} <= self.driver.observe().up)

    def kill(self) -> None:
        # The group: nginx's workers go on serving without their first process.
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        proxies.stop(self._process)
        self._log.close()
        if self._docker:
            self._docker.close()

    @staticmethod
    def until(condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.05)

    def lose(self, name: str) -> None:
        """kill -9 of a version."""
        self.versions[name].shutdown()
        self.versions[name].server_close()
        self.until(lambda: name not in self.driver.observe().up)

    def ask(self, cookie: str = "", path: str = "/", probe: str = "") -> str:
        headers = {"Host": "localhost"} | ({"Cookie": cookie} if cookie else {})
        headers |= self.driver.probe_headers(probe) if probe else {}
        where = self.environment.listen if probe else self.people
        return web.ask(where, path, headers=headers, timeout=30).body.decode()


@pytest.fixture(params=["haproxy", "caddy", "traefik", "nginx", "compose"])
def proxy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """Each of the four, and the one of Compose, before two versions of which blue serves."""
    unready: set[str] = set()
    versions = {name: _version(name, unready) for name in ("blue", "green")}
    # A short path: the name of a socket has 108 bytes.
    with TemporaryDirectory(prefix="aw-", dir="/tmp") as folder:
        monkeypatch.setenv("PATH", f"{folder}/bin", prepend=os.pathsep)
        monkeypatch.setenv("AW_RATE", "100000")
        made = Proxy(request.param, Path(folder), versions)
        made.versions, made.unready = versions, unready
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


def test_nobody_is_turned_away_while_somebody_could_serve_them(proxy: Proxy) -> None:
    # Too busy to answer the checks, as every site is that is asked more than it can: slow is better than nothing.
    proxy.unready.add("blue")
    proxy.until(lambda: "blue" not in proxy.driver.observe().up)
    # Each looks each half second; by then all have noticed.
    time.sleep(1.5)
    proxy.driver.listen()
    before = proxy.driver.counters("blue").n
    assert [proxy.ask() for _ in range(10)] == ["blue"] * 10
    proxy.until(lambda: proxy.driver.counters("blue").n >= before + 10)
    proxy.unready.clear()
    proxy.until(lambda: "blue" in proxy.driver.observe().up)

    # In the middle of a canary the old version dies: the new one takes everybody.
    canary = Shares({"blue": 100}, "green", 25)
    proxy.driver.set_shares(canary, 1)
    assert [proxy.ask("aw_bucket=24"), proxy.ask("aw_bucket=25"), proxy.ask()] == ["green", "blue", "blue"]
    proxy.lose("blue")
    for _ in range(3):
        assert [proxy.ask("aw_bucket=24"), proxy.ask("aw_bucket=25"), proxy.ask()] == ["green"] * 3
    # What was decided about the shares is as it was.
    assert proxy.driver.observe().shares == canary


def test_a_slot_that_is_empty_costs_no_look_its_time(proxy: Proxy) -> None:
    proxy.lose("green")
    begun = time.monotonic()
    assert proxy.driver.observe().up == {"blue"}
    assert proxy.driver.read_shares() == Shares.only("blue")
    assert time.monotonic() - begun < 3


def test_while_the_only_version_is_started_again_people_wait(proxy: Proxy) -> None:
    if proxy.environment.traffic == "nginx":
        pytest.skip("nginx waits for nobody: a connection that is refused is an error")
    address = proxy.versions["blue"].server_address
    proxy.lose("blue")
    time.sleep(1)

    def again() -> None:
        time.sleep(1.5)
        proxy.versions["blue"] = _version("blue", proxy.unready, address[1])

    threading.Thread(target=again).start()
    assert proxy.ask() == "blue"
    proxy.versions["blue"].shutdown()
    proxy.versions["blue"].server_close()
