"""Local servers are found on the loopback address, told apart, and nobody else is asked."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiwriter_model_openai.backend import OpenAIBackend
from aiwriter_model_openai.discover_local import find_local_servers

from aiwriter_sdk import HttpResponse
from aiwriter_sdk.testing.http import PlainHttpClient
from aiwriter_sdk.testing.wire import Pause, WireReply, WireServer
from tests.fakes.provider import FakeProvider


class WatchedHttpClient:
    """A plain client that notes what is asked for."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self._plain = PlainHttpClient()

    @contextlib.asynccontextmanager
    async def stream(self, method: str, url: str, **options: Any) -> AsyncIterator[HttpResponse]:
        self.urls.append(url)
        async with self._plain.stream(method, url, **options) as response:
            yield response


@pytest.mark.parametrize(
    ("identity", "label", "continuation"),
    [
        ("ollama", "Ollama", "prefill"),
        ("llamacpp", "llama.cpp", "prefill"),
        ("vllm", "vLLM", "vllm"),
        ("", "OpenAI-compatible server", "instruction"),
    ],
)
async def test_each_kind_is_told_by_its_own_paths(identity: str, label: str, continuation: str) -> None:
    with FakeProvider(identity=identity, models=("llama3:8b",)) as fake:
        found = await OpenAIBackend.find_local(PlainHttpClient(), extra_urls=[fake.openai_url, f"0.0.0.0:{fake.port}"])
    (server,) = [server for server in found if server.base_url == fake.openai_url]
    assert server.label == f"{label} at 127.0.0.1:{fake.port}"
    assert server.models == ("llama3:8b",)
    assert server.options == {
        "base_url": fake.openai_url,
        "continuation": continuation,
        "default_model": "llama3:8b",
    }


async def test_an_address_elsewhere_is_offered_and_not_asked() -> None:
    http = WatchedHttpClient()
    found = await find_local_servers(
        http, extra_urls=["https://api.openai.com/v1", "http://192.0.2.7:11434", "ftp://x", ""]
    )
    elsewhere = {server.base_url: server.asked for server in found if not server.asked}
    assert elsewhere == {"https://api.openai.com/v1": False, "http://192.0.2.7:11434/v1": False}
    assert all(url.startswith("http://127.0.0.1:") for url in http.urls)


async def test_a_server_that_hangs_costs_a_moment() -> None:
    with WireServer(lambda request: WireReply(steps=(Pause(30), b"{}"))) as server:
        begin = time.monotonic()
        found = await find_local_servers(PlainHttpClient(), extra_urls=[server.url])
        assert time.monotonic() - begin < 2.5
        assert len(server.exchanges) > 1
    assert not [one for one in found if server.url in one.base_url]


async def test_something_else_at_the_port_is_no_model_server() -> None:
    with FakeProvider(keys=("only-this",)) as fake:
        found = await find_local_servers(PlainHttpClient(), extra_urls=[fake.url])
    assert not [server for server in found if server.asked and str(fake.port) in server.base_url]
