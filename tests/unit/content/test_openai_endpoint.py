"""The OpenAI-compatible endpoint: what it takes, what it refuses and by which name, what it bills."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import numpy
import orjson
import pytest
from asgiref.sync import sync_to_async

from aiwriter.core.errors import InvalidInput
from apps.backends.models import ModelCall
from apps.content.api import openai_wire as wire
from apps.content.api.openai_app import serve
from apps.monitoring.models import Budget
from apps.users.models import AuditEvent, User, Workspace
from tests.factories.backends import offline_profile, openai_profile, route
from tests.factories.users import make_token
from tests.fakes.provider import FakeProvider
from tests.people import People

SAY = [{"role": "user", "content": "Write about tides."}]


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeProvider]:
    """A provider that writes 20 words."""
    with FakeProvider(words=20) as running:
        yield running


@pytest.fixture
def key(transactional_db: None, fake: FakeProvider) -> str:
    """A token of wanda's for press that may call models, of a portal that has one."""
    people = People()
    fake.reset()
    route("write", openai_profile("Fake", fake.openai_url))
    route("embed", offline_profile())
    return make_token(people.wanda, "models.use", workspace=people.press)[1]


class Call:
    """One request to the ASGI app. `leave` closes the connection; `pieces` are the parts of the answer."""

    def __init__(self, path: str, body: Any = None, *, token: str = "", method: str = "POST") -> None:
        self.status, self.headers, self.pieces = 0, {}, []  # type: ignore[var-annotated]
        self.leave = asyncio.Event()
        self._sent = False
        self._body = body if isinstance(body, bytes) else orjson.dumps(body)
        headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
        self._scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": headers,
            "client": ("127.0.0.1", 5000),
        }

    async def run(self) -> Any:
        """Until its end; the answer as JSON where it is JSON."""
        await serve(self._scope, self._receive, self._send)
        data = b"".join(self.pieces)
        return orjson.loads(data) if self.headers.get(b"content-type") == b"application/json" else data

    async def _receive(self) -> dict[str, Any]:
        if not self._sent:
            self._sent = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        else:
            self.pieces.append(message["body"])


async def ask(path: str, body: Any = None, *, token: str = "", method: str = "POST") -> tuple[Call, Any]:
    """One request and its answer."""
    call = Call(path, body, token=token, method=method)
    return call, await call.run()


async def test_a_chat_is_answered_billed_and_audited(key: str):
    call, answer = await ask("/v1/chat/completions", {"model": "write", "messages": SAY}, token=key)
    assert call.status == 200
    assert len(answer["choices"][0]["message"]["content"].split()) == 20
    assert answer["usage"]["completion_tokens"] == 20
    assert call.headers[b"x-ratelimit-limit"]
    row = await ModelCall.objects.aget()
    assert (row.state, row.output_tokens, row.purpose) == ("succeeded", 20, "write")
    event = await AuditEvent.objects.aget(action="model.called")
    assert event.after["output_tokens"] == 20
    assert "tides" not in str(event.after)


async def test_a_stream_ends_with_usage_and_done(key: str):
    body = {"model": "write", "messages": SAY, "stream": True, "stream_options": {"include_usage": True}}
    _, data = await ask("/v1/chat/completions", body, token=key)
    lines = [line for line in data.decode().split("\n\n") if line]
    assert lines[-1] == "data: [DONE]"
    events = [orjson.loads(line[6:]) for line in lines[:-1]]
    assert events[0]["choices"][0]["delta"]["role"] == "assistant"
    assert events[-1]["usage"]["completion_tokens"] == 20
    assert all(event["usage"] is None for event in events[:-1])
    assert events[-2]["choices"][0]["finish_reason"] == "stop"


async def test_a_client_that_leaves_stops_the_provider_and_is_billed_what_came(key: str, fake: FakeProvider):
    fake.behave("*", words=500, tps=50)
    call = Call("/v1/chat/completions", {"model": "write", "messages": SAY, "stream": True}, token=key)
    running = asyncio.create_task(call.run())
    while len(call.pieces) < 3:
        await asyncio.sleep(0.02)
    call.leave.set()
    await running
    fake.wait(lambda log: log[-1]["cancelled"])
    row = await ModelCall.objects.aget()
    assert row.state == "stopped"
    assert 0 < row.output_tokens < 200
    assert (await AuditEvent.objects.aget(action="model.called")).after["end"] == "stopped"


async def test_a_budget_that_is_used_up_refuses_before_the_call(key: str, fake: FakeProvider):
    press = await Workspace.objects.aget(slug="press")
    await Budget.objects.acreate(scope="workspace", scope_id=press.pk, period="day", limit_tokens=1)
    call, answer = await ask("/v1/chat/completions", {"model": "write", "messages": SAY, "stream": True}, token=key)
    assert (call.status, answer["error"]["code"]) == (402, "insufficient_quota")
    assert fake.log(texts=True) == []


async def test_models_are_the_routes(key: str):
    _, listed = await ask("/v1/models", token=key, method="GET")
    assert [row["id"] for row in listed["data"]] == ["write", "embed"]
    call, one = await ask("/v1/models/write", token=key, method="GET")
    assert (call.status, one["id"]) == (200, "write")
    call, _ = await ask("/v1/models/other", token=key, method="GET")
    assert call.status == 404


async def test_vectors_come_as_numbers_or_base64(key: str):
    _, numbers = await ask("/v1/embeddings", {"model": "embed", "input": "tides"}, token=key)
    wish = {"model": "embed", "input": ["tides"], "encoding_format": "base64"}
    _, packed = await ask("/v1/embeddings", wish, token=key)
    plain = numbers["data"][0]["embedding"]
    unpacked = numpy.frombuffer(base64.b64decode(packed["data"][0]["embedding"]), dtype="<f4")
    assert numpy.allclose(plain, unpacked, atol=1e-6)


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "param"),
    [
        ("/v1/chat/completions", {"model": "gpt-9", "messages": SAY}, 404, "model_not_found", "model"),
        ("/v1/chat/completions", {"model": "embed", "messages": SAY}, 400, "invalid_value", "model"),
        ("/v1/embeddings", {"model": "write", "input": "x"}, 400, "invalid_value", "model"),
        ("/v1/chat/completions", b"{", 400, "invalid_value", None),
        ("/v1/chat/completions", b"[]", 400, "invalid_value", None),
        ("/v1/nothing", {}, 404, "not_found", None),
    ],
)
async def test_refusals_have_openais_shape(key: str, path: str, body: Any, status: int, code: str, param: str | None):
    call, answer = await ask(path, body, token=key)
    assert (call.status, answer["error"]["code"], answer["error"]["param"]) == (status, code, param)
    assert answer["error"]["message"]


async def test_who_may_not_is_told_so(key: str):
    for token, status, code in (("", 401, "invalid_api_key"), (f"{key}0", 401, "invalid_api_key")):
        call, answer = await ask("/v1/models", token=token, method="GET")
        assert (call.status, answer["error"]["code"]) == (status, code)
        assert call.headers[b"www-authenticate"] == b"Bearer"
    reading = await sync_to_async(lambda: make_token(_wanda(), "content.read")[1])()
    call, answer = await ask("/v1/models", token=reading, method="GET")
    assert (call.status, answer["error"]["code"]) == (403, "permission_denied")


def _wanda() -> Any:
    return User.objects.get(email__startswith="wanda")


async def test_the_token_of_another_workspace_finds_nothing_there(key: str):
    def stranger() -> str:
        people = People()
        return make_token(people.eve, "models.use")[1]

    token = await sync_to_async(stranger)()
    call = Call("/v1/models", token=token, method="GET")
    call._scope["headers"].append((b"x-workspace", b"press"))
    await call.run()
    assert call.status == 404


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"top_p": 0.5}, "top_p"),
        ({"logprobs": True}, "logprobs"),
        ({"temprature": 1}, "temprature"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": [""]}, "stop"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"seed": "x"}, "seed"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"messages": []}, "messages"),
        ({"messages": ["x"]}, "messages.0"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": None}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages.0.content"),
        ({"model": ""}, "model"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(more: dict[str, Any], field: str):
    with pytest.raises(InvalidInput) as refused:
        wire.chat_wish({"model": "write", "messages": SAY, **more})
    assert refused.value.details[0].field == field


def test_what_clients_send_by_habit_is_taken():
    wish = wire.chat_wish(
        {
            "model": "write",
            "messages": [
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "Write "}, {"type": "text", "text": "it."}]},
            ],
            "n": 1,
            "top_p": 1.0,
            "presence_penalty": 0,
            "tools": [],
            "user": "me",
            "max_completion_tokens": 50,
            "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
        }
    )
    assert [(m.role, m.content) for m in wish.request.messages] == [("system", "Be brief."), ("user", "Write it.")]
    assert wish.request.max_output == 50
    assert wish.request.json_schema == {"type": "object"}


@pytest.mark.parametrize("given", [None, "", [], [""], [1], [[1, 2]], {"a": 1}])
def test_input_that_is_no_text_is_refused(given: Any):
    with pytest.raises(InvalidInput) as refused:
        wire.embed_wish({"model": "embed", "input": given})
    assert refused.value.details[0].field == "input"
