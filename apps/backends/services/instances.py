"""Makes backends of profiles: settings checked, secrets resolved, built once for each profile and process."""

from __future__ import annotations

import asyncio
import hashlib
import secrets as random
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar
from weakref import WeakKeyDictionary

from django.conf import settings

from aiwriter.core import secretrefs
from aiwriter.core.egress import GuardedClient
from aiwriter.core.errors import AppError
from aiwriter.pluginhost import calls, discovery
from aiwriter.pluginhost.cache import BackendCache
from aiwriter.pluginhost.faults import Origin, PluginLogger
from aiwriter.pluginhost.validation import migrate_options, validate_options
from aiwriter_sdk import BackendContext, BackendError, Config, ConfigInvalid, Descriptor, HttpResponse, Secret

T = TypeVar("T")
_cache = BackendCache()
# Keys the digests of secrets below, so that one that gets into a dump cannot be compared with guesses elsewhere.
_digest_key = random.token_bytes(16)


class Settings(Protocol):
    """What is needed of a profile; a row of the table and a frozen view of one both have it."""

    @property
    def id(self) -> object: ...
    @property
    def kind(self) -> str: ...
    @property
    def plugin_key(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def options(self) -> Mapping[str, object]: ...
    @property
    def secret_refs(self) -> Mapping[str, str]: ...
    @property
    def schema_version(self) -> int: ...
    @property
    def revision(self) -> int: ...


class LoopClients:
    """The guarded client of each event loop, behind one `HttpClient` that backends keep: connections belong to a loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, GuardedClient] = WeakKeyDictionary()

    def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: object | None = None,
        content: bytes | None = None,
        timeout: float | None = None,
    ) -> AbstractAsyncContextManager[HttpResponse]:
        """See `aiwriter_sdk.HttpClient.stream`."""
        client = self._of_this_loop()
        return client.stream(method, url, headers=headers, json=json, content=content, timeout=timeout)

    def _of_this_loop(self) -> GuardedClient:
        loop = asyncio.get_running_loop()
        with self._lock:
            client = self._clients.get(loop)
            if client is None:
                client = self._clients[loop] = GuardedClient()
            return client

    async def close(self) -> None:
        """Close the connections of this loop."""
        with self._lock:
            client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()


http = LoopClients()


def run_alone(work: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine function to its end in an event loop of its own, for synchronous services."""

    async def whole() -> T:
        try:
            return await work()
        finally:
            await http.close()

    return asyncio.run(whole())


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A profile that can be called.

    Args:
        backend: as the plugin host built it.
        account: names the account behind the credentials without telling it; "" when there are no credentials.
    """

    backend: calls.BuiltBackend
    account: str = field(repr=False)


def descriptor_of(profile: Settings) -> Descriptor:
    """The plugin's descriptor.

    Raises:
        ConfigInvalid: it is not installed, or cannot be used.
    """
    try:
        return discovery.get(profile.kind, profile.plugin_key)
    except AppError as error:
        raise ConfigInvalid(error.message, field="plugin", remedy=error.remedy) from None


def config_of(profile: Settings, descriptor: Descriptor) -> Config:
    """The profile's options, brought to the installed version of the form, with the secrets resolved now.

    Raises:
        AppError: an option cannot be used, or a secret cannot be read.
    """
    options = migrate_options(descriptor, profile.options, version=profile.schema_version)
    resolved: dict[str, Secret] = {}
    for name, reference in profile.secret_refs.items():
        resolved[name] = secretrefs.resolve(reference)
    return validate_options(descriptor.config, options, resolved)


def ready(profile: Settings) -> Ready:
    """The backend of a profile, built where there is none of these settings yet. May block while a library is imported.

    Secrets are read at every call, so a key that was changed behind its reference counts from the next call on.

    Raises:
        BackendError: `ConfigInvalid` for settings, secrets or a plugin that cannot be used.
    """
    descriptor = descriptor_of(profile)
    config = _checked_config(profile, descriptor)
    digest = _digest(config)
    revision = f"{profile.revision}:{profile.schema_version}:{descriptor.target}:{digest}"
    backend = _cache.get(str(profile.id), revision, lambda: _build(profile, descriptor, config))
    return Ready(backend=backend, account=f"{profile.plugin_key}:{digest}" if digest else "")


def fresh(profile: Settings) -> calls.BuiltBackend:
    """A backend for one use, for tests of settings that are not in force yet. Errors as for `ready`."""
    descriptor = descriptor_of(profile)
    return _build(profile, descriptor, _checked_config(profile, descriptor))


def forget(profile_id: object) -> None:
    """Drop the built backend of a profile that was disabled or deleted."""
    _cache.forget(str(profile_id))


def _checked_config(profile: Settings, descriptor: Descriptor) -> Config:
    try:
        return config_of(profile, descriptor)
    except AppError as error:
        detail = error.details[0] if error.details else None
        message = f"{error.message} {detail.issue}" if detail and detail.issue != error.message else error.message
        raise ConfigInvalid(message, field=detail.field if detail else "", remedy=error.remedy) from None


def _digest(config: Config) -> str:
    """Differs between two sets of credentials and tells neither."""
    values = {name: value.reveal() for name, value in config.items() if isinstance(value, Secret) and value}
    if not values:
        return ""
    return hashlib.blake2b(repr(sorted(values.items())).encode(), digest_size=12, key=_digest_key).hexdigest()


def _build(profile: Settings, descriptor: Descriptor, config: Config) -> calls.BuiltBackend:
    context = BackendContext(
        http=http,
        logger=PluginLogger(Origin.of(descriptor, config=config, profile=profile.name)),
        data_dir=str(data_dir(profile)),
        profile=profile.name,
    )
    return calls.build_backend(descriptor, config, context)


def data_dir(profile: Settings) -> Path:
    """The folder of a profile's own. The product's own file store has a plain name, which operators find again."""
    managed = getattr(profile, "managed", "")
    if profile.kind == "storage" and managed:
        return Path(settings.DATA_DIR) / "files"
    return Path(settings.DATA_DIR) / "plugins" / profile.plugin_key / str(profile.id)


__all__ = [
    "BackendError",
    "LoopClients",
    "Ready",
    "Settings",
    "config_of",
    "data_dir",
    "descriptor_of",
    "forget",
    "fresh",
    "http",
    "ready",
    "run_alone",
]
