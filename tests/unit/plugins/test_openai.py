"""What is OpenAI's alone: dialects, embeddings, faults in their many shapes, addresses."""

from __future__ import annotations

import math

import pytest
from aiwriter_model_openai.backend import OpenAIBackend
from aiwriter_model_openai.faults import Fault
from aiwriter_model_openai.wire import Dialect

from aiwriter_sdk import ConfigInvalid, ContextTooLong, EmbedRequest, NotFound, QuotaExceeded, RateLimited, Refused
from aiwriter_sdk.testing.wire import WireReply, WireRequest, WireServer
from tests.fakes.provider import FakeProvider
from tests.unit.plugins.calling import begun, build, text_of, within, write, write_until_error
from tests.unit.plugins.wires import backend


@pytest.mark.parametrize("field", ["stream_options", "max_tokens"])
async def test_a_field_that_the_server_refuses_is_asked_without_once(fake: FakeProvider, field: str) -> None:
    writer = backend("openai", fake)
    fake.behave("m", words=5, refuse_field=field)
    for _ in range(2):
        assert text_of(await write(writer, "m", max_output=4)) == "w000001 w000002 w000003 w000004"
    assert [entry["status"] for entry in fake.log(texts=True)] == [400, 200, 200]
    last = fake.log(texts=True)[-1]["body"]
    assert field not in last
    assert last.get("max_tokens", last.get("max_completion_tokens")) == 4


async def test_a_field_named_by_the_operator_is_not_exchanged(fake: FakeProvider) -> None:
    fake.behave("m", refuse_field="max_tokens")
    _, error = await write_until_error(backend("openai", fake, max_tokens_field="max_tokens"), "m", max_output=4)
    assert error is not None
    assert "max_tokens" in error.message
    assert len(fake.log(texts=True)) == 1


def test_refusals_about_the_content_change_no_dialect() -> None:
    for fault in (
        Fault(400, code="context_length_exceeded", words="max_tokens is too large: 9000"),
        Fault(429, words="Unsupported parameter: max_tokens"),
        Fault(400, words="Invalid schema"),
    ):
        assert Dialect().adjusted(fault) is None


async def test_a_server_that_does_not_stream_is_understood(fake: FakeProvider) -> None:
    events = await write(backend("openai", fake), "m:words=3,stream=0", "one two")
    assert text_of(events) == "w000001 w000002 w000003"
    assert len(events) == 4


async def test_a_stream_without_its_done_is_complete_after_a_finish_reason(fake: FakeProvider) -> None:
    assert text_of(await write(backend("openai", fake), "m:words=3,done=0")) == "w000001 w000002 w000003"


@pytest.mark.parametrize(
    ("style", "last", "flags"),
    [("instruction", "user", False), ("prefill", "assistant", False), ("vllm", "assistant", True)],
)
async def test_begun_text_is_sent_in_the_style_of_the_server(
    fake: FakeProvider, style: str, last: str, flags: bool
) -> None:
    events = await write(backend("openai", fake, continuation=style), "m:words=4", "q", begun("w000001 w000002"))
    assert text_of(events) == " w000003 w000004"
    body = fake.log(texts=True)[-1]["body"]
    assert body["messages"][-1]["role"] == last
    assert body.get("continue_final_message", False) is flags
    assert body.get("add_generation_prompt", True) is not flags


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, {"error": {"message": "m", "type": "insufficient_quota", "code": "insufficient_quota"}}, QuotaExceeded),
        (429, {"error": {"message": "m", "code": "rate_limit_exceeded"}}, RateLimited),
        (400, {"error": {"message": "m", "code": "content_filter"}}, Refused),
        (400, {"error": {"message": "m", "type": "exceed_context_size_error", "code": 400}}, ContextTooLong),
        (400, {"object": "error", "message": "This model's maximum context length is 4096 tokens.", "code": 400}, ContextTooLong),
        (404, {"error": "model 'llama9' not found, try pulling it first"}, NotFound),
        (404, {"detail": "Not Found"}, NotFound),
        (404, "not json", NotFound),
    ],
)  # fmt: skip
def test_errors_are_read_in_every_shape_in_use(status: int, body: object, kind: type[Exception]) -> None:
    assert type(Fault.read(status, body).error()) is kind


async def test_a_server_that_repeats_the_request_does_not_make_us_repeat_it() -> None:
    def echo(request: WireRequest) -> WireReply:
        return WireReply.json({"detail": [{"msg": "Extra inputs", "input": request.text()}]}, status=400)

    with WireServer(echo) as server:
        writer = build(OpenAIBackend, {"base_url": server.url})
        _, error = await write_until_error(writer, "m", "The murderer is the gardener, and nobody knows it yet.")
    assert error is not None
    assert "gardener" not in f"{error!r} {vars(error)}"


async def test_embeddings_are_put_in_order_and_split_into_batches(fake: FakeProvider) -> None:
    embedder = backend("openai", fake)
    texts = [f"text {n}" for n in range(150)] + [""]
    result = await embedder.embed(EmbedRequest(model="e", texts=texts), control=within())
    alone = await embedder.embed(EmbedRequest(model="e", texts=texts[70:71]), control=within())
    assert result.vectors[70] == alone.vectors[0]
    assert len(result.vectors) == 151
    assert result.dimensions == 64
    assert math.isclose(sum(v * v for v in result.vectors[0]), 1, rel_tol=1e-3)
    assert len(fake.log(texts=True)) == 4


async def test_prefixes_are_put_before_texts_and_change_the_fingerprint(fake: FakeProvider) -> None:
    plain, prefixed = backend("openai", fake), backend("openai", fake, query_prefix="search_query:")
    query = EmbedRequest(model="e", texts=["harbour"], purpose="query")
    one, two = await plain.embed(query, control=within()), await prefixed.embed(query, control=within())
    assert fake.log(texts=True)[-1]["body"]["input"] == ["search_query: harbour"]
    assert one.fingerprint != two.fingerprint
    assert one.fingerprint == (await plain.embed(query, control=within())).fingerprint


async def test_dimensions_that_the_server_ignores_are_named() -> None:
    def stubborn(request: WireRequest) -> WireReply:
        return WireReply.json({"data": [{"index": 0, "embedding": [1.0, 0.0]}]})

    with WireServer(stubborn) as server:
        embedder = build(OpenAIBackend, {"base_url": server.url, "dimensions": 256})
        with pytest.raises(ConfigInvalid) as caught:
            await embedder.embed(EmbedRequest(model="e", texts=["a"]), control=within())
    assert caught.value.field == "dimensions"


async def test_account_headers_and_the_request_id_are_sent(fake: FakeProvider) -> None:
    writer = backend("openai", fake, organisation="org-1", project="proj_1")
    await write(writer, "m:words=1", request_id="attempt-7")
    headers = fake.log(texts=True)[-1]["headers"]
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-1", "proj_1")
    assert headers["x-client-request-id"] == "attempt-7"


async def test_a_local_server_needs_no_key_and_gets_no_header() -> None:
    seen: list[WireRequest] = []

    def note(request: WireRequest) -> WireReply:
        seen.append(request)
        return WireReply.json({"data": [{"id": "llama3:8b", "max_model_len": 8192}]})

    with WireServer(note) as server:
        models = await build(OpenAIBackend, {"base_url": f"{server.url}/v1/chat/completions"}).models(control=within())
    assert (seen[0].path, "authorization" in seen[0].headers) == ("/v1/models", False)
    assert models[0].context_window == 8192


async def test_health_warns_of_a_model_that_is_not_there(fake: FakeProvider) -> None:
    health = await backend("openai", fake, default_model="absent").health(control=within())
    assert health.status == "warn"
    assert "absent" in health.detail


async def test_a_request_without_a_model_takes_the_default_or_asks_for_one(fake: FakeProvider) -> None:
    assert text_of(await write(backend("openai", fake, default_model="m:words=1"), "")) == "w000001"
    _, error = await write_until_error(backend("openai", fake), "")
    assert isinstance(error, ConfigInvalid)
    assert error.field == "default_model"


def test_openais_own_prices_and_field_hold_at_its_own_address_only() -> None:
    real, other = (
        build(OpenAIBackend, {"base_url": url}) for url in ("https://api.openai.com/v1", "http://127.0.0.1:1")
    )
    assert real._known_price("gpt-4o-mini-2024-07-18") is not None
    assert other._known_price("gpt-4o-mini") is None
    assert real._dialect("m").limit == "max_completion_tokens"
    assert other._dialect("m").limit == "max_tokens"
