"""`python -m aiwriter.web`: one web process, as every way to run the portal starts it."""

from __future__ import annotations

import argparse
from types import FrameType

import uvicorn

from aiwriter import env
from aiwriter.core import draining


class Server(uvicorn.Server):
    """Uvicorn's, which tells the streams that the end has begun."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM or SIGINT: no new connection, and so many seconds for those that are open."""
        if not self.should_exit:
            draining.begin(float(self.config.timeout_graceful_shutdown or 0))
        super().handle_exit(sig, frame)


def main() -> int:
    """Serve until a signal comes. Returns the exit code."""
    values = env.load()
    parser = argparse.ArgumentParser(prog="python -m aiwriter.web", description=__doc__)
    parser.add_argument("--host", default=values["AIWRITER_HOST"])
    parser.add_argument("--port", type=int, default=values["AIWRITER_PORT"])
    parser.add_argument("--drain", type=int, default=values["AIWRITER_DRAIN_SECONDS"], help="seconds for open streams")
    given = parser.parse_args()
    config = uvicorn.Config(
        "aiwriter.asgi:application",
        host=given.host,
        port=given.port,
        # Longer than clients and proxies keep a connection (httpx and the openai package 5 s, nginx 60 s): whoever closes
        # first while the other one sends breaks that request, and uvicorn's own 5 s did so in a measurement.
        timeout_keep_alive=75,
        # Proxy headers are judged by aiwriter.core.clients alone, so uvicorn must not rewrite addresses first.
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=given.drain,
        log_level="warning",
    )
    server = Server(config)
    server.run()
    return 0 if server.started else 3


if __name__ == "__main__":
    raise SystemExit(main())
