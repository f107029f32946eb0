"""The only place where code of a plugin's backend is called.

Every call has a deadline, every exception becomes one of the SDK's, no secret leaves in a message or a log line. Calls run
on the caller's event loop and each in a task of its own, so a plugin that ignores a cancellation is left behind after a
second instead of holding its caller. What no task can do is interrupt plugin code that blocks the thread: a synchronous
sleep or an endless loop in an `async def` stops the whole event loop until it ends. The worker's hard time limit is the
only help against that, and the conformance suite finds it before.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import importlib
import inspect
import logging
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from aiwriter.core.errors import AppError
from aiwriter.pluginhost.faults import Origin, mapped, violation
from aiwriter.pluginhost.streams import STOP_SECONDS, End, Inbox, StreamLimits, read
from aiwriter_sdk import (
    Backend,
    BackendContext,
    BackendError,
    CallControl,
    Config,
    Descriptor,
    EmbedRequest,
    EmbedResult,
    Event,
    GenerateRequest,
    Health,
    HealthCheck,
    InvalidRequest,
    ModelBackend,
    ModelInfo,
    Published,
    PublishTarget,
    StorageBackend,
    StorageUsage,
    TimedOut,
    Unavailable,
)

if TYPE_CHECKING:
    from django.core.files.storage import Storage

__all__ = ["BuiltBackend", "StreamLimits", "build_backend", "call", "guarded", "run", "storage", "stream"]

log = logging.getLogger(__name__)

BUILD_SECONDS = 30.0
_T = TypeVar("_T")
_CONTRACTS: dict[str, Any] = {
    "storage": StorageBackend,
    "model": ModelBackend,
    "publish": PublishTarget,
    "check": HealthCheck,
}
# What each method gives back; anything else is the plugin's fault and is found here, not three layers further up.
_RESULTS: dict[str, type | tuple[type, ...]] = {
    "health": Health,
    "close": type(None),
    "models": Sequence,
    "embed": EmbedResult,
    "count_tokens": int,
    "usage": (StorageUsage, type(None)),
    "publish": Published,
    "unpublish": type(None),
}
_left_behind: set[asyncio.Task[Any]] = set()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BuiltBackend:
    """A plugin's backend, ready to be called through the functions of this module and in no other way."""

    instance: Backend = field(repr=False)
    descriptor: Descriptor
    origin: Origin


def build_backend(descriptor: Descriptor, config: Config, context: BackendContext) -> BuiltBackend:
    """Import a plugin's backend and make an instance. Nothing is kept here: `cache.BackendCache` does that.

    Blocks while the plugin's libraries are imported, the first time; call it in a thread from a coroutine.

    Args:
        descriptor: of a plugin that `discovery.get` gave.
        config: as `validation.validate_options` made it.
        context: what the backend may use; its `profile` names the origin in messages.

    Raises:
        BackendError: the import or the constructor failed or took longer than `BUILD_SECONDS`.
    """
    origin = Origin.of(descriptor, config=config, profile=context.profile)
    instance = _in_thread(functools.partial(_build, descriptor, config, context), origin)
    if not isinstance(instance, _CONTRACTS[descriptor.kind]):
        raise violation(f"its target is not a {_CONTRACTS[descriptor.kind].__name__}.", origin)
    return BuiltBackend(instance=instance, descriptor=descriptor, origin=origin)


def _build(descriptor: Descriptor, config: Config, context: BackendContext) -> object:
    module, _, name = descriptor.target.partition(":")
    return getattr(importlib.import_module(module), name)(config, context)


def _in_thread(work: Callable[[], _T], origin: Origin) -> _T:
    results: list[_T] = []
    errors: list[BackendError] = []

    def guarded() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - SystemExit included, see `mapped`
            errors.append(mapped(error, origin))

    thread = threading.Thread(target=guarded, name=f"plugin-build-{origin.plugin}", daemon=True)
    thread.start()
    thread.join(BUILD_SECONDS)
    if errors:
        raise errors[0]
    if not results:
        raise TimedOut(
            f"The plugin '{origin.plugin}' was not ready within {BUILD_SECONDS:g} seconds.",
            remedy="Its constructor must not use the network. Update the plugin or tell its author.",
        )
    return results[0]


def run(descriptor: Descriptor, function: Callable[..., _T], *args: object) -> _T:
    """Call a plain function of a plugin, such as the migration of a form, under the same guard.

    Raises:
        BackendError: it raised or did not come back within `BUILD_SECONDS`.
    """
    return _in_thread(functools.partial(function, *args), Origin.of(descriptor))


# The limit is the contract's deadline, handed to the plugin as well, not only a cancellation from outside.
async def call(backend: BuiltBackend, method: str, *args: Any, timeout: float) -> Any:  # noqa: ASYNC109
    """Call one of a backend's coroutine methods: health, models, embed, count_tokens, usage, publish, close …

    Args:
        backend: as `build_backend` gave it.
        method: its name in the SDK.
        args: positional arguments; `control` is added here. `publish` takes `(item, remote_id)`.
        timeout: seconds until the deadline.

    Raises:
        BackendError: a subclass; `TimedOut` at the deadline.
        asyncio.CancelledError: the caller was cancelled; the plugin's work has been cancelled too.
    """
    origin = backend.origin
    task = asyncio.create_task(_call(backend, method, args, timeout), name=f"plugin-{origin.plugin}-{method}")
    answered = False
    try:
        answered = bool((await asyncio.wait({task}, timeout=timeout))[0])
    finally:
        if not answered:
            await _stop(task, origin)
    if not answered:
        raise TimedOut(f"The backend did not answer within {timeout:g} seconds.")
    if task.cancelled():
        raise violation(f"{method}() cancelled itself.", origin)
    result = task.result()
    if isinstance(result, BackendError):
        raise result
    return result


async def _call(backend: BuiltBackend, method: str, args: Sequence[Any], timeout: float) -> Any:  # noqa: ASYNC109
    """The result, or the error as a value: a SystemExit that left a task would end the whole event loop."""
    try:
        function = getattr(backend.instance, method)
        if method == "close":
            pending = function()
        elif method == "publish":
            item, remote_id = args
            pending = function(item, remote_id=remote_id, control=CallControl(deadline=time.monotonic() + timeout))
        else:
            pending = function(*args, control=CallControl(deadline=time.monotonic() + timeout))
        if not inspect.isawaitable(pending):
            return violation(f"{method}() is not an async def.", backend.origin)
        return _checked(await pending, method, args, backend.origin)
    except (asyncio.CancelledError, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001
        return mapped(error, backend.origin)


def _checked(result: Any, method: str, args: Sequence[Any], origin: Origin) -> Any:
    fits = isinstance(result, _RESULTS.get(method, object)) and not isinstance(result, str | bytes)
    if method == "models":
        fits = fits and all(isinstance(model, ModelInfo) for model in result)
    if not fits:
        raise violation(f"{method}() gave {type(result).__name__}, which is not what the contract says.", origin)
    if method == "embed":
        asked: EmbedRequest = args[0]
        if len(result.vectors) != len(asked.texts):
            raise violation(f"embed() gave {len(result.vectors)} vectors for {len(asked.texts)} texts.", origin)
        if any(len(vector) != result.dimensions for vector in result.vectors):
            raise violation(f"embed() gave a vector that has not {result.dimensions} dimensions.", origin)
    return result


async def _stop(task: asyncio.Task[Any], origin: Origin) -> None:
    """Cancel, wait a second, go on without it: a plugin may swallow cancellations."""
    task.cancel()
    await asyncio.wait({task}, timeout=STOP_SECONDS)
    if not task.done():
        log.error("plugin %s ignores that it was cancelled; its task is left behind", origin.plugin)
        _left_behind.add(task)  # the event loop itself keeps weak references only
    task.add_done_callback(_forget)


def _forget(task: asyncio.Task[Any]) -> None:
    _left_behind.discard(task)
    if not task.cancelled():
        task.exception()  # read, so that asyncio does not report it as never retrieved


async def stream(
    backend: BuiltBackend, request: GenerateRequest, limits: StreamLimits | None = None
) -> AsyncGenerator[Event]:
    """Let a model write; the events come as the contract orders them, `Finish` last and only after a proper end.

    Close the iterator (`contextlib.aclosing`) or cancel the task to stop: the plugin's generator is closed, and with it the
    provider's connection, within `STOP_SECONDS`. Empty deltas are dropped, and NUL characters, which PostgreSQL cannot
    store.

    Args:
        backend: of kind "model".
        request: what to write.
        limits: of time and size.

    Raises:
        BackendError: a subclass, also after events; the text given until then stays valid. `TimedOut` for silence and for
            the total time, `Unavailable` when the stream ended without `Finish`.
    """
    limits = limits or StreamLimits()
    control = CallControl(deadline=time.monotonic() + limits.total)
    inbox = Inbox()
    stopping = asyncio.Event()
    pump = asyncio.create_task(
        _pump(backend, request, control, inbox, stopping), name=f"plugin-{backend.origin.plugin}-stream"
    )
    try:
        async with contextlib.aclosing(read(inbox, control, limits, backend.origin)) as events:
            async for event in events:
                yield event
    finally:
        stopping.set()
        inbox.close()
        if not pump.done():
            await _stop(pump, backend.origin)


async def _pump(
    backend: BuiltBackend,
    request: GenerateRequest,
    control: CallControl,
    inbox: Inbox,
    stopping: asyncio.Event,
) -> None:
    events: Any = None
    error: BackendError | None = None
    try:
        events = backend.instance.stream(request, control=control)  # type: ignore[attr-defined]
        if not hasattr(events, "__aiter__"):
            if inspect.iscoroutine(events):
                events.close()
            error = violation("stream() is not an async generator (async def with yield).", backend.origin)
        else:
            async for event in events:
                if stopping.is_set():
                    break
                await inbox.put(event)
    except KeyboardInterrupt:
        raise
    except BaseException as caught:  # noqa: BLE001
        if stopping.is_set():
            return
        if isinstance(caught, asyncio.CancelledError):
            error = violation("stream() cancelled itself.", backend.origin)
        else:
            error = mapped(caught, backend.origin)
    finally:
        await _close(events)
    await inbox.put(End(error))


async def _close(events: Any) -> None:
    if (aclose := getattr(events, "aclose", None)) is None:
        return
    try:
        await aclose()
    except (asyncio.CancelledError, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 - the outcome of the stream is known already
        log.warning("a plugin's stream could not be closed: %s", type(error).__name__)


def storage(backend: BuiltBackend) -> Storage:
    """The Django `Storage` of a storage backend. Blocks; use the storage inside `guarded(backend)`.

    Raises:
        BackendError: the plugin failed or gave something else.
    """
    with guarded(backend):
        made = backend.instance.storage()  # type: ignore[attr-defined]
    missing = [n for n in ("open", "save", "delete", "exists", "size") if not callable(getattr(made, n, None))]
    if missing:
        raise violation(f"storage() gave {type(made).__name__} without {', '.join(missing)}().", backend.origin)
    return made


@contextlib.contextmanager
def guarded(backend: BuiltBackend) -> Iterator[None]:
    """Around each use of a plugin's storage: maps what it raises.

    `FileNotFoundError`, `FileExistsError` and a full disk (ENOSPC, EDQUOT) pass as they are, since the file store answers
    them itself, and so do the portal's own errors, raised by content that was being written.

    Raises:
        BackendError: for everything else; InvalidRequest for a name that the storage refuses.
    """
    failure: BackendError
    try:
        yield
        return
    except (FileNotFoundError, FileExistsError, AppError, asyncio.CancelledError, KeyboardInterrupt):
        raise
    except BaseException as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        if type(error).__name__ in ("SuspiciousFileOperation", "InvalidStorageNameError"):
            failure = InvalidRequest(f"The storage refuses the name: {backend.origin.clean(error, 300)}")
        elif isinstance(error, OSError) and not isinstance(error, TimeoutError):
            failure = Unavailable(f"The storage failed: {backend.origin.clean(error, 300)}")
        else:
            failure = mapped(error, backend.origin)
    raise failure from None
