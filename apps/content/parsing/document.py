"""What a parser returns, and the limits it works under. Plain values that travel as JSON between child and parent."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

BlockKind = Literal["heading", "paragraph", "item", "table", "code", "quote"]


class Heading(NamedTuple):
    """A heading: `level` 1 is the highest, `start` its first character in the text."""

    level: int
    text: str
    start: int


class PageStart(NamedTuple):
    """Page `number` begins at character `start`."""

    start: int
    number: int


class Block(NamedTuple):
    """A piece of the text that belongs together, from character `start` to before `end`."""

    kind: BlockKind
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one file may cost.

    Args:
        file_bytes: size of the file as it was uploaded.
        expanded_bytes: sum of what an archive (docx, odt, epub, gz) unpacks to.
        entries: files inside an archive.
        ratio: unpacked size over packed size of an archive entry above one megabyte.
        text_chars: characters of text found.
        pages: pages of a PDF.
        memory_bytes: address space of the child.
        cpu_seconds: processor time for one file.
        wall_seconds: time for one file.
    """

    file_bytes: int = 100 * 2**20
    expanded_bytes: int = 200 * 2**20
    entries: int = 10_000
    ratio: int = 200
    text_chars: int = 10_000_000
    pages: int = 5_000
    memory_bytes: int = 512 * 2**20
    cpu_seconds: int = 120
    wall_seconds: int = 240

    def as_json(self) -> dict[str, int]:
        """For the request to the child."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedDocument:
    """A file as text.

    Args:
        kind: "text", "markdown", "html", "docx", "odt", "epub", "pdf" or "csv".
        mime: the type that was found by looking into the file.
        title: from the file's own data, its first heading, or its name.
        text: normalised: NFC, "\\n" line ends, blocks separated by one empty line, no control characters.
        headings, pages, blocks: where things stand in `text`.
        warnings: sentences for the writer about what was left out.
    """

    kind: str
    mime: str
    title: str
    text: str
    headings: tuple[Heading, ...] = ()
    pages: tuple[PageStart, ...] = ()
    blocks: tuple[Block, ...] = field(default=(), repr=False)
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For the answer to the parent."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ParsedDocument:
        """Rebuild what `as_json` gave, after a trip through JSON."""
        return cls(
            kind=str(data["kind"]),
            mime=str(data["mime"]),
            title=str(data["title"]),
            text=str(data["text"]),
            headings=tuple(Heading(*row) for row in data["headings"]),
            pages=tuple(PageStart(*row) for row in data["pages"]),
            blocks=tuple(Block(*row) for row in data["blocks"]),
            warnings=tuple(data["warnings"]),
        )
