"""Pictures that a text shows and the portal keeps."""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from markdown_it.token import Token

# What every reader of Word files, PDF and web pages can show; others are named in the text instead.
ENDINGS = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp"}
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_OWN = re.compile(rf"/pictures/{_ID.pattern}", re.IGNORECASE)
_SIGNATURES = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture's bytes.

    Args:
        content: the file.
        content_type: one of `ENDINGS`, judged by the bytes.
        name: a file name without folders.
    """

    content: bytes
    content_type: str
    name: str

    @property
    def data_address(self) -> str:
        """The picture as an address that holds it."""
        return f"data:{self.content_type};base64,{base64.b64encode(self.content).decode('ascii')}"


Pictures = Mapping[str, Picture]


def kind_of(content: bytes) -> str:
    """The type of a picture by its first bytes; "" when it is none that can be taken along."""
    for signature, kind in _SIGNATURES:
        if content.startswith(signature):
            return kind
    return "image/webp" if content[:4] == b"RIFF" and content[8:12] == b"WEBP" else ""


def addresses_in(tokens: Iterable[Token]) -> Iterator[str]:
    """Where the pictures of a parsed text lie, in the order of the text."""
    for token in tokens:
        for child in token.children or ():
            if child.type == "image":
                yield str(child.attrs.get("src", ""))


def alt_of(token: Token) -> str:
    """What a picture is said to show, in plain words: its token holds the Markdown, with marks and backslashes."""
    said = "".join(" " if child.type.endswith("break") else child.content for child in token.children or ())
    return " ".join(said.split())


def alts_in(tokens: Iterable[Token]) -> dict[str, str]:
    """What the pictures of a parsed text are said to show, by address."""
    found: dict[str, str] = {}
    for token in tokens:
        for child in token.children or ():
            if child.type == "image":
                found.setdefault(str(child.attrs.get("src", "")), alt_of(child))
    return found


def named_in(body: str) -> set[str]:
    """The addresses of the portal's own pictures in a Markdown text."""
    return set(_OWN.findall(body))


def kept_file_id(address: str) -> uuid.UUID | None:
    """The id of the portal's own file that an address names; None when it leads elsewhere."""
    if not address.startswith("/") or address.startswith("//"):
        return None
    found = _ID.findall(address)
    return uuid.UUID(found[-1]) if found else None
