"""The peer of the generation benchmark: a view that hands a provider's stream on, without people, rows or a worker.

`PROVIDER=http://… uvicorn tests.benchmarks._bare.proxy:application`
"""

import json
import os
from collections.abc import AsyncIterator

import django
import httpx2
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path

settings.configure(SECRET_KEY="bench", ALLOWED_HOSTS=["127.0.0.1"], ROOT_URLCONF=__name__, MIDDLEWARE=[], DATABASES={})
django.setup()

_client = httpx2.AsyncClient(timeout=60, trust_env=False, limits=httpx2.Limits(max_connections=500))


async def _words() -> AsyncIterator[bytes]:
    body = {"model": "fake-large", "stream": True, "messages": [{"role": "user", "content": "Write."}]}
    address, headers = f"{os.environ['PROVIDER']}/chat/completions", {"Authorization": "Bearer test-key"}
    async with _client.stream("POST", address, json=body, headers=headers) as answer:
        async for line in answer.aiter_lines():
            if not line.startswith("data: {"):
                continue
            for choice in json.loads(line[6:])["choices"]:
                if text := choice["delta"].get("content"):
                    yield b"event: delta\ndata: " + json.dumps({"text": text}).encode() + b"\n\n"


async def chat(request: HttpRequest) -> StreamingHttpResponse:
    """The words as they come."""
    return StreamingHttpResponse(_words(), content_type="text/event-stream")


urlpatterns = [path("chat", chat)]
application = get_asgi_application()
