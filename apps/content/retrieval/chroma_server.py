"""The process that owns the vector store's folder: `python -m apps.content.retrieval.chroma_server --path … --port …`.

Two processes on one folder lose vectors without any error, so this one takes a lock on the folder first and keeps it
as long as it lives; a second one is refused. Then a child opens the store and asks each collection a question: a broken
index ends the child, not the service, and its folder is put aside, because every vector can be made again from the
database. No file may grow beyond a limit while the server runs: a damaged index was once seen to write a file of terabytes.

The server itself is Chroma's own, started through its native library. `chroma run` starts the same one after importing
the Python package: 114 MB and 2.5 s, against 38 MB and 0.5 s.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

LOCK_NAME = ".aiwriter.lock"
EXIT_HELD = 75
EXIT_SETTINGS = 78
FILE_BYTES = 16 * 2**30
_SPARSE_FROM = 256 * 2**20
_PROBE_SECONDS = 60.0
_PROBE_COLLECTIONS = 50


@dataclass(frozen=True, slots=True)
class StoreLock:
    """Who owns a store's folder. `pid` is 0 when unknown; `detail` is a sentence with the remedy."""

    held: bool
    pid: int
    detail: str


@dataclass(frozen=True, slots=True)
class StoreReport:
    """The files of a store: `size` in bytes as allocated, the largest file and its apparent size."""

    ok: bool
    size: int
    largest: str
    largest_bytes: int
    detail: str


def server_command(path: Path | str, host: str, port: int) -> list[str]:
    """The command that starts this module, for a supervisor. Run it in the folder of the portal."""
    module = "apps.content.retrieval.chroma_server"
    return [sys.executable, "-m", module, "--path", str(path), "--host", host, "--port", str(port)]


def server_environment() -> dict[str, str]:
    """Variables to set for the server: no reports to anybody, quiet logs."""
    return {
        "ANONYMIZED_TELEMETRY": "False",
        "CHROMA_ALLOW_RESET": "False",
        "OTEL_SDK_DISABLED": "true",
        "RUST_LOG": "warn",
        "NO_COLOR": "1",
    }


def check_store_lock(path: Path | str) -> StoreLock:
    """Does a process own this folder now? Takes no lock and leaves no trace."""
    lock = Path(path) / LOCK_NAME
    try:
        with lock.open("r", encoding="ascii", errors="replace") as file:
            pid = _pid(file)
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return StoreLock(True, pid, _refusal(Path(path), pid))
            fcntl.flock(file, fcntl.LOCK_UN)
    except OSError:
        return StoreLock(False, 0, "Nobody owns the store.")
    return StoreLock(False, 0, "Nobody owns the store.")


def store_report(path: Path | str) -> StoreReport:
    """Look at the sizes of a store's files, without opening it. Also for a watchdog while the server runs."""
    size = largest_bytes = 0
    largest = ""
    detail = ""
    for file in Path(path).rglob("*"):
        try:
            facts = file.stat()
        except OSError:
            continue
        if not file.is_file():
            continue
        size += facts.st_blocks * 512
        if facts.st_size > largest_bytes:
            largest, largest_bytes = str(file.relative_to(path)), facts.st_size
        holes = facts.st_size > _SPARSE_FROM and facts.st_size > 20 * max(1, facts.st_blocks * 512)
        if facts.st_size >= FILE_BYTES or holes:
            detail = f"{file.name} has grown to {facts.st_size / 2**30:,.1f} GiB; the index is damaged."
    return StoreReport(not detail, size, largest, largest_bytes, detail)


def take_lock(path: Path) -> IO[str]:
    """Own a store's folder as long as the returned file is open.

    Raises:
        BlockingIOError: another process owns it; the message says what to do.
    """
    path.mkdir(parents=True, exist_ok=True)
    file = (path / LOCK_NAME).open("a+", encoding="ascii", errors="replace")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        message = _refusal(path, _pid(file))
        file.close()
        raise BlockingIOError(message) from error
    file.seek(0)
    file.truncate()
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def _pid(file: IO[str]) -> int:
    text = file.readline().strip()
    return int(text) if text.isdigit() else 0


def _refusal(path: Path, pid: int) -> str:
    owner = f"process {pid}" if pid else "another process"
    return (
        f"The vector store in {path} is in use by {owner}. Two processes on one store lose vectors, so this one does not "
        f"start. Use the running server, or stop {owner} first."
    )


def serve(path: Path, host: str, port: int) -> int:
    """Become the server. Returns an exit code; never 0 while the server could run on."""
    import chromadb_rust_bindings

    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    # Python's handlers do not run while native code does: with the default ones the signals end the process at once.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    os.environ.update(server_environment())  # noqa: TID251
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # a banner and an advertisement
    chromadb_rust_bindings.cli(["chroma", "run", "--path", str(path), "--host", host, "--port", str(port)])
    return 1


def probe(path: Path) -> str:
    """Open a store in a child process and question its collections. Returns what is wrong, or an empty text."""
    report = store_report(path)
    if not report.ok:
        return report.detail
    if not (path / "chroma.sqlite3").exists():
        return ""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    child = subprocess.Popen(
        [*server_command(path, "127.0.0.1", port), "--child"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    try:
        return _question(child, port)
    finally:
        child.terminate()
        try:
            child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _question(child: subprocess.Popen[bytes], port: int) -> str:
    from apps.content.retrieval.chroma_wire import ChromaError, ChromaWire

    wire = ChromaWire(f"http://127.0.0.1:{port}")
    deadline = time.monotonic() + _PROBE_SECONDS
    while True:
        if child.poll() is not None:
            return f"The store cannot be opened (the probe ended with {child.returncode})."
        try:
            wire.call("GET", "/api/v2/heartbeat")
            break
        except ChromaError:
            if time.monotonic() > deadline:
                return "The store cannot be opened (the probe does not answer)."
            time.sleep(0.05)
    try:
        collections = wire.call("GET", f"{wire.base}/collections?limit={_PROBE_COLLECTIONS}")
        for row in collections:
            dimension = row.get("dimension")
            if dimension and time.monotonic() < deadline:
                body = {"query_embeddings": [[1.0] + [0.0] * (dimension - 1)], "n_results": 1, "include": []}
                wire.call("POST", f"{wire.base}/collections/{row['id']}/query", body)
    except ChromaError as error:
        if child.poll() is not None:
            return f"A collection ended the probe ({child.returncode})."
        return f"A collection cannot be searched: {error}"
    return ""


def put_aside(path: Path, reason: str) -> Path:
    """Move what is in a store's folder to a folder beside it; only the latest of these is kept.

    Returns:
        where it went.
    """
    for old in path.parent.glob(f"{path.name}.broken-*"):
        shutil.rmtree(old, ignore_errors=True)
    target = path.with_name(f"{path.name}.broken-{int(time.time())}")
    target.mkdir()
    for entry in path.iterdir():
        if entry.name != LOCK_NAME:
            entry.rename(target / entry.name)
    (target / "reason.txt").write_text(reason + "\n", encoding="utf-8")
    return target


def main(arguments: list[str] | None = None) -> int:
    """Lock, probe, serve. Returns an exit code of sysexits."""
    parser = argparse.ArgumentParser(prog="chroma_server", description="Owns and serves the vector store.")
    parser.add_argument("--path", required=True, type=Path)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    path: Path = options.path.resolve()
    if options.child:  # the parent holds the lock for both
        return serve(path, options.host, options.port)
    try:
        lock = take_lock(path)
    except BlockingIOError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return EXIT_HELD
    except OSError as error:
        print(f"The vector store's folder {path} cannot be used: {error.strerror}.", file=sys.stderr)  # noqa: T201
        return EXIT_SETTINGS
    wrong = probe(path)
    if wrong:
        target = put_aside(path, wrong)
        print(  # noqa: T201
            f"{wrong} It was moved to {target}; the index is made again from the database.", file=sys.stderr, flush=True
        )
    with lock:
        return serve(path, options.host, options.port)


if __name__ == "__main__":
    sys.exit(main())
