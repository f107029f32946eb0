"""What is Gemini's alone: keys in headers, roles in turn, blocked prompts, quotas in the details of an error."""

from __future__ import annotations

import math

import pytest
from aiwriter_model_gemini.backend import GeminiBackend
from aiwriter_model_gemini.faults import Fault
from aiwriter_model_gemini.wire import generate_body

from aiwriter_sdk import (
    AuthFailed,
    ContextTooLong,
    EmbedRequest,
    Message,
    NotFound,
    QuotaExceeded,
    RateLimited,
    Refused,
    TimedOut,
    Usage,
)
from aiwriter_sdk.testing.wire import WireReply, WireRequest, WireServer
from tests.fakes.provider import FakeProvider
from tests.unit.plugins.calling import asking, begun, build, within, write, write_until_error
from tests.unit.plugins.wires import KEY, backend

_RPC = "type.googleapis.com/google.rpc."


def _error(code: int, word: str, message: str = "m", *details: dict[str, object]) -> dict[str, object]:
    return {"error": {"code": code, "message": message, "status": word, "details": list(details)}}


async def test_the_key_is_in_a_header_and_not_in_the_address() -> None:
    seen: list[WireRequest] = []

    def note(request: WireRequest) -> WireReply:
        seen.append(request)
        return WireReply.sse([{"candidates": [{"finishReason": "STOP", "content": {"parts": [{"text": "a"}]}}]}])

    with WireServer(note) as server:
        writer = build(GeminiBackend, {"base_url": f"{server.url}/v1beta"}, {"api_key": KEY})
        await write(writer, "../../evil?x=1#")
    assert seen[0].headers["x-goog-api-key"] == KEY
    assert KEY not in seen[0].path
    assert seen[0].path == "/v1beta/models/..%2F..%2Fevil%3Fx%3D1%23:streamGenerateContent?alt=sse"


def test_turns_of_one_role_become_one_and_system_texts_stand_apart() -> None:
    request = asking("m", Message(role="system", content="Be brief."), "one", "two", begun("three"))
    body = generate_body(request, without=frozenset())
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "one"}, {"text": "two"}]},
        {"role": "model", "parts": [{"text": "three"}]},
    ]
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}]}


async def test_thoughts_count_as_output(fake: FakeProvider) -> None:
    events = await write(backend("gemini", fake), "m:words=4,reasoning=3", "one two")
    assert Usage(input_tokens=2, output_tokens=7, reasoning_tokens=3) in events


@pytest.mark.parametrize(
    "events",
    [
        [{"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}],
        [{"candidates": [{"finishReason": "RECITATION", "content": {"role": "model"}}]}],
        [{"candidates": [{"finishReason": "OTHER"}]}],
    ],
)
async def test_a_block_before_the_first_word_is_a_refusal(events: list[dict[str, object]]) -> None:
    with WireServer(lambda request: WireReply.sse(events)) as server:
        _, error = await write_until_error(build(GeminiBackend, {"base_url": server.url}, {"api_key": KEY}), "m")
    assert isinstance(error, Refused)
    assert error.provider_code in ("PROHIBITED_CONTENT", "RECITATION", "OTHER")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, _error(400, "INVALID_ARGUMENT", "API key not valid.", {"reason": "API_KEY_INVALID"}), AuthFailed),
        (403, _error(403, "PERMISSION_DENIED"), AuthFailed),
        (404, _error(404, "NOT_FOUND"), NotFound),
        (400, [_error(400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed (8).")], ContextTooLong),
        (429, _error(429, "RESOURCE_EXHAUSTED"), RateLimited),
        (429, _error(429, "RESOURCE_EXHAUSTED", "m", {"violations": [{"quotaId": "RequestsPerDayPerModel"}]}), QuotaExceeded),
        (429, _error(429, "RESOURCE_EXHAUSTED", "m", {"violations": [{"quotaValue": "0"}]}), QuotaExceeded),
        (504, _error(504, "DEADLINE_EXCEEDED"), TimedOut),
    ],
)  # fmt: skip
def test_errors_have_their_meaning(status: int, body: object, kind: type[Exception]) -> None:
    assert type(Fault.read(status, body).error()) is kind


def test_the_wait_stands_in_the_details() -> None:
    body = _error(429, "RESOURCE_EXHAUSTED", "m", {"@type": f"{_RPC}RetryInfo", "retryDelay": "37.5s"})
    error = Fault.read(429, body).error(headers={"Retry-After": "3"})
    assert isinstance(error, RateLimited)
    assert error.retry_after == 37.5


async def test_vectors_have_length_one_and_the_purpose_is_sent(fake: FakeProvider) -> None:
    embedder = backend("gemini", fake, dimensions=128)
    texts = [f"text {n}" for n in range(130)]
    result = await embedder.embed(EmbedRequest(model="models/e", texts=texts, purpose="query"), control=within())
    assert (len(result.vectors), result.dimensions) == (130, 128)
    assert all(math.isclose(sum(v * v for v in vector), 1, rel_tol=1e-6) for vector in result.vectors)
    bodies = [entry["body"]["requests"] for entry in fake.log(texts=True)]
    assert [len(body) for body in bodies] == [100, 30]
    assert {entry["taskType"] for entry in bodies[0]} == {"RETRIEVAL_QUERY"}


async def test_tokens_are_counted_by_the_provider(fake: FakeProvider) -> None:
    request = asking("m", Message(role="system", content="be brief"), "one two three")
    assert await backend("gemini", fake).count_tokens(request, control=within()) == 5


async def test_long_lists_of_models_are_read_page_by_page() -> None:
    def pages(request: WireRequest) -> WireReply:
        second = "pageToken=two%2F" in request.path
        entry = {"name": f"models/{'b' if second else 'a'}", "supportedGenerationMethods": ["generateContent"]}
        other = {"name": "models/imagen", "supportedGenerationMethods": ["predict"]}
        return WireReply.json({"models": [entry, other], **({} if second else {"nextPageToken": "two/"})})

    with WireServer(pages) as server:
        models = await build(GeminiBackend, {"base_url": server.url}, {"api_key": KEY}).models(control=within())
    assert [info.id for info in models] == ["a", "b"]
