"""The OpenAI-compatible endpoint against calling the same fake provider directly: first token, and time per token."""

from __future__ import annotations

import asyncio
import statistics
import time

import httpx2

from tests.benchmarks import Row
from tests.fakes.provider import FakeProvider
from tests.lab.models import connect_models, writer_token
from tests.lab.portal import Portal

ROUNDS, TOKENS, FAST_TOKENS, TOGETHER = 20, 50, 2_000, 50


async def _call(client: httpx2.AsyncClient, url: str, key: str, model: str) -> tuple[float, float, int]:
    """Seconds to the first token and to the end, and tokens."""
    begun, first, count = time.perf_counter(), 0.0, 0
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "Write."}]}
    headers = {"Authorization": f"Bearer {key}"}
    async with client.stream("POST", f"{url}/chat/completions", json=body, headers=headers) as answer:
        if answer.status_code != 200:
            raise RuntimeError(f"{answer.status_code} {await answer.aread()!r}")
        async for line in answer.aiter_lines():
            if line.startswith("data: {") and '"content":' in line and '"content":""' not in line:
                first = first or time.perf_counter() - begun
                count += 1
    return first, time.perf_counter() - begun, count


async def _measure(fake: FakeProvider, portal: Portal, token: str) -> list[Row]:
    ours_at, direct_at = (f"{portal.url}/v1", token, "write"), (fake.openai_url, "test-key", "fake-large")
    async with httpx2.AsyncClient(timeout=120, trust_env=False, limits=httpx2.Limits(max_connections=200)) as client:
        fake.behave("*", words=TOKENS, tps=200)
        for at in (ours_at, direct_at):
            await _call(client, *at)
        pairs = [(await _call(client, *direct_at), await _call(client, *ours_at)) for _ in range(ROUNDS)]
        added = statistics.median(ours[0] - direct[0] for direct, ours in pairs) * 1000
        fake.behave("*", words=FAST_TOKENS, tps=0)
        fast = [(await _call(client, *direct_at), await _call(client, *ours_at)) for _ in range(5)]
        per_token = statistics.median((o[1] - o[0]) / FAST_TOKENS for _, o in fast) * 1e6
        direct_token = statistics.median((d[1] - d[0]) / FAST_TOKENS for d, _ in fast) * 1e6
        fake.behave("*", words=TOKENS, tps=10)
        direct = await asyncio.gather(*(_call(client, *direct_at) for _ in range(TOGETHER)))
        many = await asyncio.gather(*(_call(client, *ours_at) for _ in range(TOGETHER)))
    if {count for _, _, count in many} != {TOKENS}:
        raise RuntimeError("tokens were lost or joined")
    together = statistics.median(o[0] for o in many) - statistics.median(d[0] for d in direct)
    whole = statistics.median(o[1] for o in many), statistics.median(d[1] for d in direct)
    return [
        Row("first token above the provider, one chat, median", added, 50, "ms", "limit", 1.0),
        Row(
            f"a token of {FAST_TOKENS} without a pause, above the provider",
            per_token - direct_token,
            500,
            "µs",
            "limit",
            1.0,
        ),
        Row(f"first token, {TOGETHER} chats at once, median, above the provider", together, 1.4, "s", "limit", 1.0),
        Row(f"whole text, {TOGETHER} chats at once, median", whole[0], whole[1], "s", "direct calls", 1.5),
    ]


def measure() -> list[Row]:
    """Start a portal with a paced provider and measure."""
    with FakeProvider(process=True) as fake, Portal() as portal:
        connect_models(portal, [{"name": "Paced", "base_url": fake.openai_url, "model": "fake-large"}])
        return asyncio.run(_measure(fake, portal, writer_token(portal, "models.use")))
