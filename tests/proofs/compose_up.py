"""The image is built, Compose brings the portal up, and a new version goes live and back behind its proxy: 0 requests failed.

A real Docker engine in a network of its own, base images by debootstrap, wheels fetched before, no network in the build. Then:
healthy, sign-in, a first result through the proxy; who the containers are and what they may write; flip.py forward and back at
100 requests a second with streams open; parts that are stopped while jobs run. Needs root and Debian's docker.io, debootstrap,
iproute2, openssl; RATE=n and STREAMS=n change the sizes.
"""

from __future__ import annotations

import os
import re
import time
from typing import Any

from aiwriter import __version__
from tests.fakes.provider import FakeProvider
from tests.fakes.text import words
from tests.lab.deploytools import tools
from tests.lab.engine import Engine
from tests.lab.models import connect_models, writer_token
from tests.lab.rollout import Crowd, Streams
from tests.lab.stack import Stack, build_images
from tests.proofs import expect, until

REQUESTS, WORDS, JOBS = 3000, 300, 6
OURS = ("web-blue", "worker", "scheduler", "vectors", "watch", "healthd")
HARDENED = (*OURS, "redis", "proxy")
VARIABLES = {
    # The provider of the proof is on the other side of the network's gateway.
    "AIWRITER_EGRESS_ALLOW_NETWORKS": "127.0.0.0/8,172.16.0.0/12,192.168.0.0/16",
    "AIWRITER_API_TOKEN_RATE": "100000",
    "AIWRITER_API_USER_RATE": "100000",
}
_TEXT = (
    "An arch carries its load as pressure along the curve of its stones. The keystone is set last and closes the arch. "
    * 6
)


def prove() -> str:
    """Build, up, use, look, flip, stop."""
    # Whatever is fetched is fetched before: the engine's network has no way out.
    tools()
    with Engine() as engine:
        begun = time.monotonic()
        build_images(engine, "2.0")
        size, base = engine.size(f"aiwriter:{__version__}"), engine.size("aiwriter/base:bookworm")
        print(f"  built in {time.monotonic() - begun:.0f} s: {size:.0f} MB, base {base:.0f} MB", flush=True)
        with (
            engine.joined(),
            Stack(engine, f"aiwriter:{__version__}", VARIABLES) as stack,
            FakeProvider(process=True, words=WORDS, tps=12.0, host="0.0.0.0") as fake,
        ):
            print(f"  healthy after {stack.seconds_to_healthy:.0f} s", flush=True)
            _sign_in(stack)
            token = writer_token(stack.as_portal())
            cited = _first_result(stack, token)
            _hardened(stack)
            url = fake.openai_url.replace("127.0.0.1", stack.gateway())
            connect_models(stack.as_portal(), [{"name": "Paced", "base_url": url, "model": "fake-large"}])
            seen = _flip(stack, token)
            took = _stops(stack, token)
    return (
        f"image {size:.0f} MB on a base of {base:.0f} MB; healthy in {stack.seconds_to_healthy:.0f} s; a first article with "
        f"{cited} citations through the proxy; {len(HARDENED)} containers on a read-only root without capabilities, none as "
        f"root; 0 of {seen['total']} requests failed at {seen['rate']:.0f} a second over flip and back, {seen['streams']} "
        f"streams whole, {len(seen['written'])} writes each there; {JOBS} of {JOBS} jobs done although worker, web and "
        f"scheduler were stopped ({took:.0f} s)"
    )


def _sign_in(stack: Stack) -> None:
    password = re.findall(r"password\s+(\S+)", stack.aiwriter("manage", "reset_password", stack.email))[0]
    with stack.browser() as client:
        plain = client.get("http://localhost/", follow_redirects=False)
        expect(plain.status_code == 308, f"without TLS: {plain.status_code}")
        page = client.get("/accounts/login/")
        expect(
            page.status_code == 200 and 'name="password"' in page.text, f"the page for signing in: {page.status_code}"
        )
        expect("max-age" in page.headers.get("strict-transport-security", ""), "no HSTS")
        form = {
            "login": stack.email,
            "password": password,
            "csrfmiddlewaretoken": client.cookies.get("__Host-csrf", ""),
        }
        home = client.post("/accounts/login/", data=form, headers={"Referer": str(page.url)})
        expect("__Host-session" in client.cookies, f"signing in: {home.status_code} {home.text[:300]}")
    # The command ran beside the web process: what HEALTHCHECK asks is still the web process.
    said = stack.aiwriter("health")
    expect(said.startswith("web: 200"), f"after a command in the container it is asked for its health: {said}")


def _first_result(stack: Stack, token: str) -> int:
    """A source is read in and an article written from it by the built-in backend; how many citations stand in it."""
    with stack.api(token) as client:
        for number in range(3):
            body = {"title": f"Arches {number}", "text": _TEXT}
            client.post("/sources/text", json=body).raise_for_status()
        until(
            lambda: all(each["state"] == "ready" for each in client.get("/sources").json()["data"]),
            120, "the sources were not read in",
        )  # fmt: skip
        made = client.post("/generate/content", json={"topic": "How arches carry their load"})
        made.raise_for_status()
        [row] = _until_done(client, [made.json()["id"]], 120)
        cited = len(row["citations"])
        expect(cited, f"an article without a citation: {row}")
        return cited


def _until_done(client: Any, identifiers: list[str], seconds: float) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []

    def done() -> bool:
        rows[:] = [client.get(f"/generations/{each}").json() for each in identifiers]
        return all(row["state"] not in ("queued", "running") for row in rows)

    until(done, seconds, "generations did not end")
    bad = [row for row in rows if row["state"] != "succeeded"]
    expect(not bad, f"generations failed: {bad}")
    return rows


def _hardened(stack: Stack) -> None:
    for service in HARDENED:
        host = stack.inspect(service)["HostConfig"]
        expect(host["ReadonlyRootfs"], f"{service} has a root that can be written")
        expect(host["CapDrop"] == ["ALL"] and not host["CapAdd"], f"{service} has capabilities: {host['CapAdd']}")
        expect("no-new-privileges:true" in host["SecurityOpt"], f"{service} may gain privileges")
        asked = "id -u; grep CapEff /proc/self/status; touch /opt/x 2>&1 || true; touch /usr/bin/x 2>&1 || true"
        said = stack.compose("exec", "-T", service, "sh", "-c", asked)
        user = said.split()[0]
        expect(user == "10001" if service in OURS else user != "0", f"{service} runs as {user}")
        expect("CapEff:\t0000000000000000" in said, f"{service}: {said}")
        expect(said.count("Read-only file system") == 2, f"{service} could write: {said}")


def _flip(stack: Stack, token: str) -> dict[str, Any]:
    """Forward to 2.0 and back under load, with streams open from before to after."""
    rate, streams = float(os.environ.get("RATE", "100")), int(os.environ.get("STREAMS", "6"))
    expected = "".join(words("numbers", WORDS)).split()
    begun = time.monotonic()
    with Crowd(stack, rate, token=token) as crowd:  # type: ignore[arg-type]
        reading = Streams(stack, token, streams)  # type: ignore[arg-type]
        print("  " + stack.flip("aiwriter:2.0").strip().replace("\n", "\n  "), flush=True)
        expect(_version(stack) == "2.0", f"after the flip serves {_version(stack)}")
        # A proxy that is started again goes on with the slot that has the traffic.
        expect("green" in stack.live, f".env names {stack.live}")
        print("  " + stack.flip("--back").strip().replace("\n", "\n  "), flush=True)
        expect(_version(stack) == __version__, f"after the way back serves {_version(stack)}")
        texts = reading.finish()
        while (time.monotonic() - begun) * rate < REQUESTS * 1.05:
            time.sleep(0.5)
    seen = crowd.seen
    print(f"  half within {seen['p50']} ms, 95 % {seen['p95']} ms, the longest {seen['longest']} ms", flush=True)
    expect(not seen["failed"], f"{seen['failed']} of {seen['total']} failed: {seen['failures'][:5]}")
    expect(seen["total"] >= REQUESTS, f"only {seen['total']} requests")
    expect(len(texts) == streams and all(text.split() == expected for text in texts), "a stream has another text")
    there = stack.shell(
        f"from apps.content.models import Document\nanswer = Document.objects.filter(pk__in={seen['written']!r}).count()"
    )
    expect(there == len(seen["written"]), f"{there} of {len(seen['written'])} documents are there")
    # Everything is stopped and started, the proxy too: the slot that served goes on.
    stack.flip("aiwriter:2.0")
    stack.compose("restart", "proxy")
    with stack.browser() as client:
        until(lambda: _answers(client), 60, "after the proxy's restart nobody is served")
    expect(_version(stack) == "2.0", f"after the proxy's restart serves {_version(stack)}")
    return {**seen, "streams": streams}


def _answers(client: Any) -> bool:
    try:
        return bool(client.get("/accounts/login/").status_code == 200)
    except OSError:
        return False
    except Exception as error:  # noqa: BLE001 - the client's own kinds of a connection that is refused
        return not str(error)


def _version(stack: Stack) -> str:
    found: str = stack.shell("from aiwriter import __version__ as answer")
    return found


def _stops(stack: Stack, token: str) -> float:
    """`docker stop` of the parts that work, in mid-text; seconds until all texts are whole."""
    expected = "".join(words("numbers", WORDS)).split()
    with stack.api(token) as client:
        made = []
        for number in range(JOBS):
            answer = client.post("/generate/content", json={"topic": f"Stop {number}", "source_ids": []})
            answer.raise_for_status()
            made.append(answer.json()["id"])
        time.sleep(4)
        begun = time.monotonic()
        parts = ("worker", "scheduler", f"web-{stack.live}")
        stack.compose("stop", *parts)
        for part in parts:
            code = stack.inspect(part)["State"]["ExitCode"]
            expect(code in (0, 143), f"{part} was killed instead of ending: {code}")
        stack.compose("start", *parts)
        until(lambda: _answers_api(client), 120, "the web process does not come back")
        rows = _until_done(client, made, 240)
        for row in rows:
            expect(
                row["output_markdown"].split() == expected,
                f"a text has {len(row['output_markdown'].split())} of {len(expected)} words",
            )
        return time.monotonic() - begun


def _answers_api(client: Any) -> bool:
    try:
        return bool(client.get("/me").status_code == 200)
    except Exception:  # noqa: BLE001 - while nothing listens
        return False
