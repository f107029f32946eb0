"""Documents as Markdown and HTML files, with the list of their sources."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from apps.content.markup.markdown import to_html

_STYLE = (
    "body{font:1.05rem/1.6 Georgia,'Times New Roman',serif;max-width:42rem;margin:3rem auto;padding:0 1rem;color:#1a1a1a}"
    "h1,h2,h3,h4,h5,h6{line-height:1.25;font-family:system-ui,sans-serif}"
    "pre{background:#f4f4f2;padding:1rem;overflow-x:auto}code{font-family:ui-monospace,monospace;font-size:.9em}"
    "blockquote{border-left:3px solid #ccc;margin-left:0;padding-left:1rem;color:#444}"
    "table{border-collapse:collapse}th,td{border:1px solid #ccc;padding:.3rem .6rem;text-align:left}img{max-width:100%}"
    "@media print{body{margin:0}}"
)


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


def markdown_file(title: str, body: str, references: Sequence[Reference]) -> str:
    """The document as Markdown; the title is a heading unless the text begins with it."""
    text = body if _has_title(title, body) else f"# {title}\n\n{body}"
    if references:
        entries = "\n".join(f"- [{entry.marker}] {entry.line}" for entry in references)
        text = f"{text.rstrip()}\n\n## Sources\n\n{entries}\n"
    return text


def html_file(title: str, body: str, references: Sequence[Reference], *, language: str = "en") -> str:
    """The document as one web page that needs nothing else."""
    heading = "" if _has_title(title, body) else f"<h1>{html.escape(title)}</h1>\n"
    sources = ""
    if references:
        entries = "\n".join(
            f'<li value="{int(entry.marker)}">{html.escape(entry.line)}'
            + (f"<br><small>{html.escape(entry.quote)}</small>" if entry.quote else "")
            + "</li>"
            for entry in references
        )
        sources = f"<h2>Sources</h2>\n<ol>\n{entries}\n</ol>\n"
    return (
        f'<!doctype html>\n<html lang="{html.escape(language, quote=True)}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"{heading}{to_html(body)}{sources}</body>\n</html>\n"
    )


def _has_title(title: str, body: str) -> bool:
    return body.lstrip().partition("\n")[0].strip() == f"# {title}"
