"""A ClamAV daemon as far as its protocol goes: zPING, zVERSION, zINSTREAM over TCP or a local socket.

It finds what holds EICAR's test text. Its answers are those of clamd 1.4.6, which they were compared with.
"""

from __future__ import annotations

import socketserver
import struct
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


class FakeClamd:
    """Listens on the loopback address, or on a socket file.

    Args:
        path: of the socket; TCP when left out.
        signatures: what VERSION tells after the engine.
        largest: bytes after which it refuses a file, as StreamMaxLength does.

    Attributes:
        scanned: sizes of the files that came.
    """

    def __init__(self, path: Path | None = None, *, signatures: str = "", largest: int = 25_000_000) -> None:
        self.signatures, self.largest, self.scanned = signatures, largest, list[int]()
        fake = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                fake._handle(self.rfile, self.wfile)

        kinds: Any = socketserver
        if path is None:
            self._server = kinds.ThreadingTCPServer(("127.0.0.1", 0), Handler)
            self.address = f"tcp://127.0.0.1:{self._server.server_address[1]}"
        else:
            self._server = kinds.ThreadingUnixStreamServer(str(path), Handler)
            self.address = f"unix:{path}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handle(self, incoming: Any, out: Any) -> None:
        command = b""
        while not command.endswith(b"\0"):
            command += incoming.read(1)
        if command == b"zPING\0":
            out.write(b"PONG\0")
        elif command == b"zVERSION\0":
            out.write(f"ClamAV 1.4.6{self.signatures}".encode() + b"\0")
        elif command == b"zINSTREAM\0":
            out.write(self._scan(incoming) + b"\0")
        else:
            out.write(b"UNKNOWN COMMAND\0")

    def _scan(self, incoming: Any) -> bytes:
        data = b""
        while size := struct.unpack("!L", incoming.read(4))[0]:
            data += incoming.read(size)
            if len(data) > self.largest:
                return b"INSTREAM size limit exceeded. ERROR"
        self.scanned.append(len(data))
        return b"stream: Eicar-Signature FOUND" if EICAR in data else b"stream: OK"
