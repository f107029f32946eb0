"""The process that reads files: `python -m apps.content.parsing.child`.

It limits itself before it reads the first byte of anybody's file: address space, processor time for each file, no
file may be written, no core dump, few open files. It gets an empty environment, so that there is no secret to find.
Requests are lines of JSON on standard input; each answer is an eight-byte length and JSON on standard output. It ends by
itself when it is not used for a minute or its parent goes away.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import sys
from pathlib import Path
from typing import Any

from apps.content.parsing.builder import TextBuilder, squeeze
from apps.content.parsing.document import Limits, ParsedDocument
from apps.content.parsing.problems import Problem
from apps.content.parsing.sniff import Found, sniff

IDLE_SECONDS = 60
READY = b"ready\n"


def confine(limits: Limits) -> None:
    """Give up what a reader does not need. Cannot be undone by this process for memory and files."""
    # Address space, not resident memory, is what the kernel limits; the interpreter itself maps about 60 MB.
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def allow_processor_time(seconds: int) -> None:
    """The kernel ends this process when it has used that much more."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = int(usage.ru_utime + usage.ru_stime) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = used + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def parse(path: Path, filename: str, content_type: str, limits: Limits) -> ParsedDocument:
    """Read one file in this process, without a guard.

    Raises:
        Problem: it cannot be read.
        MemoryError: it needs more than the process may have.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            head = stream.read(65536)
    except OSError as error:
        raise Problem("missing") from error
    if size == 0:
        raise Problem("empty")
    if size > limits.file_bytes:
        raise Problem("too_large", f"{size / 2**20:,.0f} MB; {limits.file_bytes / 2**20:,.0f} MB are allowed")
    data: bytes | None = None
    if head.startswith(b"\x1f\x8b"):
        from apps.content.parsing.archives import gunzip

        data = gunzip(path, limits)
        head = data[:65536]
        filename = filename[:-3] if filename.lower().endswith(".gz") else filename
        if head.startswith((b"PK", b"%PDF-", b"\x1f\x8b")):
            raise Problem("unsupported", "a packed file inside a packed file", remedy="Unpack it and upload that.")
    found = sniff(path, filename, content_type, head)
    builder = TextBuilder(limits)
    _read(found, path, data, builder, limits)
    stem = squeeze(filename.replace("\\", "/").rsplit("/", 1)[-1])
    stem = stem.rsplit(".", 1)[0] if "." in stem[1:] else stem
    return builder.finish(kind=found.kind, mime=found.mime, fallback_title=stem or "Untitled")


def _read(found: Found, path: Path, data: bytes | None, builder: TextBuilder, limits: Limits) -> None:
    match found.kind:
        case "pdf":
            from apps.content.parsing.pdf import read_pdf

            read_pdf(path, builder, limits)
        case "docx":
            from apps.content.parsing.office import read_docx

            read_docx(path, builder, limits)
        case "odt":
            from apps.content.parsing.office import read_odt

            read_odt(path, builder, limits)
        case "epub":
            from apps.content.parsing.epub import read_epub

            read_epub(path, builder, limits)
        case "html":
            from apps.content.parsing.html import read_html

            read_html(path.read_bytes() if data is None else data, builder)
        case _:
            from apps.content.parsing.plaintext import decode, read_text

            text = decode(path.read_bytes() if data is None else data, builder)
            if found.kind == "markdown":
                from apps.content.parsing.markdown import read_markdown

                read_markdown(text, builder)
            elif found.kind == "csv":
                from apps.content.parsing.tables import read_csv

                read_csv(text, builder)
            else:
                read_text(text, builder)


def resident_bytes() -> int:
    """Memory in use now; 0 where the system does not tell. (ru_maxrss would count the parent's, from before exec.)"""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()
    except (OSError, IndexError, ValueError):
        return 0


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The reply to one request; problems are part of it."""
    limits = Limits(**request["limits"])
    allow_processor_time(limits.cpu_seconds)
    try:
        document = parse(Path(request["path"]), request["filename"], request["content_type"], limits)
        return {"document": document.as_json()}
    except Problem as problem:
        return {"problem": [problem.reason, problem.detail, problem.remedy]}
    except (MemoryError, RecursionError):
        return {"problem": ["out_of_memory", "", ""]}
    except Exception as error:  # noqa: BLE001
        # Whatever a parser library raises over a strange file is an answer about the file, not a fault of the portal.
        return {"problem": ["crashed", type(error).__name__, ""]}


def main() -> None:
    """Answer requests until the parent closes the pipe or nobody asks for a minute."""
    requests = sys.stdin.buffer
    # Libraries that print must not get between the answers.
    replies = os.fdopen(os.dup(1), "wb")
    confine(Limits(**json.loads(sys.argv[1])))
    replies.write(READY)
    replies.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    while select.select([requests], [], [], IDLE_SECONDS)[0]:
        line = requests.readline()
        if not line:
            return
        reply = answer(json.loads(line))
        reply["resident"] = resident_bytes()
        try:
            payload = json.dumps(reply, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
        except MemoryError:
            payload = b'{"problem":["out_of_memory","",""],"resident":0}'
        replies.write(len(payload).to_bytes(8, "big"))
        replies.write(payload)
        replies.flush()
        del reply, payload
        gc.collect()


if __name__ == "__main__":
    main()
