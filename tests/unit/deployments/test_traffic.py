"""The proxies' drivers, as far as no proxy is needed: patterns, marks, logs, fences. Real ones are in the proofs."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from aw_deployd import environment as environments
from aw_deployd.environment import Environment
from aw_deployd.errors import Refused, Stale
from aw_deployd.traffic import Kept, Shares, open_traffic
from aw_deployd.traffic.files import FromFiles, cookie_below, numbers_below
from tests.fakes.rollout import environment

CANARY = Shares({"blue": 100}, "green", 25)


def test_the_patterns_match_the_lowest_numbers_and_no_others() -> None:
    for percent in range(1, 100):
        pattern = re.compile(rf"{numbers_below(percent)}\Z")
        assert [n for n in range(100) if pattern.match(str(n))] == list(range(percent))
    cookie = re.compile(cookie_below(25))
    for header, goes in (
        ("aw_bucket=24", True),
        ("sessionid=x; aw_bucket=3; other=1", True),
        ("aw_bucket=25", False),
        ("aw_bucket=249", False),
        ("xaw_bucket=3", False),
        ("", False),
    ):
        assert bool(cookie.search(header)) == goes, header


def test_a_lower_number_changes_no_proxy(tmp_path: Path) -> None:
    kept = Kept(environment(tmp_path))
    with kept.fenced(CANARY, 7):
        pass
    with pytest.raises(Stale), kept.fenced(Shares.only("blue"), 6):
        pass
    assert kept.shares() == CANARY
    assert kept.probe_headers("green")["X-AW-Probe"] == f"{kept.secret}:green"
    assert (kept.folder / "probe.secret").stat().st_mode & 0o077 == 0


def _driver(tmp_path: Path, name: str) -> FromFiles:
    made = replace(environment(tmp_path), traffic=name, options={"api": "127.0.0.1:1"})
    driver = open_traffic(made)
    assert isinstance(driver, FromFiles)
    return driver


LINES = {
    "caddy": [
        json.dumps({"resp_headers": {"X-Aw-Slot": ["127.0.0.1:18001"]}, "status": 502, "duration": 0.25}),
        json.dumps({"resp_headers": {}, "status": 200, "duration": 0.25}),
        "{",
    ],
    "traefik": [
        json.dumps(
            {"RouterName": "people@file", "ServiceAddr": "127.0.0.1:18001", "DownstreamStatus": 502, "Duration": 250e6}
        ),
        json.dumps(
            {"RouterName": "probe-green@file", "ServiceAddr": "127.0.0.1:18001", "DownstreamStatus": 500, "Duration": 1}
        ),
        "{",
    ],
    "nginx": ["127.0.0.1:18000, 127.0.0.1:18001 502 0.100, 0.250", "- 400 -", "nonsense"],
}


@pytest.mark.parametrize("name", LINES)
def test_lines_of_a_log_are_counted_once_and_by_version(tmp_path: Path, name: str) -> None:
    driver = _driver(tmp_path, name)
    assert driver.counters("green").n == 0
    text = "\n".join(LINES[name])
    driver.access.write_text(f"{text}\n{LINES[name][0][:20]}")
    driver.listen()
    found = driver.counters("green")
    assert (found.n, found.errors) == (1, 1)
    assert driver.heard().milliseconds == {"green": [250.0]}
    assert driver.heard().milliseconds == {}
    # The rest of a line that was half written.
    with driver.access.open("a") as log:
        log.write(f"{LINES[name][0][20:]}\n")
    assert driver.counters("green").n == 2
    # Turned over by logrotate.
    driver.access.write_text(f"{LINES[name][0]}\n")
    assert driver.counters("green").n == 1
    assert driver.counters("blue").n == 0


def test_haproxy_writes_what_it_was_told(tmp_path: Path) -> None:
    driver = open_traffic(environment(tmp_path))
    driver.render(CANARY)
    written = (tmp_path / "state" / "run" / "haproxy.cfg").read_text()
    assert "server blue 127.0.0.1:18000 check inter 500ms fastinter 200ms rise 1 fall 2 weight 100" in written
    assert "server green 127.0.0.1:18001 check inter 500ms fastinter 200ms rise 1 fall 2 weight 0" in written
    assert (tmp_path / "state" / "run" / "haproxy.map").read_text() == "blue 0\ngreen 25\n"
    assert driver.observe().shares is None


def test_an_environment_is_read_and_a_wrong_one_refused(tmp_path: Path) -> None:
    text = (
        'name = "lab"\nstate = "/s"\nreleases = "/r"\ndata = "/d"\nruntime = "processes"\ntraffic = "caddy"\n'
        'listen = "127.0.0.1:1"\n[[slots]]\nname = "blue"\naddress = "127.0.0.1:18000"\n'
    )
    path = tmp_path / "lab.toml"
    path.write_text(text)
    found: Environment = environments.load(path)
    assert (found.slots[0].port, found.socket_folder) == (18000, Path("/s/run"))
    console = '[console]\nurl = "https://write.example.org"\ntoken = "/t"\n'
    path.write_text(text + console)
    found = environments.load(path)
    assert (found.console_url, found.console_token) == ("https://write.example.org", Path("/t"))
    for wrong in (
        text + console.replace('token = "/t"\n', ""),
        text + console.replace("https:", "file:"),
        text + console + "port = 1\n",
        text.replace("127.0.0.1:18000", "localhost"),
        text.replace('name = "blue"', 'name = "../x"'),
        text.replace('state = "/s"\n', ""),
        text + '[[slots]]\nname = "blue"\naddress = "127.0.0.1:2"\n',
        "x",
    ):
        path.write_text(wrong)
        with pytest.raises(Refused):
            environments.load(path)
    with pytest.raises(Refused, match="traffic is"):
        open_traffic(replace(found, traffic="apache", state=tmp_path))
