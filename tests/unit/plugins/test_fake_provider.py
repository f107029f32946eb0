"""The fake provider keeps what it promises; tests of the portal rest on it."""

from __future__ import annotations

import asyncio
import json
import resource
import time
import urllib.request

import pytest

from tests.fakes.behaviour import Behaviour
from tests.fakes.provider import FakeProvider
from tests.fakes.text import remaining, words


async def _stream(port: int, model: str, *, path: str = "/v1/chat/completions") -> tuple[list[float], bytes]:
    """Arrival times of the tokens, from the request on, and everything received."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": True}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    begin, times, received = time.monotonic(), list[float](), b""
    try:
        while b"[DONE]" not in received:
            line = await reader.readline()
            received += line
            if line in (b"", b"0\r\n"):
                break
            if b'"content":"' in line and b'"content":""' not in line:
                times.append(time.monotonic() - begin)
    except ConnectionResetError:
        received += b"<reset>"
    finally:
        writer.close()
    return times, received


async def test_the_pace_is_exact_and_does_not_drift(fake: FakeProvider) -> None:
    times, _ = await _stream(fake.port, "m:words=101,tps=100,first=0.2")
    assert len(times) == 101
    # 0.2 s to the first token and 100 intervals of 10 ms; a timer is late, never early.
    assert 1.19 <= times[-1] < 2.0
    assert 0.19 <= times[0] < 0.8


async def test_a_thousand_streams_at_once_keep_their_pace() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    try:
        with FakeProvider(process=True) as provider:
            results = await asyncio.gather(*(_stream(provider.port, "m:words=20,tps=5") for _ in range(1000)))
            assert provider.peak() == 1000
            assert provider.live() == 0
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert {len(times) for times, _ in results} == {20}
    assert sorted(times[-1] for times, _ in results)[500] < 10


@pytest.mark.parametrize(
    ("wish", "ended", "tokens"),
    [
        ("cut=4", "cut", 4),
        ("eof=4", "eof", 4),
        ("garbage=4", "garbage", 4),
        ("error=4", "error", 4),
        ("length=4", "length", 4),
        ("filter=4", "filter", 4),
        ("words=4", "stop", 4),
    ],
)
async def test_it_ends_as_it_was_told_and_says_so(fake: FakeProvider, wish: str, ended: str, tokens: int) -> None:
    times, received = await _stream(fake.port, f"m:{wish}")
    entry = fake.log()[-1]
    assert (entry["ended"], entry["tokens_sent"]) == (ended, tokens)
    assert len(times) == tokens
    assert entry["closed_early"] is (ended in ("cut", "eof", "error"))
    assert received.endswith(b"<reset>") is (ended == "cut")
    assert not entry["cancelled"]


async def test_a_client_that_hangs_up_is_noted_as_cancelled(fake: FakeProvider) -> None:
    task = asyncio.create_task(_stream(fake.port, "m:words=1000,tps=50"))
    await asyncio.sleep(0.3)
    assert fake.live() == 1
    task.cancel()
    entry = (await asyncio.to_thread(fake.wait, lambda entries: entries[-1]["finished"] is not None))[-1]
    assert entry["cancelled"]
    assert 5 <= entry["tokens_sent"] <= 40
    assert fake.live() == 0


def test_faults_last_as_many_requests_as_they_were_told(fake: FakeProvider) -> None:
    fake.behave("m", words=3, status=503, times=2)
    assert [_ask(fake, "m")[0] for _ in range(4)] == [503, 503, 200, 200]
    fake.reset()
    assert _ask(fake, "m")[0] == 200


def test_errors_have_their_headers_and_codes(fake: FakeProvider) -> None:
    status, body, headers = _ask(fake, "m:status=429,code=rate_limit_exceeded,retry_after=3")
    assert (status, headers["Retry-After"]) == (429, "3")
    assert json.loads(body)["error"]["code"] == "rate_limit_exceeded"


def test_only_its_keys_are_accepted() -> None:
    with FakeProvider(keys=("right",)) as provider:
        assert _ask(provider, "m:words=2", key="right")[0] == 200
        assert _ask(provider, "m:words=2", key="other")[0] == 401
        assert _ask(provider, "m:words=2")[0] == 401
        entries = provider.log()
    assert [entry["key_ok"] for entry in entries] == [True, False, False]
    assert "right" not in json.dumps(entries)


def test_a_misspelt_wish_is_refused(fake: FakeProvider) -> None:
    with pytest.raises(ValueError, match="wrods"):
        Behaviour().changed("wrods=3")
    assert _ask(fake, "m:wrods=3")[0] == 400


@pytest.mark.parametrize("style", ["numbers", "sentences", "unicode"])
def test_a_text_cut_anywhere_is_continued_to_the_same_whole(style: str) -> None:
    whole = words(style, 130, cite=3)
    for place in (1, 12, 60, 61, 129):
        for told in (False, True):
            done = "".join(whole[:place])
            rest = "".join(remaining(style, 130, done, told=told, cite=3))
            assert (done + rest if not told else f"{done} {rest}").split() == "".join(whole).split()


def test_a_word_cut_in_the_middle_is_completed() -> None:
    assert "".join(remaining("numbers", 3, "w000001 w0000", told=False)) == "02 w000003"


def test_as_a_program_it_names_its_address() -> None:
    with FakeProvider(process=True, words=3) as provider:
        assert json.loads(_ask(provider, "m")[1])["usage"]["completion_tokens"] == 3


def _ask(fake: FakeProvider, model: str, *, key: str = "") -> tuple[int, bytes, dict[str, str]]:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hi"}]}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    request = urllib.request.Request(f"{fake.openai_url}/chat/completions", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read(), dict(error.headers)
