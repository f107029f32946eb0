"""How a text will do in search engines: rules that anybody can check, each with its source, and a score made of them.

The score is the weighted share of rules that hold: full points for "good", half for "fair". It says how much of this list
is done, not how well a page will rank; nobody outside the search engines knows that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.text import slugify

from apps.content.markup import seo_rules as rules
from apps.content.markup.markdown import word_count
from apps.content.markup.measures import Measured
from apps.content.markup.seo_outline import read_outline, structured_data

_FORMULA = {"en": "flesch", "de": "flesch_de"}


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was found."""

    score: int
    findings: Sequence[rules.Finding]
    figures: Mapping[str, Any]
    links: Sequence[Mapping[str, Any]] = ()
    images: Sequence[Mapping[str, str]] = ()
    headings: Sequence[Mapping[str, Any]] = ()
    structured_data: Mapping[str, Any] = field(default_factory=dict)
    suggested: Mapping[str, str] = field(default_factory=dict)


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
    outline = read_outline(body, own_hosts)
    words = word_count(body)
    measured = Measured(body)
    formula = _FORMULA.get(language.lower().partition("-")[0], "lix")
    readable = measured.readability(formula)
    data = structured_data(title=shown, description=description, language=language, outline=outline, facts=facts or {})
    findings = [
        rules.title_rule(shown),
        rules.description_rule(description),
        rules.slug_rule(address),
        *rules.headings_rule(title, outline, words),
        *rules.links_rule(outline),
        *rules.images_rule(outline),
        rules.readability_rule(formula, readable, words),
        rules.sentences_rule(measured, words),
        rules.length_rule(words),
        *rules.keyword_rule(keyword, shown, description, address, outline, body, words),
        rules.Finding(
            "structured_data",
            "good" if description else "fair",
            f"{' and '.join(part['@type'] for part in data['@graph'])} can be given.",
            "" if description else "Add a description; the structured data says it too.",
            1,
            rules.SOURCES["structured_data"],
        ),
    ]
    counted = [finding for finding in findings if finding.state != "none"]
    points = sum(finding.weight * {"good": 1.0, "fair": 0.5, "poor": 0.0}[finding.state] for finding in counted)
    return Report(
        score=round(100 * points / sum(finding.weight for finding in counted)),
        findings=findings,
        figures={
            "title_characters": len(shown),
            "title_pixels": rules.pixel_width(shown, rules.TITLE_FONT),
            "title_pixels_most": rules.TITLE_PIXELS,
            "description_characters": len(description),
            "description_pixels": rules.pixel_width(description, rules.DESCRIPTION_FONT),
            "description_pixels_most": rules.DESCRIPTION_PIXELS,
            "words": words,
            "readability": round(readable, 1),
            "readability_formula": formula,
            "words_per_sentence": round(measured.per_sentence(), 1),
            "links_internal": sum(1 for link in outline.links if link["internal"]),
            "links_external": sum(1 for link in outline.links if not link["internal"]),
            "images": len(outline.images),
            "images_without_alt": sum(1 for image in outline.images if not image["alt"]),
            "keyword_uses": rules.keyword_uses(keyword, body) if keyword else 0,
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
        if made and len(made) + len(sentence) + 1 > rules.DESCRIPTION_MOST:
            break
        made = f"{made} {sentence}".strip()
    if len(made) > rules.DESCRIPTION_MOST:
        made = made[: rules.DESCRIPTION_MOST - 1].rpartition(" ")[0].rstrip(",;:") + "…"
    return made


def suggested_slug(title: str) -> str:
    """A short address of a title: small letters, hyphens, cut at a word."""
    made = slugify(title)
    return made if len(made) <= rules.SLUG_MOST else made[: rules.SLUG_MOST].rpartition("-")[0]
