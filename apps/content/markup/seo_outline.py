"""What search engine rules look at: the parts of a text, and structured data made of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from markdown_it.token import Token

from apps.content.markup.markdown import parse, word_count

_QUESTION = re.compile(r"\?\s*$")


@dataclass(slots=True)
class Outline:
    """What a text consists of: headings, paragraphs, links, pictures, answered questions."""

    headings: list[tuple[int, str, int]] = field(default_factory=list)  # level, text, words until the next heading
    paragraphs: list[str] = field(default_factory=list)
    links: list[dict[str, Any]] = field(default_factory=list)
    images: list[dict[str, str]] = field(default_factory=list)
    answers: list[tuple[str, str]] = field(default_factory=list)
    before: int = 0


def read_outline(body: str, own_hosts: Sequence[str]) -> Outline:
    """Read a text once.

    Args:
        body: Markdown.
        own_hosts: hosts whose links count as internal.
    """
    found = Outline()
    tokens = [token for token in parse(body) if isinstance(token, Token)]
    question = ""
    for position, token in enumerate(tokens):
        if token.type != "inline":
            continue
        text = _plain(token)
        opening = tokens[position - 1]
        _collect(token, found, own_hosts)
        if opening.type == "heading_open":
            found.headings.append((int(opening.tag[1]), text, 0))
            question = text if _QUESTION.search(text) else ""
            continue
        count = word_count(text)
        if found.headings:
            level, heading, before = found.headings[-1]
            found.headings[-1] = (level, heading, before + count)
        else:
            found.before += count
        if opening.type == "paragraph_open" and text.strip():
            found.paragraphs.append(text)
            if question:
                found.answers.append((question, text))
                question = ""
    return found


def _collect(token: Token, found: Outline, own_hosts: Sequence[str]) -> None:
    anchor: list[str] | None = None
    address = ""
    for child in token.children or ():
        if child.type == "link_open":
            anchor, address = [], str(child.attrs.get("href", ""))
        elif child.type == "link_close" and anchor is not None:
            host = urlsplit(address).hostname or ""
            found.links.append(
                {"address": address, "text": "".join(anchor).strip(), "internal": not host or host in own_hosts}
            )
            anchor = None
        elif child.type == "image":
            found.images.append({"address": str(child.attrs.get("src", "")), "alt": child.content.strip()})
            if anchor is not None:
                anchor.append(child.content)
        elif anchor is not None:
            anchor.append(child.content)


def _plain(token: Token) -> str:
    return "".join(
        " " if child.type in ("softbreak", "hardbreak") else child.content
        for child in token.children or ()
        if child.type != "image"
    )


def structured_data(
    *, title: str, description: str, language: str, outline: Outline, facts: Mapping[str, str]
) -> dict[str, Any]:
    """JSON-LD of schema.org: an Article, and a FAQPage when at least two headings are answered questions."""
    article: dict[str, Any] = {"@type": "Article", "headline": title[:110], "inLanguage": language}
    if description:
        article["description"] = description
    for name, key in (("datePublished", "published"), ("dateModified", "modified"), ("image", "image"), ("url", "url")):
        if facts.get(key):
            article[name] = facts[key]
    if facts.get("author"):
        article["author"] = {"@type": "Person", "name": facts["author"]}
    graph = [article]
    if len(outline.answers) >= 2:
        graph.append(
            {
                "@type": "FAQPage",
                "mainEntity": [
                    {"@type": "Question", "name": question, "acceptedAnswer": {"@type": "Answer", "text": answer}}
                    for question, answer in outline.answers
                ],
            }
        )
    return {"@context": "https://schema.org", "@graph": graph}


def structured_data_of(
    *, title: str, body: str, description: str = "", language: str = "en", facts: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The same for a text that was not read yet."""
    outline = read_outline(body, ())
    return structured_data(title=title, description=description, language=language, outline=outline, facts=facts or {})
