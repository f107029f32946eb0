from __future__ import annotations

import asyncio
import contextlib
import errno
import time
from collections.abc import AsyncIterator, Callable

import pytest

from aiwriter.core.errors import TooLarge
from aiwriter.pluginhost import calls, discovery
from aiwriter.pluginhost.cache import BackendCache
from aiwriter_sdk import (
    AuthFailed,
    BackendContext,
    BackendError,
    Config,
    EmbedRequest,
    EmbedResult,
    Finish,
    GenerateRequest,
    Health,
    InvalidRequest,
    ModelBackend,
    ModelInfo,
    RateLimited,
    Secret,
    StorageBackend,
    TextDelta,
    TimedOut,
    Unavailable,
)
from tests.unit.pluginhost.conftest import Zoo

Build = Callable[..., calls.BuiltBackend]
REQUEST = GenerateRequest(model="animal", messages=())


class Quiet(ModelBackend):
    """Does what it should; tests change one method."""

    async def health(self, *, control: object) -> Health:
        return Health(status="ok")

    async def models(self, *, control: object) -> list[ModelInfo]:
        return [ModelInfo(id="quiet")]

    async def stream(self, request: GenerateRequest, *, control: object) -> AsyncIterator[object]:
        yield TextDelta(text="Hello")
        yield Finish()


async def written(backend: calls.BuiltBackend, limits: calls.StreamLimits | None = None) -> str:
    async with contextlib.aclosing(calls.stream(backend, REQUEST, limits)) as events:
        return "".join([event.text async for event in events if isinstance(event, TextDelta)])


async def test_a_call_gives_the_result(built: Build) -> None:
    backend = built(Quiet)
    assert (await calls.call(backend, "health", timeout=5)).status == "ok"
    assert await calls.call(backend, "close", timeout=5) is None
    assert await written(backend) == "Hello"


async def test_an_exit_does_not_end_the_portal(build: Build) -> None:
    backend = build("exits_in_call")
    with pytest.raises(BackendError, match="SystemExit: no licence"):
        await calls.call(backend, "health", timeout=5)
    with pytest.raises(BackendError, match="SystemExit: 3"):
        await written(backend)


async def test_a_call_that_hangs_ends_at_its_deadline(build: Build) -> None:
    backend = build("hangs_in_call")
    started = time.monotonic()
    with pytest.raises(TimedOut, match=r"0\.3 seconds"):
        await calls.call(backend, "health", timeout=0.3)
    with pytest.raises(TimedOut):
        await written(backend, calls.StreamLimits(idle=0.3))
    # 0.3 s each, and one second each for a plugin that swallows its cancellation.
    assert time.monotonic() - started < 4


async def test_wrong_answers_are_the_plugins_fault(build: Build) -> None:
    backend = build("wrong_answers")
    with pytest.raises(BackendError, match=r"health\(\) gave str"):
        await calls.call(backend, "health", timeout=5)
    with pytest.raises(BackendError, match=r"models\(\) is not an async def"):
        await calls.call(backend, "models", timeout=5)
    with pytest.raises(BackendError, match="not an async generator"):
        await written(backend)
    with pytest.raises(BackendError, match="AttributeError"):
        await calls.call(backend, "no_such_method", timeout=5)


async def test_vectors_are_counted(built: Build) -> None:
    class Embeds(Quiet):
        async def embed(self, request: EmbedRequest, *, control: object) -> EmbedResult:
            vectors = [[1.0]] * len(request.texts) if request.purpose == "query" else [[1.0, 2.0]]
            return EmbedResult(vectors=vectors, dimensions=2, fingerprint="x")

    with pytest.raises(BackendError, match="1 vectors for 2 texts"):
        await calls.call(built(Embeds), "embed", EmbedRequest(model="m", texts=("a", "b")), timeout=5)
    with pytest.raises(BackendError, match="has not 2 dimensions"):
        await calls.call(built(Embeds), "embed", EmbedRequest(model="m", texts=("a",), purpose="query"), timeout=5)


async def test_secrets_do_not_leave(build: Build, caplog: pytest.LogCaptureFixture) -> None:
    key = "zoo/sëcret+value=7"
    with caplog.at_level("DEBUG"):
        backend = build("leaks_secret", {"key": Secret(key)})
        with pytest.raises(AuthFailed) as refused:
            await calls.call(backend, "health", timeout=5)
        with pytest.raises(BackendError, match="RuntimeError") as failed:
            await written(backend)
    for error in (refused.value, failed.value):
        said = f"{error} {error.args} {vars(error)} {error.__cause__} {error.__context__}"
        assert key not in said
        assert "[redacted]" in said
    assert "plugin zoo-leaks-secret raised RuntimeError" in caplog.text
    assert "connecting with [redacted]" in caplog.text
    assert "header was" in caplog.text  # the traceback is there, for the author
    assert key not in caplog.text


async def test_errors_become_the_sdks_own(built: Build) -> None:
    class Own(RateLimited):
        kind = "my_own_kind"

        def __init__(self) -> None:
            super().__init__("slow", retry_after=float("inf"))

    class Raises(Quiet):
        async def health(self, *, control: object) -> Health:
            raise Own

        async def models(self, *, control: object) -> list[ModelInfo]:
            raise ConnectionResetError("peer")

        async def count_tokens(self, request: GenerateRequest, *, control: object) -> int:
            raise asyncio.CancelledError

    backend = built(Raises)
    with pytest.raises(RateLimited) as caught:
        await calls.call(backend, "health", timeout=5)
    assert type(caught.value) is RateLimited
    assert (caught.value.kind, caught.value.retry_after) == ("rate_limited", None)
    with pytest.raises(Unavailable):
        await calls.call(backend, "models", timeout=5)
    with pytest.raises(BackendError, match="cancelled itself"):
        await calls.call(backend, "count_tokens", REQUEST, timeout=5)


async def test_cancelling_a_call_cancels_the_plugin(built: Build) -> None:
    ended = asyncio.Event()

    class Waits(Quiet):
        async def health(self, *, control: object) -> Health:
            try:
                await asyncio.sleep(60)
            finally:
                ended.set()
            return Health(status="ok")

    task = asyncio.create_task(calls.call(built(Waits), "health", timeout=30))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


@pytest.mark.parametrize(
    ("animal", "said"),
    [
        ("raises_when_built", "KeyError: 'ZOO_HOME'"),
        ("not_a_backend", "not a ModelBackend"),
        ("missing_target", "ModuleNotFoundError"),
    ],
)
def test_what_cannot_be_built_says_why(build: Build, animal: str, said: str) -> None:
    with pytest.raises(BackendError, match=said):
        build(animal)


def test_a_constructor_that_hangs_is_given_up(
    zoo: Zoo, context: BackendContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo("floods")
    descriptor = discovery.get("model", "zoo-floods")
    monkeypatch.setattr(calls, "BUILD_SECONDS", 0.2)
    monkeypatch.setattr(calls, "_build", lambda *args: time.sleep(3))
    with pytest.raises(TimedOut, match="not ready within"):
        calls.build_backend(descriptor, Config({}), context)


class Shelf(StorageBackend):
    async def health(self, *, control: object) -> Health:
        return Health(status="ok")

    def storage(self) -> object:  # type: ignore[override]
        return {"open": open}


def test_a_storage_is_looked_at(built: Build) -> None:
    with pytest.raises(BackendError, match="dict without open, save"):
        calls.storage(built(Shelf, kind="storage"))


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (FileNotFoundError("x"), FileNotFoundError),
        (FileExistsError("x"), FileExistsError),
        (OSError(errno.ENOSPC, "No space left on device"), OSError),
        (TooLarge("too large"), TooLarge),
        (PermissionError("denied"), Unavailable),
        (RuntimeError("s3cret-value"), BackendError),
        (type("SuspiciousFileOperation", (Exception,), {})("../x"), InvalidRequest),
        (SystemExit(1), BackendError),
    ],
)
def test_storage_errors_are_mapped(built: Build, raised: BaseException, expected: type[BaseException]) -> None:
    with pytest.raises(expected) as caught, calls.guarded(built(Shelf, kind="storage")):
        raise raised
    assert type(caught.value) is expected
    assert "s3cret-value" not in str(caught.value)


def test_the_cache_builds_once_and_again_for_a_new_revision(built: Build) -> None:
    cache, made = BackendCache(), []

    def build_one() -> calls.BuiltBackend:
        made.append(built(Quiet))
        return made[-1]

    first = cache.get("p", "1", build_one)
    assert cache.get("p", "1", build_one) is first
    assert cache.get("p", "2", build_one) is not first
    cache.forget("p")
    cache.get("p", "2", build_one)
    assert len(made) == 3


def test_a_failed_build_is_not_kept(built: Build) -> None:
    cache = BackendCache()

    def fail() -> calls.BuiltBackend:
        raise Unavailable("not yet")

    with pytest.raises(Unavailable):
        cache.get("p", "1", fail)
    assert cache.get("p", "1", lambda: built(Quiet)).descriptor.key == "fake"
