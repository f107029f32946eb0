"""Wrong values, broken parts and hostile files end in a message with a remedy, and nothing is lost.

The full disk is a real one: a small tmpfs under the data folder, for which the proof needs to be root; otherwise that row
is printed as "not run".
"""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2

from tests.fakes.provider import FakeProvider
from tests.lab.forms import submit
from tests.lab.models import connect_models, writer_token
from tests.lab.portal import ROOT, Portal, read_events
from tests.proofs import expect
from tests.servers import free_port


def _start(**environment: str) -> tuple[int, str]:
    """Start the supervisor with wrong settings; returns exit code and what it said."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("AIWRITER_")}
    with tempfile.TemporaryDirectory() as folder:
        settings = {"AIWRITER_DATA_DIR": folder, "AIWRITER_PORT": str(free_port()), **environment}
        done = subprocess.run(
            [sys.executable, "-m", "aiwriter.supervisor"],
            cwd=ROOT,
            env={**clean, **settings},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    return done.returncode, done.stdout + done.stderr


def _refused_start(what: str, words: tuple[str, ...], **environment: str) -> str:
    code, said = _start(**environment)
    expect(code != 0, f"{what}: started all the same")
    expect("Traceback" not in said, f"{what}: ends with a traceback:\n{said}")
    for word in words:
        expect(word in said, f"{what}: '{word}' is not in: {said}")
    return what


def _starts() -> list[str]:
    """Values and places that stop the start."""
    with socket.socket() as taken, tempfile.NamedTemporaryFile() as file:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        return [
            _refused_start("wrong number", ("AIWRITER_PORT", "whole number"), AIWRITER_PORT="eighty"),
            _refused_start("unknown variable", ("AIWRITER_PROT", "not a variable"), AIWRITER_PROT="8000"),
            _refused_start("wrong database", ("DATABASE_URL", "Use sqlite"), DATABASE_URL="mysql://x/y"),
            _refused_start(
                "database that does not answer",
                ("database cannot be opened", "DATABASE_URL"),
                DATABASE_URL=f"postgres://nobody@127.0.0.1:{free_port()}/none",
            ),
            _refused_start("port taken", (port, "AIWRITER_PORT="), AIWRITER_PORT=port),
            _refused_start(
                "unwritable folder", ("cannot be written", "AIWRITER_DATA_DIR"), AIWRITER_DATA_DIR=f"{file.name}/data"
            ),
        ]


def _said(answer: httpx2.Response, status: int, *words: str) -> None:
    """The API's one error shape, with a remedy."""
    expect(
        answer.status_code == status,
        f"{answer.request.url}: {answer.status_code} instead of {status}: {answer.text[:400]}",
    )
    error = answer.json()["error"]
    text = str(error)
    expect(error["code"] and error["message"] and answer.json()["request_id"], f"the shape is another: {answer.text}")
    for word in words:
        expect(word.lower() in text.lower(), f"'{word}' is not in {text}")


def _upload(client: httpx2.Client, name: str, content: bytes) -> httpx2.Response:
    return client.post("/sources", files={"file": (name, content)})


def _fate(client: httpx2.Client, answer: httpx2.Response) -> str:
    """What became of one upload: the message and remedy of the row that was refused, at once or after parsing."""
    if answer.status_code >= 400:
        return answer.text
    body = answer.json()
    rows = body.get("data", body if isinstance(body, list) else [body])
    text = str(body)
    for row in rows:
        source = row.get("source") or row
        identifier = source.get("id") if isinstance(source, dict) else None
        for _ in range(150):
            if not identifier:
                break
            found = client.get(f"/sources/{identifier}").json()
            if found["state"] in ("failed", "ready"):
                text += f" {found['state']} {found.get('error')} {found.get('remedy')}"
                break
            time.sleep(0.2)
    return text


def _archive_bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", b"\0" * (300 * 1024 * 1024))
    return buffer.getvalue()


def _files(client: httpx2.Client) -> list[str]:
    """Files that cannot be read."""
    cases: dict[str, tuple[bytes, tuple[str, ...]]] = {
        "program.exe": (b"MZ" + bytes(range(256)) * 40, ("cannot be read",)),
        "empty.txt": (b"", ("empty",)),
        "broken.docx": (b"PK\x03\x04" + b"junk" * 200, ("",)),
        "broken.pdf": (b"%PDF-1.7\n" + b"junk " * 200, ("",)),
        "bomb.docx": (_archive_bomb(), ("",)),
    }
    for name, (content, words) in cases.items():
        fate = _fate(client, _upload(client, name, content))
        expect("ready" not in fate, f"{name} was accepted: {fate}")
        for word in words:
            expect(word in fate, f"{name}: '{word}' is not in {fate[:600]}")
        expect(
            "remedy" in fate.lower() or "save" in fate.lower() or "use " in fate.lower(),
            f"{name}: no remedy in {fate[:600]}",
        )
        print(f"  {name}: refused", flush=True)
    return list(cases)


def _huge(portal: Portal, token: str) -> str:
    """One GiB, announced and sent as a stream: refused before it is all here, without filling the memory."""
    before = portal.rss_bytes()["web"]
    sent = 0

    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="huge.txt"\r\n\r\n'
    tail = b"\r\n--x--\r\n"

    def body() -> Iterator[bytes]:
        nonlocal sent
        yield head
        for _ in range(1024):
            sent += 1
            yield b"x" * (1024 * 1024)
        yield tail

    length = str(len(head) + len(tail) + (1 << 30))
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": length}
    try:
        with portal.api(token) as client:
            answer = client.post("/sources", content=body(), headers=headers, timeout=180)
        _said(answer, 413, "larger than")
        how = "413"
    except httpx2.TransportError as error:
        # A server may stop reading and close; what counts is that it did not take it.
        how = f"connection closed ({type(error).__name__})"
    grown = portal.rss_bytes()["web"] - before
    expect(grown < 150e6, f"the web process grew by {grown / 1e6:.0f} MB")
    print(f"  1 GiB: {how} after {sent} MiB, web process +{max(grown, 0) / 1e6:.0f} MB", flush=True)
    return "1 GB file"


def _providers(portal: Portal, token: str) -> list[str]:
    """A provider that cannot be reached, a wrong key; the brief and the row are kept."""
    admin = portal.sign_in()
    page = admin.get("/admin/backends/backendprofile/add/", params={"plugin": "model:openai"})
    page = submit(admin, page, name="Nobody", base_url=f"http://127.0.0.1:{free_port()}/v1")
    page = submit(admin, page, action="/test/")
    expect(
        "The test failed" in page.text and "Check that the server runs" in page.text,
        "an unreachable provider gives no remedy",
    )
    with FakeProvider(keys=("right",)) as fake:
        page = admin.get("/admin/backends/backendprofile/add/", params={"plugin": "model:openai"})
        page = submit(admin, page, name="Wrong key", base_url=fake.openai_url, api_key="wrong-key-canary-42")
        expect("wrong-key-canary-42" not in page.text, "the key is shown in the page")
        page = submit(admin, page, action="/test/")
        expect("The test failed" in page.text and "key" in page.text.lower(), "a wrong key gives no remedy")
        expect("wrong-key-canary-42" not in page.text + portal.logs(500), "the key is in the page or a log")
        page = submit(admin, page, action="/enable/")
        expect("is enabled" not in page.text, "a backend whose test failed was enabled")
    with FakeProvider(process=True) as fake:
        connect_models(portal, [{"name": "Gone", "base_url": fake.openai_url, "model": "fake-large"}])
    with portal.api(token) as client:
        start = client.post("/generate/content", json={"topic": "A topic that must not be lost", "source_ids": []})
        events = list(read_events(client, f"/generations/{start.json()['id']}/events"))
        errors = [data for _, kind, data in events if kind == "error"]
        expect(errors and errors[0]["message"] and errors[0]["remedy"], f"no message with a remedy: {events[-3:]}")
        kept = client.get(f"/generations/{start.json()['id']}").text
        expect("A topic that must not be lost" in kept, "the brief is lost")
    return ["unreachable provider", "wrong key", "provider gone"]


def _people(portal: Portal) -> list[str]:
    client = httpx2.Client(base_url=portal.url, follow_redirects=True, trust_env=False)
    page = submit(client, client.get("/accounts/login/"), login=portal.email, password="not-the-password")
    expect("sessionid" not in client.cookies, "a wrong password signed in")
    expect("do not belong together" in page.text, "a wrong password gives no message")
    expect(portal.email in page.text, "the typed address is lost")
    return ["wrong password"]


def _plugins(portal: Portal, token: str) -> list[str]:
    admin = portal.sign_in()
    answer = admin.post(
        "/api/v1/backends/profiles", json={"kind": "model", "plugin": "nonesuch", "name": "X", "options": {}}
    )
    if answer.status_code == 400 and "plugin_key" in answer.text:
        answer = admin.post(
            "/api/v1/backends/profiles", json={"kind": "model", "plugin_key": "nonesuch", "name": "X", "options": {}}
        )
    expect(
        400 <= answer.status_code < 500 and "nonesuch" in answer.text,
        f"unknown plugin: {answer.status_code} {answer.text}",
    )
    return ["unknown plugin"]


def _incompatible() -> str:
    """A plugin of another contract is named with its remedy and does no harm."""
    with tempfile.TemporaryDirectory() as name:
        code = (
            "from pathlib import Path\nfrom tests.plugins.dists import write_animal\n"
            f"write_animal(Path({name!r}), 'contract_nine')\n"
            "import sys; sys.path.insert(0, "
            f"{name!r})\nimport os; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'\nimport django; django.setup()\n"
            "from aiwriter.pluginhost import discovery\n"
            "print([(p.state.value, p.error, p.remedy) for p in discovery.refresh() if 'nine' in p.key])"
        )
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    expect("incompatible" in done.stdout and "9.0" in done.stdout, f"{done.stdout} {done.stderr[-1500:]}")
    return "incompatible plugin"


@contextmanager
def _small_disk(folder: Path) -> Iterator[Callable[[], None]]:
    """A tmpfs of 400 MiB on a folder; gives a function that fills it."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", folder], check=True)

    def fill() -> None:
        ballast = os.open(folder / "ballast", os.O_WRONLY | os.O_CREAT)
        try:
            # Large pieces first, then small ones into what is left.
            for size in (1 << 20, 1 << 12):
                with suppress(OSError):
                    while True:
                        os.write(ballast, b"\0" * size)
        finally:
            os.close(ballast)

    try:
        yield fill
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


def _full_disk() -> str:
    """Uploads and saves on a full disk are refused with a remedy; what was saved before is there afterwards."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "data"
        folder.mkdir()
        try:
            disk = _small_disk(folder)
            fill = disk.__enter__()
        except (subprocess.CalledProcessError, PermissionError):
            return "full disk: not run (mounting needs root)"
        try:
            with Portal(folder=folder) as portal:
                token = writer_token(portal)
                with portal.api(token) as client:
                    made = client.post("/content", json={"title": "Before", "body_markdown": "Kept words."}).json()
                    fill()
                    _said(_upload_one(client), 507, "space")
                    saved = client.patch(
                        f"/content/{made['id']}",
                        json={"body_markdown": "x" * 3_000_000},
                        headers={"If-Match": f'"{made["revision"]}"'},
                    )
                    expect(
                        saved.status_code in (503, 507),
                        f"saving on a full disk: {saved.status_code} {saved.text[:300]}",
                    )
                    expect("try again" in saved.text, f"no remedy: {saved.text[:300]}")
                    read = client.get(f"/content/{made['id']}")
                    expect(read.status_code == 200, f"reading on a full disk: {read.status_code} {read.text[:300]}")
                    expect(read.json()["body_markdown"].strip() == "Kept words.", "the text is lost")
                    (folder / "ballast").unlink()
                    again = client.patch(
                        f"/content/{made['id']}",
                        json={"body_markdown": "New words."},
                        headers={"If-Match": f'"{made["revision"]}"'},
                    )
                    expect(again.status_code == 200, f"after space was made: {again.status_code} {again.text[:300]}")
        finally:
            disk.__exit__(None, None, None)
    return "full disk"


def _upload_one(client: httpx2.Client) -> httpx2.Response:
    answer = _upload(client, "large.txt", os.urandom(2_000_000).hex().encode())
    if answer.status_code < 400:
        rows = answer.json().get("data", [])
        errors = [row.get("error") for row in rows if row.get("error")]
        expect(errors, f"the upload was accepted on a full disk: {answer.text[:300]}")
    return answer


def prove() -> str:
    """All rows."""
    shown = _starts()
    print(f"  refused starts: {', '.join(shown)}", flush=True)
    shown.append(_incompatible())
    shown.append(_full_disk())
    print(f"  {shown[-1]}", flush=True)
    with Portal() as portal:
        token = writer_token(portal)
        with portal.api(token) as client:
            kept = client.post("/content", json={"title": "Kept", "body_markdown": "Words."}).json()["id"]
            shown += _files(client)
            shown.append(_huge(portal, token))
            shown += _people(portal)
            shown += _plugins(portal, token)
            shown += _providers(portal, token)
            expect(client.get(f"/content/{kept}").json()["body_markdown"].strip() == "Words.", "a document was lost")
            expect(client.get("/content").status_code == 200, "the portal does not serve any more")
    ran = [row for row in shown if "not run" not in row]
    return f"{len(ran)} cases end in a message with a remedy, nothing lost" + (
        f"; {'; '.join(r for r in shown if 'not run' in r)}" if len(ran) < len(shown) else ""
    )
