"""The rules one by one; each names the place that it comes from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from django.utils.text import slugify

from apps.content.markup.measures import Measured
from apps.content.markup.seo_outline import Outline

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


def pixel_width(text: str, font_size: int) -> int:
    """How wide a text is in Arial; letters outside the table count as a wide one."""
    return round(
        sum(_WIDTHS.get(character, 600 if ord(character) < 0x2E80 else 1000) for character in text) * font_size / 1000
    )


def title_rule(title: str) -> Finding:
    """Is there one, and does it fit into a result?"""
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


def description_rule(text: str) -> Finding:
    """Is there one, and does it fit under a result?"""
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


def slug_rule(slug: str) -> Finding:
    """Is the address short and plain?"""
    source = SOURCES["slug"]
    if not slug:
        return Finding("slug", "poor", "There is no address.", "Choose a few words of the title.", 1, source)
    message = f"The address “{slug}” has {len(slug)} characters."
    if len(slug) > SLUG_MOST or not re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", slug):
        return Finding("slug", "fair", message, "Use small letters, digits and hyphens, at most 75.", 1, source)
    return Finding("slug", "good", message, "", 1, source)


def headings_rule(title: str, outline: Outline, words: int) -> list[Finding]:
    """Do they go down level by level, and divide the text?"""
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


def links_rule(outline: Outline) -> list[Finding]:
    """Do their words say where they lead?"""
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


def images_rule(outline: Outline) -> list[Finding]:
    """Do they have descriptions?"""
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


def readability_rule(formula: str, figure: float, words: int) -> Finding:
    """Is the text easy to read, by the formula of its language?"""
    source = SOURCES["readability"]
    if words < 50:
        return Finding("readability", "none", "The text is too short to measure.", "", 2, source)
    if formula == "lix":
        state: State = "good" if figure < 45 else "fair" if figure < 55 else "poor"
    else:
        state = "good" if figure >= 50 else "fair" if figure >= 30 else "poor"
    remedy = "" if state == "good" else "Shorten sentences and use plainer words."
    return Finding("readability", state, f"Readability is {figure:.0f} ({formula}).", remedy, 2, source)


def sentences_rule(measured: Measured, words: int) -> Finding:
    """Are sentences short?"""
    source = SOURCES["readability"]
    if words < 50:
        return Finding("readability.sentences", "none", "The text is too short to measure.", "", 1, source)
    mean = measured.per_sentence()
    state: State = "good" if mean <= 20 else "fair" if mean <= 25 else "poor"
    remedy = "" if state == "good" else "Break long sentences up."
    return Finding("readability.sentences", state, f"A sentence has {mean:.0f} words on average.", remedy, 1, source)


def length_rule(words: int) -> Finding:
    """Is there enough text?"""
    state: State = "good" if words >= _LEAST_WORDS else "fair" if words >= 100 else "poor"
    remedy = "" if state == "good" else "Say all that readers need; a short answer may be enough for a short question."
    return Finding("length", state, f"The text has {words:,} words.", remedy, 1, SOURCES["length"])


def keyword_uses(keyword: str, text: str) -> int:
    """How often a keyword stands in a text."""
    pattern = r"(?<!\w)" + r"\s+".join(re.escape(word) for word in keyword.split()) + r"(?!\w)"
    return len(re.findall(pattern, text, re.IGNORECASE))


def keyword_rule(
    keyword: str, title: str, description: str, slug: str, outline: Outline, body: str, words: int
) -> list[Finding]:
    """Does it stand where readers look?"""
    source = SOURCES["keyword"]
    if not keyword:
        return [
            Finding("keyword", "none", "No keyword is named.", "Name the words that readers search for.", 2, source)
        ]
    places = {
        "title": keyword_uses(keyword, title),
        "description": keyword_uses(keyword, description),
        "address": int(slugify(keyword) in slug),
        "first paragraph": keyword_uses(keyword, outline.paragraphs[0]) if outline.paragraphs else 0,
        "a heading": sum(keyword_uses(keyword, text) for _, text, _ in outline.headings),
    }
    missing = [place for place, count in places.items() if not count]
    uses = keyword_uses(keyword, body)
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
