"""Bad input in every endpoint and form of the writers' portal ends in a message that names field and remedy; nothing breaks.

Every operation of the API gets each field of its body in a wrong type, a body that is no JSON and one that is a list; every
posting form that a writer and an editor can reach is sent empty, with far too long values and with words for numbers. Then
come the hostile files, addresses, templates and cursors, one by one.
"""

from __future__ import annotations

import io
import re
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2
from bs4 import BeautifulSoup

from tests.e2e.stage import set_stage, wait_for_sources
from tests.lab.forms import fields_of
from tests.lab.portal import Portal
from tests.proofs import expect
from tests.unit.content.parsing_files import encrypted_pdf

REFUSED = (400, 401, 402, 403, 404, 405, 406, 409, 410, 412, 413, 415, 422, 428, 429)
MOST_PAGES = 70
# What a body of another type may be, by the type that is described. An object fits none of them.
_WRONG: dict[str, Any] = {"object": "words", "array": {"no": "list"}}
_LEFT = re.compile(r"/(?:logout|delete|theme)\b")


def prove() -> str:
    """Send everything."""
    # The limit of requests a minute would answer for most of them.
    environment = {"AIWRITER_API_TOKEN_RATE": "0", "AIWRITER_API_USER_RATE": "0"}
    with Portal(environment) as portal:
        cast = set_stage(portal)
        wait_for_sources(portal)
        token, things = portal.shell(_THINGS.format(email=cast.editor, document=cast.document))
        with portal.api(token) as client:
            asked = _every_operation(client, things)
            print(f"  {asked} wrong bodies refused", flush=True)
            cases = [*_files(client), *_addresses(client), *_templates(client), *_cursors(client, things)]
            huge = client.post("/content", json={"title": "x" * 2_000_000})
            _refused(huge, "title of two million characters", "title")
        forms = sum(_every_form(portal, email, cast.password) for email in (cast.writer, cast.editor))
        print(f"  {forms} forms refused", flush=True)
        faults = [line for line in portal.logs(5000).splitlines() if "Traceback" in line]
        expect(not faults, f"{len(faults)} tracebacks in the logs:\n{portal.logs(60)}")
    return f"{asked} wrong bodies, {forms} forms and {len(cases) + 1} hostile inputs: each refused with a message, none broke the portal"


# ---------------------------------------------------------------- every operation
def _every_operation(client: httpx2.Client, things: dict[str, str]) -> int:
    described = client.get("/schema", headers={"Accept": "application/json"}).json()
    asked = 0
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}) if isinstance(operation, dict) else {}
            if "application/json" not in content:
                continue
            address = re.sub(r"\{(\w+)\}", lambda match: things.get(match[1], "1"), path).removeprefix("/api/v1")
            if address.startswith("/v1/") or path.startswith("/v1"):
                continue  # the OpenAI endpoint has the error shape of OpenAI; proof openai-client
            fields = _fields(described, content["application/json"].get("schema", {}))
            for name, body in _bodies(fields):
                answer = client.request(method.upper(), address, **body)
                _sound(answer, f"{method.upper()} {address}, {name}")
                asked += 1
    expect(asked > 300, f"only {asked} bodies were sent")
    return asked


def _fields(described: dict[str, Any], schema: dict[str, Any]) -> dict[str, str]:
    while "$ref" in schema:
        schema = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    found = {}
    for name, field in schema.get("properties", {}).items():
        kind = field.get("type", "string")
        found[name] = next((each for each in kind if each != "null"), "string") if isinstance(kind, list) else kind
    return found


def _bodies(fields: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "no JSON", {"content": b"{broken", "headers": {"Content-Type": "application/json"}}
    yield "a list", {"json": [1, 2, 3]}
    yield "another type", {"content": b"x", "headers": {"Content-Type": "application/x-nonesuch"}}
    for name, kind in fields.items():
        yield f"{name} wrong", {"json": {name: _WRONG.get(kind, {"no": kind})}}


def _sound(answer: httpx2.Response, what: str) -> None:
    """An answer that is no defect; a refusal has the one shape."""
    expect(
        answer.status_code < 500 or answer.status_code in (503, 507),
        f"{what}: {answer.status_code} {answer.text[:300]}",
    )
    if answer.status_code in REFUSED:
        _shape(answer, what)


def _shape(answer: httpx2.Response, what: str) -> dict[str, Any]:
    try:
        body = answer.json()
        error: dict[str, Any] = body["error"]
    except (ValueError, KeyError, TypeError):
        expect(False, f"{what}: another shape of error: {answer.status_code} {answer.text[:300]}")
        raise
    expect(error["code"] and error["message"] and body["request_id"], f"{what}: no message: {answer.text[:300]}")
    return error


def _refused(answer: httpx2.Response, what: str, field: str = "") -> str:
    expect(answer.status_code in REFUSED, f"{what}: {answer.status_code} {answer.text[:300]}")
    error = _shape(answer, what)
    expect("remedy" in str(error), f"{what}: no remedy: {error}")
    expect(not field or field in str(error), f"{what}: '{field}' is not named: {error}")
    print(f"  {what}: {error['message'][:90]}", flush=True)
    return what


# ---------------------------------------------------------------- hostile inputs
def _files(client: httpx2.Client) -> list[str]:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", b"\0" * (300 * 1024 * 1024))
    with tempfile.TemporaryDirectory() as folder:
        locked = encrypted_pdf(Path(folder) / "locked.pdf", "secret").read_bytes()
    cases = {
        "bomb.docx": bomb.getvalue(),
        "broken.docx": b"PK\x03\x04" + b"junk" * 500,
        "locked.pdf": locked,
        "broken.pdf": b"%PDF-1.7\n" + b"junk " * 500,
        "empty.md": b"",
        "program.exe": b"MZ" + bytes(range(256)) * 40,
    }
    done = []
    for name, content in cases.items():
        for where, field in (("/sources", "file"), ("/imports", "file")):
            if where == "/imports" and name.endswith((".pdf", ".exe")) and name != "program.exe":
                continue
            answer = client.post(where, files={field: (name, content)})
            done.append(_fate(client, answer, f"{name} at {where}"))
    script = b"<html><body><h1>Title</h1><script>alert(1)</script><p onclick='x()'>Words that stay.</p><iframe src='x'></iframe></body></html>"
    answer = client.post("/imports", files={"file": ("page.html", script)})
    row = _settled(client, answer)
    document = next(iter(row["document_ids"]), None)
    expect(document, f"HTML with scripts was not imported: {row}")
    body = client.get(f"/content/{document}").json()["body_markdown"]
    expect("Words that stay" in body and "alert" not in body and "onclick" not in body, f"scripts stayed: {body}")
    bad = b'name,price\n"Tide tables",4\n"unclosed,5\nonly one cell\n'
    row = _settled(client, client.post("/sources", files={"file": ("rows.csv", bad)}))
    expect(row["state"] in ("ready", "failed"), f"a CSV with bad rows: {row}")
    expect(row["state"] == "ready" or row.get("remedy"), f"a CSV with bad rows has no remedy: {row}")
    done += _tables(client)
    return [*done, "HTML with scripts", "CSV with bad rows"]


def _tables(client: httpx2.Client) -> list[str]:
    """Tables for a batch: files that are none are refused whole, bad rows are named one by one before anything is written."""
    listed = client.get("/templates", params={"limit": 100}).json()["data"]
    template = next(row["id"] for row in listed if row["slug"] == "product-description")
    done = []
    for name, content in {
        "workbook.csv": b"PK\x03\x04" + b"junk" * 200,
        "binary.csv": bytes(range(256)) * 20,
        "empty.csv": b"",
        "only-names.csv": b"Product,Features\n",
        "torn-names.csv": b'"Product"x,Features\nA,b\n',
        "long.csv": b"Product\n" + b"x\n" * 5_001,
        "large.csv": b"Product\n" + b"x" * (20 * 2**20),
        "false-utf16.csv": b"\xff\xfeP\xd8",
    }.items():
        sent = {"template_id": template}
        done.append(_refused(client.post("/batches", data=sent, files={"file": (name, content)}), f"table {name}"))
    bad = (
        b"Product,Features,Words\nTide clock,Brass,120\n,Brass,120\nSun dial,Brass,many\n"
        b'Globe,Brass,90,left over\n"Torn"x,Brass,90\n"Open,Brass,90\n'
    )
    made = client.post("/batches", data={"template_id": template}, files={"file": ("rows.csv", bad)})
    expect(made.status_code == 201, f"a table with bad rows: {made.status_code} {made.text[:300]}")
    batch = made.json()
    expect((batch["progress"]["ready"], batch["progress"]["bad"]) == (1, 5), f"other rows are bad: {batch['progress']}")
    rows = client.get(f"/batches/{batch['id']}/rows", params={"state": "bad"}).json()["data"]
    expect([row["number"] for row in rows] == [3, 4, 5, 6, 7], f"other numbers: {rows}")
    for row in rows:
        expect(row["problems"], f"row {row['number']} has no message")
        for problem in row["problems"]:
            expect(problem["issue"] and problem["remedy"], f"row {row['number']} has no remedy: {problem}")
            print(f"  row {row['number']} {problem['column']}: {problem['issue'][:80]}", flush=True)
    expect([row["problems"][0]["column"] for row in rows[:2]] == ["Product", "Words"], "the columns are not named")
    done.append(_refused(client.post(f"/batches/{batch['id']}/start", json={}), "a start with bad rows", "skip_bad"))
    wrong = {"mapping": {"product": "No such column"}}
    done.append(_refused(client.patch(f"/batches/{batch['id']}", json=wrong), "an unknown column", "mapping"))
    return [*done, "CSV with bad rows as a batch"]


def _fate(client: httpx2.Client, answer: httpx2.Response, what: str) -> str:
    if answer.status_code in REFUSED:
        return _refused(answer, what)
    row = _settled(client, answer)
    expect(row.get("state") == "failed", f"{what} was accepted: {row}")
    expect(row.get("error") and row.get("remedy"), f"{what}: no message with a remedy: {row}")
    print(f"  {what}: {row['error'][:90]}", flush=True)
    return what


def _settled(client: httpx2.Client, answer: httpx2.Response) -> dict[str, Any]:
    """The row of an upload when its worker is done."""
    expect(answer.status_code in (200, 201, 202), f"{answer.request.url}: {answer.status_code} {answer.text[:300]}")
    body = answer.json()
    row: dict[str, Any] = body["data"][0] if "data" in body else body
    row = row.get("source", row) if isinstance(row.get("source"), dict) else row
    where = urlsplit(str(answer.request.url)).path.removeprefix("/api/v1").removesuffix("/url")
    for _ in range(300):
        row = client.get(f"{where}/{row['id']}").json()
        if row["state"] in ("ready", "failed", "done", "succeeded"):
            return row
        time.sleep(0.2)
    return row


def _addresses(client: httpx2.Client) -> list[str]:
    done = []
    for url in (
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:22/",
        "http://[::1]/",
        "file:///etc/passwd",
    ):
        for where in ("/sources/url", "/imports"):
            answer = client.post(where, json={"url": url})
            done.append(_fate(client, answer, f"{url} at {where}"))
        done.append(_refused(client.post("/webhooks", json={"name": "Bad", "url": url}), f"webhook to {url}"))
    return done


def _templates(client: httpx2.Client) -> list[str]:
    answer = client.post("/prompt-actions", json={"name": "Lacks", "template": "Change {nonesuch} in {selection}."})
    done = [_refused(answer, "action with an unknown variable", "nonesuch")]
    listed = client.get("/templates", params={"limit": 100}).json()["data"]
    made = client.post(f"/templates/{listed[0]['id']}/copy", json={})
    expect(made.status_code in (200, 201), f"a template could not be copied: {made.status_code} {made.text[:200]}")
    copy = made.json()
    answer = client.patch(f"/templates/{copy['id']}", json={"instructions": "Write of {nonesuch}."})
    done.append(_refused(answer, "template with an unknown variable", "nonesuch"))
    answer = client.post(f"/templates/{listed[0]['id']}/generate", json={"values": {}})
    done.append(_refused(answer, "template with a missing variable"))
    return done


def _cursors(client: httpx2.Client, things: dict[str, str]) -> list[str]:
    first = client.get("/content", params={"limit": 1}).json()
    cursor = first.get("next_cursor") or first.get("next") or first.get("pagination", {}).get("next_cursor")
    expect(cursor, f"the list of documents has no second page: {str(first)[:300]}")
    done = []
    for name, value in (("a cursor from another list", cursor), ("a cursor that is none", "bm9uc2Vuc2U")):
        done.append(_refused(client.get("/templates", params={"cursor": value}), name, "cursor"))
    done.append(_refused(client.get("/content", params={"limit": "many"}), "a limit in words", "limit"))
    done.append(
        _refused(
            client.get(f"/content/{things['document_id']}/diff", params={"from": "x", "to": "1"}), "a version in words"
        )
    )
    return done


# ---------------------------------------------------------------- every form
def _every_form(portal: Portal, email: str, password: str) -> int:
    """Follow the links of the portal and send each form three times wrongly."""
    client = portal.sign_in(email, password)
    waiting, seen, sent = ["/"], {"/"}, 0
    done: set[str] = set()
    while waiting and len(seen) <= MOST_PAGES * 4 and len(done) < MOST_PAGES:
        where = waiting.pop(0)
        page = client.get(where)
        expect(page.status_code < 500, f"{where}: {page.status_code}")
        if "text/html" not in page.headers.get("Content-Type", "") or page.status_code != 200:
            continue
        soup = BeautifulSoup(page.text, "html.parser")
        shape = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+", "#", urlsplit(str(page.url)).path)
        if shape in done:
            continue
        done.add(shape)
        for link in soup.find_all("a", href=True):
            target = urlsplit(urljoin(str(page.url), str(link["href"])))
            inside = target.netloc == urlsplit(portal.url).netloc and not target.path.startswith(
                ("/admin", "/static", "/api")
            )
            if inside and target.path not in seen and not link.has_attr("download") and not _LEFT.search(target.path):
                seen.add(target.path)
                waiting.append(target.path)
        for form in soup.find_all("form"):
            target = urljoin(str(page.url), str(form.get("action") or page.url))
            if str(form.get("method") or "get").lower() != "post" or _LEFT.search(target):
                continue
            values = fields_of(form)
            typed = [name for name in values if name != "csrfmiddlewaretoken"]
            for wrong in ("", "x" * 30_000, "not-a-number \x00 <script>"):
                data = values | dict.fromkeys(typed, wrong)
                answer = client.post(target, data=data, headers={"Referer": str(page.url)})
                expect(answer.status_code < 500, f"form {target} of {where} with '{wrong[:12]}': {answer.status_code}")
                expect(
                    "<script>" not in answer.text or "not-a-number \x00 <script>" not in answer.text,
                    f"{target}: unescaped",
                )
                if answer.status_code == 400:
                    told = BeautifulSoup(answer.text, "html.parser").select(
                        "[role=alert], .field-error, .errorlist, h1"
                    )
                    expect(
                        told or answer.headers.get("Content-Type", "").startswith("application/json"),
                        f"{target}: 400 without words",
                    )
                sent += 1
    expect(sent > 60, f"only {sent} forms were sent on {len(done)} pages")
    return sent


_THINGS = """
from apps.content.models import Document, Source, Generation, ContentType
from apps.content.services.voices import create_voice
from apps.content.services.collections import create_collection
from apps.users.models import User, Workspace
from apps.users.models.capabilities import CAPABILITIES
from apps.users.selectors.access import Actor, capabilities_of
from apps.users.services.tokens import create_token
user = User.objects.get(email={email!r})
actor, room = Actor.for_user(user), Workspace.objects.get(slug="field-notes")
made, raw = create_token(actor=actor, name="proof", scopes=sorted(capabilities_of(actor) & set(CAPABILITIES)), workspace=room)
voice = create_voice(actor=actor, workspace=room, name="Proof", description="Plain words.")
collection = create_collection(actor=actor, workspace=room, name="Proof")
things = {{
    "document_id": {document!r}, "source_id": str(Source.objects.filter(workspace=room).first().pk), "workspace_id": str(room.pk),
    "voice_id": str(voice.pk), "collection_id": str(collection.pk), "content_type_id": str(ContentType.objects.first().pk),
    "number": "1", "user_id": str(user.pk),
}}
answer = [raw.reveal() if hasattr(raw, "reveal") else raw, things]
"""
