"""The wires against llm-katan, a fake provider that others wrote: our own fake shares our own misunderstandings."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiwriter_model_anthropic.backend import AnthropicBackend
from aiwriter_model_openai.backend import OpenAIBackend

from aiwriter_sdk import AuthFailed, Finish, ModelBackend, Start, Usage
from tests.unit.plugins.calling import build, text_of, write

pytestmark = pytest.mark.slow
_KEY = "katan-key-0123456789"


@pytest.fixture(scope="module")
def katan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a running llm-katan with its echo backend, which needs no weights and no network."""
    folder = tmp_path_factory.mktemp("katan")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("llm-katan")
    options = ["--model", "echo", "--backend", "echo", "--providers", "openai,anthropic", "--host", "127.0.0.1"]
    options += ["--port", str(port), "--stats-file", str(folder / "stats.json"), "--disable-dashboard"]
    options += ["--validate-keys", "--api-keys", f"openai={_KEY},anthropic={_KEY}"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([program, *options], stdout=log, stderr=subprocess.STDOUT, cwd=folder)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process, folder / "log")
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(f"{url}/health", timeout=2).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"llm-katan did not start:\n{log.read_text()[-2000:]}")


def _backend(wire: str, url: str, key: str) -> ModelBackend:
    if wire == "openai":
        return build(OpenAIBackend, {"base_url": f"{url}/v1", "default_model": "echo"}, {"api_key": key})
    return build(AnthropicBackend, {"base_url": url, "default_model": "echo"}, {"api_key": key})


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
async def test_it_understands_our_request_and_we_its_answer(katan: str, wire: str) -> None:
    events = await write(_backend(wire, katan, _KEY), "", "Say something about harbours — naïve, 漢字 and 🙂.")
    assert isinstance(events[0], Start)
    assert "harbours" in text_of(events)
    assert "漢字 and 🙂" in text_of(events)
    usage = next(event for event in events if isinstance(event, Usage))
    assert not usage.estimated
    assert usage.output_tokens > 0
    assert events[-1] == Finish(reason="stop")


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
async def test_it_refuses_a_wrong_key(katan: str, wire: str) -> None:
    with pytest.raises(AuthFailed) as caught:
        await write(_backend(wire, katan, "wrong-key-0123456789"), "", "Hello.")
    assert "wrong-key" not in str(caught.value)
