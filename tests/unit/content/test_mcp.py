"""The MCP server: the protocol's edges, and what a token lets an assistant do."""

from __future__ import annotations

from typing import Any

import pytest

from apps.content.api.mcp_tools import TOOLS, schema_of
from apps.content.models import Document
from apps.users.models import AuditEvent
from tests.factories.content import DocumentFactory
from tests.factories.users import make_token
from tests.people import People

URL = "/mcp"
ALL = ("content.read", "content.write", "sources.read")


@pytest.fixture
def assistant(api: Any, people: People) -> Any:
    """A client with a token of wanda's for press."""
    return api(token=make_token(people.wanda, *ALL, workspace=people.press)[1])


def send(client: Any, method: str, params: Any = None, **headers: str) -> Any:
    """One message with an id."""
    body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params or {}}
    return client.post(URL, body, format="json", headers=headers)


def use(client: Any, tool: str, **arguments: Any) -> Any:
    """The result of one tool."""
    return send(client, "tools/call", {"name": tool, "arguments": arguments}).json()["result"]


def test_the_handshake_names_a_version_that_both_know(assistant: Any):
    for asked, told in (("2025-06-18", "2025-06-18"), ("1999-01-01", "2025-11-25"), (None, "2025-11-25")):
        answer = send(assistant, "initialize", {"protocolVersion": asked}).json()
        assert answer["id"] == 7
        assert answer["result"]["protocolVersion"] == told
        assert "tools" in answer["result"]["capabilities"]


def test_notifications_are_taken_in_silence(assistant: Any):
    answer = assistant.post(URL, {"jsonrpc": "2.0", "method": "notifications/initialized"}, format="json")
    assert (answer.status_code, answer.content) == (202, b"")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("{", 400, -32700),
        ("[]", 400, -32600),
        ('{"id": 1, "method": "ping"}', 400, -32600),
        ('{"jsonrpc": "2.0", "id": [], "method": "ping"}', 400, -32600),
        ('{"jsonrpc": "2.0", "id": 1, "method": "no/such"}', 404, -32601),
        ('{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": [1]}', 200, -32602),
        ('{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "rm"}}', 200, -32602),
    ],
)
def test_wrong_messages_get_the_protocols_errors(assistant: Any, body: str, status: int, code: int):
    answer = assistant.generic("POST", URL, body, content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_versions_that_are_not_known_or_disagree_are_refused(assistant: Any):
    unknown = send(assistant, "ping", **{"MCP-Protocol-Version": "2031-01-01"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (400, -32022)
    meta = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}
    disagreeing = send(assistant, "ping", meta, **{"MCP-Protocol-Version": "2025-11-25"})
    assert (disagreeing.status_code, disagreeing.json()["error"]["code"]) == (400, -32020)
    agreed = send(assistant, "ping", meta, **{"MCP-Protocol-Version": "2026-07-28"})
    assert agreed.json()["result"] == {"resultType": "complete"}


def test_a_page_of_another_origin_is_refused_and_our_own_is_not(assistant: Any):
    assert send(assistant, "ping", Origin="https://evil.example").status_code == 403
    assert send(assistant, "ping", Origin="http://testserver").status_code == 200


def test_sessions_and_tokens_without_a_workspace_open_nothing(api: Any, people: People):
    assert send(api("wanda"), "ping").status_code == 401
    loose = api(token=make_token(people.wanda, *ALL)[1])
    assert send(loose, "ping").status_code == 403


def test_tools_are_those_that_the_token_allows(api: Any, people: People):
    reading = api(token=make_token(people.wanda, "content.read", workspace=people.press)[1])
    names = [tool["name"] for tool in send(reading, "tools/list").json()["result"]["tools"]]
    assert names == ["list_documents", "read_document"]
    refused = use(reading, "create_draft", title="No", body_markdown="No")
    assert refused["isError"]
    assert "content.write" in refused["content"][0]["text"]
    assert not Document.objects.exists()
    event = AuditEvent.objects.get(action="tool.called")
    assert (event.outcome, event.after) == ("denied", {"tool": "create_draft"})


def test_a_draft_is_made_found_and_read_in_parts(assistant: Any, people: People):
    made = use(assistant, "create_draft", title="Tides", body_markdown="One two three four.")["structuredContent"]
    document = Document.objects.get(pk=made["document_id"])
    assert (document.workspace, document.owner) == (people.press, people.wanda)
    listed = use(assistant, "list_documents", q="tides")["structuredContent"]
    assert [row["id"] for row in listed["documents"]] == [made["document_id"]]
    part = use(assistant, "read_document", document_id=made["document_id"], start=4, length=3)["structuredContent"]
    assert (part["text"], part["more"]) == ("two", True)


def test_nothing_of_another_workspace_is_there(assistant: Any, people: People):
    hidden = DocumentFactory(actor=people.actor("eve"), workspace=people.rival)
    refused = use(assistant, "read_document", document_id=str(hidden.pk))
    assert refused["isError"]
    assert "no such document" in refused["content"][0]["text"]
    assert use(assistant, "list_documents")["structuredContent"]["documents"] == []


def test_wrong_arguments_are_told_by_name(assistant: Any):
    refused = use(assistant, "create_draft", titel="x", body_markdown="y")
    assert refused["isError"]
    assert "titel" in refused["content"][0]["text"]


def test_every_tool_describes_its_arguments():
    for tool in TOOLS.values():
        schema = schema_of(tool.arguments)
        assert set(schema["properties"]) == set(tool.arguments().fields)
        assert schema["additionalProperties"] is False
        assert tool.description.endswith(".")
