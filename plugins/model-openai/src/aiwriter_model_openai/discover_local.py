"""Finds model servers on the machine itself, to offer them to an operator. Nothing found here is used unasked.

The host calls it through the backend class, which a host finds by asking whether a backend class has the attribute:

    finder = getattr(backend_class, "find_local", None)
    servers = await finder(http, extra_urls=[OLLAMA_HOST, OPENAI_BASE_URL]) if finder else []

and shows each proposal's `label`, `base_url` and `models`; `options` are the options of a new profile for it. Only the
loopback interface is asked, each address for 0.3 seconds. An address elsewhere that a variable names is passed on as a
proposal, but nothing is sent to it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aiwriter_sdk import BackendError, HttpClient
from aiwriter_sdk.calls import items, mapping, text

_PATIENCE = 0.3
_CONTAINER_HOST = "host.docker.internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalServer:
    """A server that answered like one of the known kinds, or that a variable names.

    Args:
        kind: ollama, lmstudio, llamacpp, vllm, or openai where only the wire format is known.
        label: for the operator.
        base_url: the address for a profile.
        models: names of its models.
        asked: whether it was asked at all; an address that is not on this machine is not.
        options: options of a profile for it.
    """

    kind: str
    label: str
    base_url: str
    models: tuple[str, ...] = ()
    asked: bool = True
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    label: str
    port: int
    signs: tuple[str, ...]
    continuation: str


# Ports 8080 and 8000 belong to everybody, so a server counts only if all its own paths answer JSON.
_KINDS = (
    _Kind("ollama", "Ollama", 11434, ("/api/version",), "prefill"),
    _Kind("llamacpp", "llama.cpp", 8080, ("/health", "/props"), "prefill"),
    _Kind("vllm", "vLLM", 8000, ("/version",), "vllm"),
    _Kind("lmstudio", "LM Studio", 1234, (), "instruction"),
)
_ANY = _Kind("openai", "OpenAI-compatible server", 0, (), "instruction")


async def find_local_servers(http: HttpClient, *, extra_urls: Sequence[str] = ()) -> list[LocalServer]:
    """Ask the usual ports of the loopback address, and the given addresses as far as they are on this machine.

    Args:
        http: the host's client; an address that it refuses counts as not found.
        extra_urls: values of OLLAMA_HOST, OPENAI_BASE_URL and the like, in whatever form they are written.

    Returns:
        proposals in a stable order, one for each address; empty when nothing answers.
    """
    probes = [_probe(http, f"http://127.0.0.1:{kind.port}", (kind,)) for kind in _KINDS]
    elsewhere: list[LocalServer] = []
    for root in dict.fromkeys(filter(None, map(_root, extra_urls))):
        if _is_here(root):
            probes.append(_probe(http, root, _KINDS))
        else:
            label = f"Server at {urlsplit(root).netloc}, named by the environment"
            base = f"{root}/v1"
            proposal = LocalServer(kind="openai", label=label, base_url=base, asked=False, options={"base_url": base})
            elsewhere.append(proposal)
    found = [server for server in await asyncio.gather(*probes) if server is not None]
    return list({server.base_url: server for server in [*found, *elsewhere]}.values())


async def _probe(http: HttpClient, root: str, kinds: Sequence[_Kind]) -> LocalServer | None:
    for kind in kinds:
        signs = await asyncio.gather(*(_get(http, root + path) for path in kind.signs))
        if not all(isinstance(sign, dict) for sign in signs):
            continue
        listing = mapping(await _get(http, f"{root}/v1/models"))
        if not isinstance(listing.get("data"), list):
            continue
        models = tuple(filter(None, (text(entry.get("id")) for entry in items(listing["data"]))))
        # Without a path of its own a server is only known by its port.
        known = kind if kind.signs or urlsplit(root).port == kind.port else _ANY
        base = f"{root}/v1"
        options = {"base_url": base, "continuation": known.continuation, "default_model": models[0] if models else ""}
        label = f"{known.label} at {urlsplit(root).netloc}"
        return LocalServer(kind=known.name, label=label, base_url=base, models=models, options=options)
    return None


async def _get(http: HttpClient, url: str) -> object:
    try:
        async with asyncio.timeout(_PATIENCE):
            async with http.stream("GET", url, headers={"Accept": "application/json"}, timeout=_PATIENCE) as response:
                return json.loads(await response.aread()) if response.status_code == 200 else None
    except (BackendError, TimeoutError, ValueError):
        return None


def _root(value: str) -> str:
    """ "0.0.0.0:11434", "localhost", ":11434" or a URL with or without /v1 → "http://127.0.0.1:11434"; "" if unusable."""
    value = value.strip()
    if not value or len(value.split()) > 1:
        return ""
    given = value if "://" in value else f"http://{'127.0.0.1' if value.startswith(':') else ''}{value}"
    try:
        parts = urlsplit(given)
        # Without a scheme it is a value of OLLAMA_HOST, whose port has a default of its own.
        port = parts.port or (None if "://" in value else 11434)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        return ""
    # A server listens on 0.0.0.0 or ::, but that is no address to call.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "localhost": "127.0.0.1"}.get(parts.hostname, parts.hostname)  # noqa: S104
    path = parts.path.rstrip("/").removesuffix("/v1")
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}{path}"


def _is_here(root: str) -> bool:
    host = urlsplit(root).hostname or ""
    if host == _CONTAINER_HOST:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
