"""A program on the PATH whose work is done by the test: a process begins and ends for each call, but no Python has to start.

The file is a few lines of bash, which tell their number and say what they are answered. What they were called with, where and with
which variables the test reads from the system itself, so it is what any program would have got. To start Python for each call took
ten times as long as all that was tested.
"""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_CLIENT = """#!/bin/bash
LC_ALL=C
exec 3<>/dev/tcp/127.0.0.1/{port} || exit 125
echo $$ >&3
read -r code out err <&3 || exit 125
read -r -N "$out" said <&3
printf %s "$said"
read -r -N "$err" said <&3
printf %s "$said" >&2
exit "$code"
"""


@dataclass(frozen=True, slots=True)
class Call:
    """How the program was called."""

    words: tuple[str, ...]
    variables: dict[str, str]
    folder: Path


@dataclass(frozen=True, slots=True)
class Answer:
    """What it says, and its code."""

    out: str = ""
    err: str = ""
    code: int = 0


def _entries(path: Path) -> list[str]:
    return path.read_bytes().decode().split("\0")[:-1]


class Program:
    """The program.

    Args:
        path: where its file shall be.
        answer: does its work; one call at a time, which holds `turn`.
    """

    def __init__(self, path: Path, answer: Callable[[Call], Answer]) -> None:
        self.turn = turn = threading.Lock()

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                process = Path("/proc") / self.rfile.readline().decode().strip()
                # bash and the file come first.
                words = tuple(_entries(process / "cmdline")[2:])
                variables = dict(each.split("=", 1) for each in _entries(process / "environ"))
                with turn:
                    found = answer(Call(words, variables, (process / "cwd").readlink()))
                out, err = found.out.encode(), found.err.encode()
                self.wfile.write(f"{found.code} {len(out)} {len(err)}\n".encode() + out + err)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        path.write_text(_CLIENT.format(port=self._server.server_address[1]))
        path.chmod(0o755)

    def close(self) -> None:
        """It answers nobody any more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
