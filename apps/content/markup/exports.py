"""Documents as Markdown and HTML files, with the list of their sources."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from apps.content.markup.markdown import to_html
from apps.content.markup.pictures import Pictures

_STYLE = (
    "body{font:1.05rem/1.6 Georgia,'Times New Roman',serif;max-width:42rem;margin:3rem auto;padding:0 1rem;color:#1a1a1a}"
    "h1,h2,h3,h4,h5,h6{line-height:1.25;font-family:system-ui,sans-serif}"
    "pre{background:#f4f4f2;padding:1rem;overflow-x:auto}code{font-family:ui-monospace,monospace;font-size:.9em}"
    "blockquote{border-left:3px solid #ccc;margin-left:0;padding-left:1rem;color:#444}"
    "table{border-collapse:collapse}th,td{border:1px solid #ccc;padding:.3rem .6rem;text-align:left}img{max-width:100%}"
    "sup.cite{line-height:0}.note{color:#666;font-size:.85em}:target{background:#fff6c9}"
    "@media print{body{margin:0}}"
)
_TAG = re.compile(r"(<[^>]*>)")
_MARKER = re.compile(r"\[(\d{1,4})\]")
_SILENT = ("code", "pre", "a")


@dataclass(frozen=True, slots=True)
class Reference:
    """An entry of the list of sources.

    Args:
        marker: without brackets.
        title: of the source.
        locator: where in it.
        quote: what it says.
        verified: whether the quote was found in it.
    """

    marker: str
    title: str
    locator: str = ""
    quote: str = ""
    verified: bool = True

    @property
    def line(self) -> str:
        """The entry as plain text."""
        where = f", {self.locator}" if self.locator else ""
        return f"{self.title}{where}{'' if self.verified else ' (not verified)'}"


def markdown_file(
    title: str, body: str, references: Sequence[Reference], *, note: str = "", names: dict[str, str] | None = None
) -> str:
    """The document as Markdown; the title is a heading unless the text begins with it.

    Args:
        title: of the document.
        body: Markdown.
        references: the list of sources.
        note: how the text came to be, at the end.
        names: addresses of pictures and the paths that they have beside the file.
    """
    for address, path in (names or {}).items():
        body = body.replace(f"]({address}", f"]({path}").replace(f"](<{address}>", f"]({path}")
    text = body if _has_title(title, body) else f"# {title}\n\n{body}"
    if references:
        entries = "\n".join(
            f"- [{entry.marker}] {entry.line}" + (f" — “{entry.quote}”" if entry.quote else "") for entry in references
        )
        text = f"{text.rstrip()}\n\n## Sources\n\n{entries}\n"
    return f"{text.rstrip()}\n\n*{note}*\n" if note else text


def html_file(
    title: str,
    body: str,
    references: Sequence[Reference],
    *,
    language: str = "en",
    pictures: Pictures | None = None,
    note: str = "",
) -> str:
    """The document as one web page that needs nothing else: pictures are inside, markers lead to their source.

    Args:
        title: of the document.
        body: Markdown.
        references: the list of sources.
        language: language tag.
        pictures: by address.
        note: how the text came to be, at the end.
    """
    heading = "" if _has_title(title, body) else f"<h1>{html.escape(title)}</h1>\n"
    text = body_html(body, references)
    for address, picture in (pictures or {}).items():
        text = text.replace(f'src="{html.escape(address, quote=True)}"', f'src="{picture.data_address}"')
    foot = f'<p class="note">{html.escape(note)}</p>\n' if note else ""
    return (
        f'<!doctype html>\n<html lang="{html.escape(language, quote=True)}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"{heading}{text}{foot}</body>\n</html>\n"
    )


def body_html(body: str, references: Sequence[Reference]) -> str:
    """The text alone as safe HTML, with its markers linked to the list of sources at the end."""
    text = _linked(to_html(body), {entry.marker for entry in references})
    if references:
        entries = "\n".join(
            f'<li value="{int(entry.marker)}" id="source-{int(entry.marker)}">{html.escape(entry.line)}'
            + (f"<br><small>{html.escape(entry.quote)}</small>" if entry.quote else "")
            + "</li>"
            for entry in references
        )
        text += f"<h2>Sources</h2>\n<ol>\n{entries}\n</ol>\n"
    return text


def without_title(title: str, body: str) -> str:
    """The text without a first heading that says the title again."""
    return body.lstrip().partition("\n")[2].lstrip("\n") if _has_title(title, body) else body


def _linked(text: str, known: set[str]) -> str:
    """Markers as links to the list below; inside code and links they stay as they are."""
    pieces: list[str] = []
    silent = 0
    for piece in _TAG.split(text):
        if piece.startswith("<"):
            words = piece.strip("</>").split()
            if words and words[0].lower() in _SILENT:
                silent += -1 if piece.startswith("</") else 1
        elif not silent:
            piece = _MARKER.sub(lambda match: _anchor(match, known), piece)
        pieces.append(piece)
    return "".join(pieces)


def _anchor(match: re.Match[str], known: set[str]) -> str:
    marker = match[1]
    return f'<sup class="cite"><a href="#source-{int(marker)}">[{marker}]</a></sup>' if marker in known else match[0]


def _has_title(title: str, body: str) -> bool:
    return body.lstrip().partition("\n")[0].strip() == f"# {title}"
