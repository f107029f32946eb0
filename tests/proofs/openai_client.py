"""The official `openai` package talks to the portal as to OpenAI: chat, stream, models, embeddings, refusals, cancel.

What comes is billed to the workspace's budget and written into the audit; a client that goes stops the provider.
"""

from __future__ import annotations

import time
from typing import Any

import openai

from tests.fakes.provider import FakeProvider
from tests.fakes.text import words
from tests.lab.models import connect_models, writer_token
from tests.lab.portal import Portal
from tests.proofs import expect

WORDS = 120
_ASK: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Write about tides."}]


def prove() -> str:
    """Call everything once as a program would."""
    with FakeProvider(process=True, words=WORDS, tps=400) as fake, Portal() as portal:
        steps = [{"name": "Fake", "base_url": fake.openai_url, "model": "fake-large"}]
        connect_models(portal, steps, purposes=("write", "small"))
        token = writer_token(portal, "models.use")
        client = openai.OpenAI(base_url=f"{portal.url}/v1", api_key=token, max_retries=0)
        names = [model.id for model in client.models.list()]
        expect({"write", "small", "embed"} <= set(names), f"the models are {names}")
        expect(client.models.retrieve("write").id == "write", "one model was not found by its name")
        whole = _chat(client)
        first_ms, chunks = _stream(client)
        _limits(client)
        vectors = client.embeddings.create(model="embed", input=["tides", "bread"]).data
        expect([row.index for row in vectors] == [0, 1] and len(vectors[0].embedding) > 100, "the vectors are wrong")
        billed = _cancel(client, fake, portal)
        refused = _refusals(client, portal, token)
        audited = portal.shell(
            "from apps.users.models import AuditEvent\n"
            "answer = AuditEvent.objects.filter(action='model.called').count()"
        )
    expect(audited == 8, f"{audited} calls stand in the audit instead of 8, two refused by the budget among them")
    return (
        f"{len(names)} models; a chat of {whole} tokens; a stream of {chunks} chunks, the first after {first_ms:.0f} ms; "
        f"{len(vectors)} vectors of {len(vectors[0].embedding)}; a client that left was billed {billed} of {WORDS} tokens; "
        f"{refused} refusals in OpenAI's shape; {audited} calls in the audit"
    )


def _chat(client: openai.OpenAI) -> int:
    answer = client.chat.completions.create(model="write", messages=_ASK, temperature=0.2)
    text = answer.choices[0].message.content or ""
    expect(text.split() == "".join(words("numbers", WORDS)).split(), f"the text differs: {text[:80]}")
    expect(answer.choices[0].finish_reason == "stop", f"it ended as {answer.choices[0].finish_reason}")
    expect(answer.model == "fake-large", f"the answering model is named {answer.model}")
    expect(answer.usage is not None and answer.usage.completion_tokens == WORDS, f"usage {answer.usage}")
    return answer.usage.total_tokens if answer.usage else 0


def _stream(client: openai.OpenAI) -> tuple[float, int]:
    begun, first, text, chunks, usage, finish = time.monotonic(), 0.0, "", 0, None, ""
    options: Any = {"include_usage": True}
    for chunk in client.chat.completions.create(model="write", messages=_ASK, stream=True, stream_options=options):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            chunks += 1
            finish = choice.finish_reason or finish
            if choice.delta.content:
                first = first or (time.monotonic() - begun) * 1000
                text += choice.delta.content
    expect(text.split() == "".join(words("numbers", WORDS)).split(), "the streamed text differs")
    expect(finish == "stop" and usage is not None and usage.completion_tokens == WORDS, f"{finish}, {usage}")
    return first, chunks


def _limits(client: openai.OpenAI) -> None:
    cut = client.chat.completions.create(model="small", messages=_ASK, max_tokens=10).choices[0]
    expect(cut.finish_reason == "length" and len((cut.message.content or "").split()) == 10, f"max_tokens: {cut}")
    stop = "".join(words("numbers", 20)).split()[12]
    ended = client.chat.completions.create(model="small", messages=_ASK, stop=[stop]).choices[0]
    expect(ended.finish_reason == "stop" and stop not in (ended.message.content or ""), f"stop: {ended}")


def _cancel(client: openai.OpenAI, fake: FakeProvider, portal: Portal) -> int:
    fake.behave("*", words=WORDS, tps=20)
    stream = client.chat.completions.create(model="write", messages=_ASK, stream=True)
    for count, _ in enumerate(stream):
        if count == 10:
            break
    stream.close()
    left = time.monotonic()
    entry = fake.wait(lambda log: bool(log) and bool(log[-1]["cancelled"]), seconds=5)[-1]
    expect(time.monotonic() - left < 2, "the provider wrote on for more than 2 s")
    expect(entry["tokens_sent"] < WORDS / 2, f"{entry['tokens_sent']} tokens were written for nobody")
    fake.behave("*", words=WORDS, tps=400)
    for _ in range(30):
        call = portal.shell(
            "from apps.backends.models import ModelCall\n"
            "c = ModelCall.objects.order_by('-id').first()\n"
            "answer = [c.state, c.output_tokens]"
        )
        if call[0] != "running":
            break
    expect(call[0] == "stopped" and 5 <= call[1] <= WORDS, f"the call was settled as {call}")
    billed: int = call[1]
    return billed


def _refusals(client: openai.OpenAI, portal: Portal, token: str) -> int:
    wrong = openai.OpenAI(base_url=f"{portal.url}/v1", api_key=token[:-4] + "0000", max_retries=0)
    unscoped = openai.OpenAI(base_url=f"{portal.url}/v1", api_key=writer_token(portal), max_retries=0)
    tool: Any = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
    cases: list[tuple[str, Any, int, str | None]] = [
        ("wrong key", lambda: wrong.models.list(), 401, "invalid_api_key"),
        ("no scope", lambda: unscoped.models.list(), 403, "permission_denied"),
        ("unknown model", lambda: client.chat.completions.create(model="gpt-9", messages=_ASK), 404, "model_not_found"),
        (
            "tools",
            lambda: client.chat.completions.create(model="write", messages=_ASK, tools=tool),
            400,
            "invalid_value",
        ),
        ("n", lambda: client.chat.completions.create(model="write", messages=_ASK, n=2), 400, "invalid_value"),
        ("no messages", lambda: client.chat.completions.create(model="write", messages=[]), 400, "invalid_value"),
    ]
    for what, call, status, code in cases:
        _refused(what, call, status, code)
    portal.shell(
        "from apps.users.models import ApiToken\n"
        "from apps.monitoring.models import Budget\n"
        f"token = ApiToken.objects.get(key_id={token.split('_')[1]!r})\n"
        "Budget.objects.create(scope='token', scope_id=token.pk, period='day', limit_tokens=10)\n"
        "answer = 1"
    )
    for stream in (False, True):
        _refused(
            "budget",
            lambda stream=stream: client.chat.completions.create(model="write", messages=_ASK, stream=stream),
            402,
            "insufficient_quota",
        )
    return len(cases) + 2


def _refused(what: str, call: Any, status: int, code: str | None) -> None:
    try:
        call()
    except openai.APIStatusError as error:
        expect(error.status_code == status and error.code == code, f"{what}: {error.status_code} {error.body}")
        return
    expect(False, f"{what} was not refused")
