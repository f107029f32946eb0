"""Schemathesis asks the API everything that its description allows and more, as each role: no surprise, no 5xx.

One run per role against a running portal. Every status must be documented for its operation, every body must be of the
described type, and nothing may answer with 5xx. SECONDS_A_ROLE bounds each run (default 60), ROLES chooses some,
SEED repeats one.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx2

from tests.lab.portal import Portal
from tests.proofs import expect

ROLES = ("anonymous", "writer", "editor", "operator", "auditor", "admin", "reader")
_CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance"
_PEOPLE = """
from apps.users.models import Workspace
from apps.users.models.capabilities import CAPABILITIES
from apps.users.selectors.access import Actor, capabilities_of
from apps.users.services.people import create_user
from apps.users.services.roles import grant_role
from apps.users.services.tokens import create_token
from apps.users.services.workspaces import add_member
from apps.content.services.documents import create_document
system = Actor.system_actor("proof")
press = Workspace.objects.order_by("created_at").first()
answer = {}
for role in ("writer", "editor", "operator", "auditor", "admin", "reader"):
    user = create_user(actor=system, email=f"{role}@example.org", full_name=role, password="four plain words here")
    if role in ("writer", "editor", "reader"):
        add_member(actor=system, workspace=press, user=user, role="editor" if role == "editor" else "writer")
    else:
        grant_role(actor=system, user=user, role=role, reason="proof")
    own = Actor.for_user(user)
    scopes = ["content.read", "sources.read"] if role == "reader" else sorted(capabilities_of(own))
    made, secret = create_token(
        actor=own, name="fuzz", scopes=scopes, workspace=press if role == "reader" else None
    )
    answer[role] = secret.reveal()
for number in range(3):
    create_document(actor=system, workspace=press, title=f"Text {number}", body_markdown="# One\\n\\nTwo.")
"""


# One thing of each kind, made anew for each role, so that requests reach it: parameter, address, body.
_THINGS: list[tuple[str, str, dict[str, object]]] = [
    (
        "document_id",
        "/content",
        {"title": "Tides", "body_markdown": "# Tides\n\nThe spring tide rises by four metres at new moon.\n"},
    ),
    ("collection_id", "/collections", {"name": "Sea {n}"}),
    ("tag_id", "/tags", {"name": "sea {n}"}),
    ("voice_id", "/voices", {"name": "Plain {n}"}),
    ("source_id", "/sources/text", {"title": "Almanac {n}", "text": "The spring tide {n} is large."}),
    (
        "webhook_id",
        "/webhooks",
        {"name": "Hook {n}", "url": "https://example.org/hook", "events": ["document.published"]},
    ),
    ("generation_id", "/generate/title", {"topic": "Tides"}),
    ("export_id", "/exports", {"document_ids": ["{document_id}"], "format": "md"}),
    ("thread_id", "/content/{document_id}/comments", {"body": "Which tide?"}),
    ("link_id", "/content/{document_id}/share-links", {}),
    ("review_id", "/content/{document_id}/reviews", {"reviewers": ["writer@example.org"]}),
    ("check_id", "/content/{document_id}/claim-checks", {}),
    ("action_id", "/prompt-actions", {"name": "Calmer {n}", "template": "Write it calmer: {selection}"}),
    ("content_type_id", "/templates", {"name": "Note {n}", "instructions": "Write a short note."}),
]


def prove() -> str:
    """Fuzz as each role."""
    seconds, seed = int(os.environ.get("SECONDS_A_ROLE", "60")), os.environ.get("SEED", "1")
    chosen = os.environ.get("ROLES", ",".join(ROLES)).split(",")
    limits = {"AIWRITER_API_TOKEN_RATE": "0", "AIWRITER_API_USER_RATE": "0"}
    shown, broken = [], []
    with Portal(limits) as portal:
        tokens = {"anonymous": "", **portal.shell(_PEOPLE)}
        for number, role in enumerate(chosen):
            things = _make(portal, tokens["editor"], number)
            count = 0
            for removing in (False, True):
                within = 10 if removing else seconds
                some, output = _run(portal, tokens[role], things, seed, seconds=within, removing=removing)
                if not some and "Time limit reached" in output:
                    # Getting ready counts too, and takes half a minute where others use the machine.
                    some, output = _run(portal, tokens[role], things, seed, seconds=within * 4, removing=removing)
                expect(some > 0, f"{role}: nothing was asked\n{output[-3000:]}")
                count += some
                if "= FAILURES =" in output or "= ERRORS =" in output:
                    broken.append(f"{role} (SEED={seed}):\n{_failures(output)}")
            shown.append(f"{role} {count}")
            print(f"  {shown[-1]} requests about {len(things)} kinds of things", flush=True)
        alive = httpx2.get(f"{portal.url}/livez", trust_env=False).status_code
        expect(alive == 200, "the portal does not live any more")
    expect(not broken, "\n\n".join(broken))
    return f"{len(chosen)} roles, no undocumented status and no 5xx: {', '.join(shown)} requests"


def _make(portal: Portal, token: str, number: int) -> dict[str, str]:
    made: dict[str, str] = {}
    with portal.api(token) as api:
        made["workspace_id"] = api.get("/workspaces").json()["data"][0]["id"]
        made["member_id"] = api.get(f"/workspaces/{made['workspace_id']}/members").json()["data"][0]["id"]
        for name, path, body in _THINGS:
            known = {"{n}": str(number), "{document_id}": made.get("document_id", "")}
            text = json.dumps(body)
            for mark, value in known.items():
                text, path = text.replace(mark, value), path.replace(mark, value)
            if name == "check_id":
                # Claims are checked against sources that have been read.
                _until_read(api, made["source_id"])
            answer = api.post(path, content=text, headers={"Content-Type": "application/json"})
            expect(answer.status_code < 300, f"POST {path}: {answer.status_code} {answer.text}")
            made[name] = answer.json()["id"]
    return made


def _until_read(api: httpx2.Client, source_id: str) -> None:
    for _ in range(300):
        if api.get(f"/sources/{source_id}").json()["state"] == "ready":
            return
        time.sleep(0.2)
    expect(False, "the source was not read within 60 s")


def _description(portal: Portal, folder: Path) -> Path:
    """What the portal says of its API, asked once: on a busy machine it takes longer than a role has."""
    file = folder / "openapi.json"
    if not file.exists():
        # As JSON: reading it as YAML takes half a minute.
        as_json = {"Accept": "application/vnd.oai.openapi+json"}
        answer = httpx2.get(f"{portal.url}/api/v1/schema", headers=as_json, trust_env=False, timeout=180)
        expect(answer.status_code == 200, f"the description of the API: {answer.status_code}")
        file.write_text(answer.text, encoding="utf-8")
    return file


def _failures(output: str) -> str:
    begin = min(at for at in (output.find("= FAILURES ="), output.find("= ERRORS =")) if at >= 0)
    end = output.find("= WARNINGS =", begin)
    return output[begin : end if end > 0 else len(output)][:8000]


def _run(
    portal: Portal, token: str, things: dict[str, str], seed: str, *, seconds: int, removing: bool
) -> tuple[int, str]:
    """Fuzz once; the number of requests and what schemathesis printed."""
    report = portal.folder / "fuzz"
    report.mkdir(exist_ok=True)
    config = report / "schemathesis.toml"
    lines = [f'"path.{name}" = "{value}"' for name, value in {**things, "number": "1"}.items()]
    config.write_text("[parameters]\n" + "\n".join(lines).replace('"path.number" = "1"', '"path.number" = 1') + "\n")
    command = [
        str(Path(sys.executable).parent / "schemathesis"),
        f"--config-file={config}",
        "run",
        str(_description(portal, report)),
        f"--url={portal.url}",
        f"--checks={_CHECKS}",
        # The description has no examples; looking for them would take a part of the time.
        "--phases=coverage,fuzzing",
        f"--max-examples={3 if removing else 15}",
        # One: with two threads Python 3.11 loses count of its depth while Hypothesis reads source ("AST constructor recursion").
        "--workers=1",
        f"--max-time={seconds}",
        "--request-timeout=30",
        f"--seed={seed}",
        "--no-color",
        # What is removed is gone for all requests after it, so removing comes last.
        f"--{'include' if removing else 'exclude'}-method=DELETE",
        # Streams are proven elsewhere; who takes away the own token or the own membership, or closes the portal for
        # maintenance (503 for everybody then, as asked), ends the run.
        "--exclude-path-regex=/events$|/tokens|/api-keys|/local-servers|/members/|/backups/maintenance$",
        f"--report-dir={report}",
    ]
    if token:
        command.append(f"--header=Authorization: Bearer {token}")
    done = subprocess.run(command, cwd=report, capture_output=True, text=True, check=False, timeout=seconds * 4 + 120)
    output = done.stdout + done.stderr
    found = re.findall(r"(\d[\d,]*) generated", output)
    return (int(found[-1].replace(",", "")) if found else 0), output
