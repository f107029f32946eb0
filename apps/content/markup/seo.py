"""How a text will do in search engines: rules that anybody can check, each with its source, and a score made of them.

The score is the weighted share of rules that hold: full points for "good", half for "fair". It says how much of this list
is done, not how well a page will rank; nobody outside the search engines knows that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from markdown_it.token import Token

from apps.content.markup.markdown import parse, word_count
from apps.content.markup.measures import Measured

State = Literal["good", "fair", "poor", "none"]

TITLE_PIXELS, TITLE_FONT = 580, 20
DESCRIPTION_PIXELS, DESCRIPTION_FONT = 920, 14
DESCRIPTION_LEAST, DESCRIPTION_MOST = 70, 160
SLUG_MOST = 75
_LEAST_WORDS = 300
_SECTION_WORDS = 350
_GOOGLE = "https://developers.google.com/search/docs"
_WCAG = "https://www.w3.org/WAI/WCAG22/Understanding"
SOURCES: Mapping[str, str] = {
    "title": f"{_GOOGLE}/appearance/title-link",
    "description": f"{_GOOGLE}/appearance/snippet",
    "slug": f"{_GOOGLE}/crawling-indexing/url-structure",
    "headings": f"{_WCAG}/info-and-relationships",
    "links": f"{_GOOGLE}/crawling-indexing/links-crawlable",
    "images": f"{_GOOGLE}/appearance/google-images",
    "readability": "https://digital.gov/guides/plain-language/principles/short-simple",
    "keyword": f"{_GOOGLE}/fundamentals/seo-starter-guide",
    "length": f"{_GOOGLE}/fundamentals/creating-helpful-content",
    "structured_data": f"{_GOOGLE}/appearance/structured-data/article",
}
# Advance widths of Arial in thousandths of the font size, the font in which results are shown.
_WIDTHS = {
    **dict.fromkeys("ijl|'", 222), **dict.fromkeys(" !,./:;I[]\\ft", 278), **dict.fromkeys("()-r`", 333),
    **dict.fromkeys("\"", 355), **dict.fromkeys("*", 389), **dict.fromkeys("^", 469),
    **dict.fromkeys("ckJsvxyz", 500), **dict.fromkeys("abdeghnopqu0123456789#$?_FTZL", 556),
    **dict.fromkeys("+<=>~", 584), **dict.fromkeys("&ABEKPSVXY", 667), **dict.fromkeys("wCDHNRU", 722),
    **dict.fromkeys("GOQ", 778), **dict.fromkeys("mM", 833), **dict.fromkeys("%", 889), **dict.fromkeys("W", 944),
    **dict.fromkeys("@", 1015),
}  # fmt: skip
_EMPTY_ANCHORS = frozenset({"here", "click here", "this", "link", "read more", "more", "hier", "mehr", "weiterlesen"})
_QUESTION = re.compile(r"\?\s*$")
_FORMULA = {"en": "flesch", "de": "flesch_de"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule found.

    Args:
        rule: its name, one of `SOURCES` with a word behind it.
        state: "good", "fair", "poor", or "none" when it does not apply.
        message: what was found, with the figure.
        remedy: what to do; empty when nothing is to be done.
        weight: points that it is worth.
        source: where the rule comes from.
    """

    rule: str
    state: State
    message: str
    remedy: str = ""
    weight: int = 1
    source: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was found."""

    score: int
    findings: Sequence[Finding]
    figures: Mapping[str, Any]
    links: Sequence[Mapping[str, Any]] = ()
    images: Sequence[Mapping[str, str]] = ()
    headings: Sequence[Mapping[str, Any]] = ()
    structured_data: Mapping[str, Any] = field(default_factory=dict)
    suggested: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Outline:
    headings: list[tuple[int, str, int]] = field(default_factory=list)  # level, text, words until the next heading
    paragraphs: list[str] = field(default_factory=list)
    links: list[dict[str, Any]] = field(default_factory=list)
    images: list[dict[str, str]] = field(default_factory=list)
    answers: list[tuple[str, str]] = field(default_factory=list)
    before: int = 0


def pixel_width(text: str, font_size: int) -> int:
    """How wide a text is in Arial; letters outside the table count as a wide one."""
    return round(
        sum(_WIDTHS.get(character, 600 if ord(character) < 0x2E80 else 1000) for character in text) * font_size / 1000
    )


def analyse(
    *,
    title: str,
    body: str,
    language: str = "en",
    seo: Mapping[str, Any] | None = None,
    slug: str = "",
    own_hosts: Sequence[str] = (),
    facts: Mapping[str, str] | None = None,
) -> Report:
    """Look at a text as a search engine and its readers will.

    Args:
        title: of the document.
        body: Markdown.
        language: language tag.
        seo: fields "title", "description", "slug", "keyword".
        slug: of the document, when `seo` has none.
        own_hosts: hosts whose links count as internal.
        facts: "author", "published", "modified", "image" for the structured data.
    """
    fields = {key: str(value).strip() for key, value in (seo or {}).items() if isinstance(value, str)}
    shown = fields.get("title") or title
    description, keyword = fields.get("description", ""), fields.get("keyword", "")
    address = fields.get("slug") or slug
    outline = _outline(body, own_hosts)
    words = word_count(body)
    measured = Measured(body)
    formula = _FORMULA.get(language.lower().partition("-")[0], "lix")
    readable = measured.readability(formula)
    data = structured_data(title=shown, description=description, language=language, outline=outline, facts=facts or {})
    findings = [
        _title(shown),
        _description(description),
        _slug(address),
        *_headings(title, outline, words),
        *_links(outline),
        *_images(outline),
        _readability(formula, readable, words),
        _sentences(measured, words),
        _length(words),
        *_keyword(keyword, shown, description, address, outline, body, words),
        Finding(
            "structured_data",
            "good" if description else "fair",
            f"{' and '.join(part['@type'] for part in data['@graph'])} can be given.",
            "" if description else "Add a description; the structured data says it too.",
            1,
            SOURCES["structured_data"],
        ),
    ]
    counted = [finding for finding in findings if finding.state != "none"]
    points = sum(finding.weight * {"good": 1.0, "fair": 0.5, "poor": 0.0}[finding.state] for finding in counted)
    return Report(
        score=round(100 * points / sum(finding.weight for finding in counted)),
        findings=findings,
        figures={
            "title_characters": len(shown),
            "title_pixels": pixel_width(shown, TITLE_FONT),
            "title_pixels_most": TITLE_PIXELS,
            "description_characters": len(description),
            "description_pixels": pixel_width(description, DESCRIPTION_FONT),
            "description_pixels_most": DESCRIPTION_PIXELS,
            "words": words,
            "readability": round(readable, 1),
            "readability_formula": formula,
            "words_per_sentence": round(measured.per_sentence(), 1),
            "links_internal": sum(1 for link in outline.links if link["internal"]),
            "links_external": sum(1 for link in outline.links if not link["internal"]),
            "images": len(outline.images),
            "images_without_alt": sum(1 for image in outline.images if not image["alt"]),
            "keyword_uses": _uses(keyword, body) if keyword else 0,
        },
        links=outline.links,
        images=outline.images,
        headings=[{"level": level, "text": text, "words": count} for level, text, count in outline.headings],
        structured_data=data,
        suggested={"description": suggested_description(outline.paragraphs), "slug": suggested_slug(shown)},
    )


def suggested_description(paragraphs: Sequence[str]) -> str:
    """The beginning of the text as a description: whole sentences as far as they fit, else cut at a word."""
    text = " ".join(re.sub(r"\[\d{1,4}\]", "", " ".join(paragraphs[:3])).split())
    made = ""
    for sentence in re.split(r"(?<=[.!?…])\s+", text):
        if made and len(made) + len(sentence) + 1 > DESCRIPTION_MOST:
            break
        made = f"{made} {sentence}".strip()
    if len(made) > DESCRIPTION_MOST:
        made = made[: DESCRIPTION_MOST - 1].rpartition(" ")[0].rstrip(",;:") + "…"
    return made


def suggested_slug(title: str) -> str:
    """A short address of a title: small letters, hyphens, cut at a word."""
    from django.utils.text import slugify

    made = slugify(title)
    return made if len(made) <= SLUG_MOST else made[:SLUG_MOST].rpartition("-")[0]


def structured_data(
    *, title: str, description: str, language: str, outline: _Outline, facts: Mapping[str, str]
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
    outline = _outline(body, ())
    return structured_data(title=title, description=description, language=language, outline=outline, facts=facts or {})


def _outline(body: str, own_hosts: Sequence[str]) -> _Outline:
    found = _Outline()
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


def _collect(token: Token, found: _Outline, own_hosts: Sequence[str]) -> None:
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


def _title(title: str) -> Finding:
    width = pixel_width(title, TITLE_FONT)
    message = f"The title has {len(title)} characters and is about {width} of {TITLE_PIXELS} pixels wide."
    source = SOURCES["title"]
    if not title or title == "Untitled":
        return Finding("title", "poor", "There is no title.", "Write one that says what the page is about.", 3, source)
    if width > TITLE_PIXELS:
        return Finding("title", "fair", message, "Shorten it, or it is cut off in results.", 3, source)
    if len(title) < 15:
        return Finding("title", "fair", message, "Say more precisely what the page is about.", 3, source)
    return Finding("title", "good", message, "", 3, source)


def _description(text: str) -> Finding:
    source = SOURCES["description"]
    if not text:
        return Finding(
            "description",
            "poor",
            "There is no description.",
            "Write one or two sentences that say what readers get.",
            3,
            source,
        )
    width = pixel_width(text, DESCRIPTION_FONT)
    message = f"The description has {len(text)} characters and is about {width} of {DESCRIPTION_PIXELS} pixels wide."
    if len(text) < DESCRIPTION_LEAST:
        return Finding("description", "fair", message, f"Use {DESCRIPTION_LEAST} characters or more.", 3, source)
    if width > DESCRIPTION_PIXELS or len(text) > DESCRIPTION_MOST:
        return Finding("description", "fair", message, "Shorten it, or it is cut off in results.", 3, source)
    return Finding("description", "good", message, "", 3, source)


def _slug(slug: str) -> Finding:
    source = SOURCES["slug"]
    if not slug:
        return Finding("slug", "poor", "There is no address.", "Choose a few words of the title.", 1, source)
    message = f"The address “{slug}” has {len(slug)} characters."
    if len(slug) > SLUG_MOST or not re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", slug):
        return Finding("slug", "fair", message, "Use small letters, digits and hyphens, at most 75.", 1, source)
    return Finding("slug", "good", message, "", 1, source)


def _headings(title: str, outline: _Outline, words: int) -> list[Finding]:
    source = SOURCES["headings"]
    found = outline.headings
    if not found and words < _LEAST_WORDS:
        return [Finding("headings", "none", "The text is short and has no headings.", "", 2, source)]
    if not found:
        return [Finding("headings", "poor", "There are no headings.", "Give each part a heading.", 2, source)]
    tops = [text for level, text, _ in found if level == 1]
    problems = []
    if len(tops) > 1:
        problems.append("more than one first-level heading")
    if any(not text.strip() for _, text, _ in found):
        problems.append("an empty heading")
    level = 1
    for depth, text, _ in found:
        if depth > level + 1:
            problems.append(f"a level is left out before “{text[:40]}”")
            break
        level = depth
    long = [text for _, text, count in found if count > _SECTION_WORDS]
    state: State = "poor" if len(problems) > 1 else "fair" if problems else "good"
    findings = [
        Finding(
            "headings",
            state,
            f"{len(found)} headings" + (f": {'; '.join(problems)}." if problems else ", in order."),
            "Go down one level at a time, with one first-level heading." if problems else "",
            2,
            source,
        )
    ]
    if long:
        findings.append(
            Finding(
                "headings.sections",
                "fair",
                f"{len(long)} parts are longer than {_SECTION_WORDS} words, first “{long[0][:40]}”.",
                "Divide them by headings.",
                1,
                source,
            )
        )
    return findings


def _links(outline: _Outline) -> list[Finding]:
    source = SOURCES["links"]
    if not outline.links:
        return [Finding("links", "fair", "There are no links.", "Link to what readers may want next.", 1, source)]
    empty = [link for link in outline.links if not link["text"]]
    vague = [link for link in outline.links if link["text"].casefold().rstrip(".!") in _EMPTY_ANCHORS]
    inside = sum(1 for link in outline.links if link["internal"])
    message = f"{inside} internal and {len(outline.links) - inside} external links"
    if empty:
        return [Finding("links", "poor", f"{message}; {len(empty)} have no words.", "Give each link words.", 1, source)]
    if vague:
        remedy = f"Say where it leads instead of “{vague[0]['text'][:30]}”."
        return [Finding("links", "fair", f"{message}; {len(vague)} do not say where they lead.", remedy, 1, source)]
    return [Finding("links", "good", f"{message}.", "", 1, source)]


def _images(outline: _Outline) -> list[Finding]:
    source = SOURCES["images"]
    if not outline.images:
        return [Finding("images", "none", "There are no pictures.", "", 2, source)]
    bare = [image for image in outline.images if not image["alt"]]
    if bare:
        return [
            Finding(
                "images",
                "poor" if len(bare) == len(outline.images) else "fair",
                f"{len(bare)} of {len(outline.images)} pictures have no description.",
                "Say what each picture shows.",
                2,
                source,
            )
        ]
    return [Finding("images", "good", f"All {len(outline.images)} pictures have a description.", "", 2, source)]


def _readability(formula: str, figure: float, words: int) -> Finding:
    source = SOURCES["readability"]
    if words < 50:
        return Finding("readability", "none", "The text is too short to measure.", "", 2, source)
    if formula == "lix":
        state: State = "good" if figure < 45 else "fair" if figure < 55 else "poor"
    else:
        state = "good" if figure >= 50 else "fair" if figure >= 30 else "poor"
    remedy = "" if state == "good" else "Shorten sentences and use plainer words."
    return Finding("readability", state, f"Readability is {figure:.0f} ({formula}).", remedy, 2, source)


def _sentences(measured: Measured, words: int) -> Finding:
    source = SOURCES["readability"]
    if words < 50:
        return Finding("readability.sentences", "none", "The text is too short to measure.", "", 1, source)
    mean = measured.per_sentence()
    state: State = "good" if mean <= 20 else "fair" if mean <= 25 else "poor"
    remedy = "" if state == "good" else "Break long sentences up."
    return Finding("readability.sentences", state, f"A sentence has {mean:.0f} words on average.", remedy, 1, source)


def _length(words: int) -> Finding:
    state: State = "good" if words >= _LEAST_WORDS else "fair" if words >= 100 else "poor"
    remedy = "" if state == "good" else "Say all that readers need; a short answer may be enough for a short question."
    return Finding("length", state, f"The text has {words:,} words.", remedy, 1, SOURCES["length"])


def _uses(keyword: str, text: str) -> int:
    pattern = r"(?<!\w)" + r"\s+".join(re.escape(word) for word in keyword.split()) + r"(?!\w)"
    return len(re.findall(pattern, text, re.IGNORECASE))


def _keyword(
    keyword: str, title: str, description: str, slug: str, outline: _Outline, body: str, words: int
) -> list[Finding]:
    source = SOURCES["keyword"]
    if not keyword:
        return [
            Finding("keyword", "none", "No keyword is named.", "Name the words that readers search for.", 2, source)
        ]
    from django.utils.text import slugify

    places = {
        "title": _uses(keyword, title),
        "description": _uses(keyword, description),
        "address": int(slugify(keyword) in slug),
        "first paragraph": _uses(keyword, outline.paragraphs[0]) if outline.paragraphs else 0,
        "a heading": sum(_uses(keyword, text) for _, text, _ in outline.headings),
    }
    missing = [place for place, count in places.items() if not count]
    uses = _uses(keyword, body)
    density = 100 * uses * len(keyword.split()) / words if words else 0.0
    state: State = "good" if len(missing) <= 1 else "fair" if len(missing) <= 3 else "poor"
    found = [
        Finding(
            "keyword",
            state,
            f"“{keyword}” stands {uses} times in the text" + (f"; not in: {', '.join(missing)}." if missing else "."),
            f"Use it in {missing[0]}." if state != "good" else "",
            2,
            source,
        )
    ]
    if density > 3.5:
        found.append(
            Finding(
                "keyword.density",
                "poor",
                f"“{keyword}” makes {density:.1f} % of all words.",
                "Say it less often; a text full of one word is taken for spam.",
                2,
                source,
            )
        )
    return found
