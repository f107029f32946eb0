"""The official `mcp` client works with sources and documents under a token, and gets no further than it.

It connects in both ways of the protocol, lists the tools, calls each; a token that may only read cannot write, nothing of
another workspace is there for it, and a page of another origin is refused.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from tests.lab.models import writer_token
from tests.lab.portal import Portal
from tests.proofs import expect

_TEXT = (
    "# Tides\n\nThe spring tide is the tide of greatest range and comes about two days after the full moon.\n\n"
    "The neap tide has the smallest range and comes after the quarter moons."
)
_OTHER = """
from django.contrib.auth import get_user_model
from apps.users.selectors.access import Actor
from apps.users.services.workspaces import create_workspace, add_member
from apps.content.services.documents import create_document
system = Actor.system_actor("proof")
place = create_workspace(actor=system, name="Elsewhere")
answer = str(create_document(actor=system, workspace=place, title="Secret plan", body_markdown="Hidden").pk)
"""


def prove() -> str:
    """Connect, call, be refused."""
    with Portal() as portal:
        token = writer_token(portal)
        reader = writer_token(portal, only=("content.read", "sources.read"))
        elsewhere = portal.shell(_OTHER)
        with portal.api(token) as api:
            source = api.post("/sources/text", json={"title": "Almanac", "text": _TEXT}).json()
            for _ in range(100):
                if api.get(f"/sources/{source['id']}").json()["state"] == "ready":
                    break
                asyncio.run(asyncio.sleep(0.3))
        url = f"{portal.url}/mcp"
        called = [asyncio.run(_work(url, token, mode, elsewhere)) for mode in ("legacy", "auto")]
        asyncio.run(_read_only(url, reader))
        _at_the_door(url, token)
        audited = portal.shell(
            "from apps.users.models import AuditEvent\nanswer = AuditEvent.objects.filter(action='tool.called').count()"
        )
    expect(audited == sum(calls for _, calls in called) + 1, f"{audited} calls stand in the audit")
    versions = " and ".join(version for version, _ in called)
    return f"protocol {versions}; {called[0][1]} calls each; 7 refusals; {audited} calls in the audit"


def _client(url: str, token: str, mode: str) -> Client:
    http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60, trust_env=False)
    return Client(streamable_http_client(url, http_client=http), mode=mode)


async def _work(url: str, token: str, mode: str, elsewhere: str) -> tuple[str, int]:
    async with _client(url, token, mode) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        expect(
            {"search_sources", "read_passage", "list_documents", "read_document", "create_draft"} <= set(names), names
        )
        found = await _call(client, "search_sources", query="When is the spring tide?")
        passage = found["passages"][0]
        expect("full moon" in passage["text"], f"found {passage['text'][:80]}")
        read = await _call(client, "read_passage", chunk_id=passage["chunk_id"])
        expect(read["text"] == passage["text"] and read["title"] == "Almanac", f"read {read}")
        made = await _call(client, "create_draft", title=f"Springs {mode}", body_markdown="# Springs\n\nBig tides.")
        listed = await _call(client, "list_documents", q=f"springs {mode}")
        expect([row["id"] for row in listed["documents"]] == [made["document_id"]], f"listed {listed}")
        document = await _call(client, "read_document", document_id=made["document_id"])
        expect(document["text"].startswith("# Springs"), f"read {document}")
        calls = 5
        for name, arguments, words in (
            ("read_document", {"document_id": elsewhere}, "no such document"),
            ("search_sources", {"query": "x", "limit": 900}, "limit"),
        ):
            refused = await client.call_tool(name, arguments)
            expect(refused.is_error and words in _text(refused), f"{name}: {_text(refused)}")
            calls += 1
        return client.protocol_version, calls


async def _read_only(url: str, token: str) -> None:
    async with _client(url, token, "legacy") as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        expect("create_draft" not in names and "read_document" in names, f"a reading token is shown {names}")
        refused = await client.call_tool("create_draft", {"title": "No", "body_markdown": "No"})
        expect(refused.is_error and "content.write" in _text(refused), f"writing: {_text(refused)}")


def _at_the_door(url: str, token: str) -> None:
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    key = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(trust_env=False) as http:
        for what, headers, status in (
            ("nobody", {}, 401),
            ("a wrong token", {"Authorization": f"Bearer {token[:-4]}0000"}, 401),
            ("another origin", {**key, "Origin": "https://evil.example"}, 403),
            ("our own", key, 200),
        ):
            seen = http.post(url, json=ping, headers=headers).status_code
            expect(seen == status, f"{what} got {seen}")
        expect(http.get(url, headers=key).status_code == 405, "GET is open")


async def _call(client: Client, name: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(name, arguments)
    expect(not result.is_error, f"{name}: {_text(result)}")
    content: dict[str, Any] = result.structured_content or {}
    return content


def _text(result: Any) -> str:
    return " ".join(getattr(part, "text", "") for part in result.content)
