"""Markdown in and out: CommonMark with tables and strikethrough, and nothing that Markdown cannot say.

HTML inside Markdown is off, and what comes out is cleaned once more: model output and uploads are untrusted, and one of
the two layers may have a hole one day.
"""

from __future__ import annotations

import re

import nh3
from markdown_it import MarkdownIt

from apps.content.markup.from_html import convert

_parser = MarkdownIt("commonmark", {"html": False, "linkify": False, "typographer": False})
_parser.enable(["table", "strikethrough"])

_TAGS = {
    *("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "hr", "br"),
    *("table", "thead", "tbody", "tr", "th", "td", "strong", "b", "em", "i", "s", "del", "strike", "code", "a", "img"),
}
_ATTRIBUTES = {"a": {"href", "title"}, "img": {"src", "alt", "title"}, "code": {"class"}, "ol": {"start"}}
_SCHEMES = {"http", "https", "mailto"}
# C0 and C1 controls but tab and newline, and the two Unicode line ends: PostgreSQL refuses NUL, and the others are
# line ends to some programs and not to others.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_WORD = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]|[^\\W_\u3040-\u30ff\u3400-\u9fff]+(?:['’\\-.][^\\W_]+)*"
)
_ROUNDS = 6


def clean_text(text: str) -> str:
    """Text that every part can keep: line ends are "\\n", control characters are gone."""
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def clean_piece(text: str) -> str:
    """The same for a piece of a text that is still arriving; a line end may be cut in two, so every "\\r" goes."""
    return _CONTROLS.sub("", text)


def clean_html(html: str) -> str:
    """HTML with only the elements and addresses that Markdown can name; scripts and styles go with their content."""
    return nh3.clean(
        html, tags=_TAGS, attributes=_ATTRIBUTES, url_schemes=_SCHEMES, link_rel="noopener noreferrer nofollow"
    )


def to_html(markdown: str) -> str:
    """Safe HTML of a Markdown text."""
    return clean_html(_parser.render(markdown))


def to_markdown(html: str) -> str:
    """Markdown of any HTML, such as an editor's; what Markdown cannot say is dropped, its text is kept."""
    return settle(convert(clean_html(clean_text(html))))


def normalise(markdown: str) -> str:
    """The one way in which we would write this text; normalising twice changes nothing."""
    return settle(clean_text(markdown))


def settle(markdown: str) -> str:
    """Write the text anew until that changes nothing.

    One round is enough for all but odd cases such as emphasis around punctuation, where the first round writes marks
    that the second reads as plain characters.
    """
    for _ in range(_ROUNDS):
        again = convert(to_html(markdown))
        if again == markdown:
            return markdown
        markdown = again
    return markdown


def word_count(markdown: str) -> int:
    """Words, roughly as a word processor counts them; a Chinese or Japanese character is one."""
    return sum(1 for _ in _WORD.finditer(markdown))


def parse(markdown: str) -> list[object]:
    """The tokens of a Markdown text, for exporters."""
    return list(_parser.parse(markdown))
