"""A fake provider of language models on the loopback address: OpenAI, Anthropic and Gemini over the real wire.

    with FakeProvider() as fake:
        fake.behave("fake-large", words=500, tps=50, cut=120)
        ...  # base URLs: fake.openai_url, fake.anthropic_url, fake.gemini_url
        assert fake.log()[0]["tokens_sent"] == 120

or as a program, for load tests and for demonstrations: `python -m tests.fakes.provider --port 8099`.
A behaviour can also stand in a model's name, "fake:words=500,tps=50", or in the header X-Fake. Words are numbered, so
that a gap or a double in a text shows, and a text that was begun is continued with the next number.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.fakes.behaviour import Behaviour
from tests.fakes.ledger import Ledger
from tests.fakes.routes import MODELS, Routes
from tests.fakes.server import Connection

_BACKLOG = 4096
_ROOT = Path(__file__).resolve().parents[2]


class FakeProvider:
    """Runs in a thread of the test, or in a process of its own when the test measures times or holds many streams.

    Args:
        keys: keys that are accepted; empty accepts every key but those that begin with "wrong", and none at all.
        models: names in the lists of models; other names are answered as well, but for those that begin with "missing".
        identity: also answer the own paths of a local server: ollama, llamacpp, vllm or lmstudio.
        process: run in a process of its own.
        port: 0 takes a free one.
        host: another address to listen on than the loopback one, for clients in containers.
        behaviour: of models that have none of their own; see `Behaviour`.
    """

    def __init__(
        self,
        *,
        keys: tuple[str, ...] = (),
        models: tuple[str, ...] = MODELS,
        identity: str = "",
        process: bool = False,
        port: int = 0,
        host: str = "127.0.0.1",
        **behaviour: object,
    ) -> None:
        self._options: dict[str, Any] = {"keys": keys, "models": models, "identity": identity}
        self._default = Behaviour().changed(behaviour)
        self._behaviour = behaviour
        self._in_process = process
        self.port, self._host = port, host
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self._stop: Callable[[], object] = lambda: None

    @property
    def url(self) -> str:
        """ "http://127.0.0.1:port"; also the base URL of the Anthropic wire."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def openai_url(self) -> str:
        """Base URL of the OpenAI wire."""
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        """Base URL of the Anthropic wire."""
        return self.url

    @property
    def gemini_url(self) -> str:
        """Base URL of the Gemini wire."""
        return f"{self.url}/v1beta"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen; returns when requests are answered."""
        if self._in_process:
            self._start_process()
        else:
            ready = threading.Event()
            self._thread = threading.Thread(target=self._run_thread, args=(ready,), name="fake-provider", daemon=True)
            self._thread.start()
            if not ready.wait(10):
                raise RuntimeError("the fake provider did not start within 10 seconds")

    def _start_process(self) -> None:
        options = [f"--{name}={','.join(v) if isinstance(v, tuple) else v}" for name, v in self._options.items() if v]
        wish = ",".join(f"{name}={value}" for name, value in self._behaviour.items())
        command = [sys.executable, "-m", "tests.fakes.provider", f"--port={self.port}", f"--behaviour={wish}"]
        command += [f"--host={self._host}", *options]
        self._process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the fake provider ended with code {self._process.wait()}")
        self.port = int(line.rsplit(":", 1)[1])

    def _run_thread(self, ready: threading.Event) -> None:
        asyncio.run(self._serve_in_thread(ready))

    async def _serve_in_thread(self, ready: threading.Event) -> None:
        loop, end = asyncio.get_running_loop(), asyncio.Event()
        self._stop = lambda: loop.call_soon_threadsafe(end.set)
        server, peers = await listen(self.port, self._default, host=self._host, **self._options)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await end.wait()
        await _close(server, peers)

    def stop(self) -> None:
        """Close all connections and end."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            assert self._process.stdout is not None
            self._process.stdout.close()
        elif self._thread is not None:
            self._stop()
            self._thread.join(10)

    def behave(self, model: str = "*", **behaviour: object) -> None:
        """Set how a model answers from now on; "*" for all models that have no behaviour of their own."""
        self._admin("POST", "/__behaviour", {"model": model, "behaviour": behaviour})

    def log(self, *, model: str = "", texts: bool = False) -> list[dict[str, Any]]:
        """Every request so far (see `Entry`), of one model where one is named; `texts` leaves out all else."""
        entries: list[dict[str, Any]] = self._admin("GET", "/__log")["requests"]
        return [e for e in entries if (not model or e["model"] == model) and (not texts or e["wire"])]

    def live(self) -> int:
        """Streams that are open now."""
        count: int = self._admin("GET", "/__live")["live"]
        return count

    def peak(self) -> int:
        """Most streams that were open at once."""
        count: int = self._admin("GET", "/__log")["peak"]
        return count

    def connections(self) -> int:
        """Connections so far, the one of this question included."""
        count: int = self._admin("GET", "/__log")["connections"]
        return count

    def reset(self) -> None:
        """Forget all requests and all behaviours set by `behave`."""
        self._admin("DELETE", "/__log")

    def wait(self, condition: Callable[[list[dict[str, Any]]], bool], *, seconds: float = 5.0) -> list[dict[str, Any]]:
        """The log as soon as it fulfils the condition.

        Raises:
            TimeoutError: it did not in that time.
        """
        end = time.monotonic() + seconds
        while not condition(entries := self.log()):
            if time.monotonic() > end:
                raise TimeoutError(f"the fake provider's log did not come to it in {seconds} s: {entries}")
            time.sleep(0.02)
        return entries

    def _admin(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            result: dict[str, Any] = json.load(answer)
            return result


async def listen(
    port: int, default: Behaviour, *, host: str, keys: tuple[str, ...], models: tuple[str, ...], identity: str
) -> tuple[asyncio.Server, set[Connection]]:
    """Open the port; gives the server and the connections that are open, kept up to date."""
    ledger, peers = Ledger(default), set[Connection]()
    routes = Routes(ledger, keys=keys, models=models, identity=identity)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(ledger, routes, peers), host, port, backlog=_BACKLOG, reuse_address=True
    )
    return server, peers


async def _close(server: asyncio.Server, peers: set[Connection]) -> None:
    # Clients may keep idle connections or wait for a silent answer: they learn of the end as of a provider's crash.
    server.close()
    for peer in tuple(peers):
        peer.transport.abort()
    await asyncio.sleep(0)


async def serve(port: int, host: str, behaviour: str, keys: str, models: str, identity: str) -> None:
    """Run until SIGTERM or Ctrl-C; the first line of output names the address."""
    loop, end = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    names = tuple(filter(None, models.split(","))) or MODELS
    accepted = tuple(filter(None, keys.split(",")))
    answers = Behaviour().changed(behaviour)
    server, peers = await listen(port, answers, host=host, keys=accepted, models=names, identity=identity)
    sys.stdout.write(f"fake provider on http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await end.wait()
    await _close(server, peers)


def main() -> None:
    """Entry of `python -m tests.fakes.provider`."""
    parser = argparse.ArgumentParser(description="A fake provider of language models for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--behaviour", default="", help="such as words=500,tps=50")
    parser.add_argument("--keys", default="", help="accepted keys, with commas between them")
    parser.add_argument("--models", default="", help="names in the lists of models, with commas between them")
    parser.add_argument("--identity", default="", help="ollama, llamacpp, vllm or lmstudio")
    asyncio.run(serve(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
