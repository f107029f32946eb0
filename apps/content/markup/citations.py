"""Checks what a text says it took from its sources. No model judges; the rules can be read here.

A marker such as [3] cites the passage of that name for the sentence that it stands in or behind; two markers in one
sentence share it between them. The claim is *verified* only when its words are the passage's words:

1. A claim with quotation marks around four words or more is verified when every such quotation stands in the passage. An
   ellipsis inside a quotation may leave something out.
2. A claim without them is verified when the whole sentence, or the part before the marker, stands in the passage.
3. Everything else, a paraphrase too, is *not verified*. Its score says how much of it the passage supports: the share
   of its telling words that the passage holds. A number that the passage does not hold is named, whatever the score.

Letters, not layout, are compared: case, white space, Markdown marks, kinds of quotes, dashes and hyphens do not count, nor
do the source's own references such as [12].
Text in code is not looked at.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from apps.content.markup.sentences import sentence_spans

MARKERS = re.compile(r"\[(\d{1,4}(?:\s*,\s*\d{1,4})*)\](?!\(|:(?:\s|$))")
_CODE = re.compile(r"^(```|~~~).*?^\1[^\n]*$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_LINE_MARK = re.compile(r"^\s*(?:#{1,6}\s+|>\s?|[-*+]\s+|\d{1,3}[.)]\s+|\|\s*)+", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_EMPHASIS = re.compile(r"[*_`~\\|]+")
_QUOTED = re.compile(r"“([^“”]+)”|\"([^\"]+)\"|«([^«»]+)»|„([^„“”]+)[“”]|‘([^‘’]{12,})’")
_GAP = re.compile(r"\s*(?:\[\s*(?:…|\.\.\.)\s*\]|…|\.\.\.)\s*")
_SAME = str.maketrans(
    {
        "‘": "'",
        "’": "'",
        "“": '"',
        "”": '"',
        "„": '"',
        "«": '"',
        "»": '"',
        "‐": "-",
        "‑": "-",
        "‒": "-",
        "–": "-",
        "—": "-",
        "−": "-",
        "\u00ad": "",
        "…": "...",
    }
)
_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
_NUMBER = re.compile(r"\d[\d.,:]*\d|\d")
# The source's own references, [12] or [RFC2119]: a draft leaves them out, for they would read as its citations.
_REFERENCE = re.compile(r"\s*\[(?:[A-Z][\w.:-]*|\d{1,4})(?:\s*,\s*(?:[A-Z][\w.:-]*|\d{1,4}))*\](?!\()")
_FEWEST_WORDS = 4
_SUPPORTED = 0.6
_PLAIN = frozenset(
    _WORD.findall(
        "a an and are as at be been by can could do does for from had has have in is it its may might more most must no "
        "not of on or our shall should so some such than that the their them then there these they this those to was we "
        "were what when where which while who will with would you your also into only over under between both each"
    )
)


@dataclass(frozen=True, slots=True)
class CitedPassage:
    """A passage that a text may cite: its marker without brackets, its text and the caller's id of it."""

    marker: str
    text: str
    chunk_id: str = ""


@dataclass(frozen=True, slots=True)
class CitationCheck:
    """What was found out about one marker.

    Args:
        marker: without brackets.
        quote: the words that were looked for, as they stand in the text without Markdown.
        chunk_id: of the passage; empty when there is no such passage.
        verified: the words are the passage's.
        start, end: the claim with its marker in the text.
        score: 1 when verified, else the share of telling words that the passage holds.
        reason: one sentence when not verified.
    """

    marker: str
    quote: str
    chunk_id: str
    verified: bool
    start: int
    end: int
    score: float
    reason: str = ""


def verify_citations(text: str, passages: Iterable[CitedPassage]) -> list[CitationCheck]:
    """Check every marker of a text.

    Args:
        text: Markdown.
        passages: what may be cited; of two with one marker the last counts.

    Returns:
        one check for each marker, in the order of the text.
    """
    known = {passage.marker: passage for passage in passages}
    letters = {marker: _letters(passage.text) for marker, passage in known.items()}
    checks: list[CitationCheck] = []
    for marker, start, end, parts in _claims(text):
        passage = known.get(marker)
        if passage is None:
            reason = f"There is no passage [{marker}]."
            checks.append(CitationCheck(marker, parts[0], "", False, start, end, 0.0, reason))
            continue
        quote, verified, score, reason = _judge(parts, letters[marker])
        checks.append(CitationCheck(marker, quote, passage.chunk_id, verified, start, end, score, reason))
    return checks


def plain(text: str) -> str:
    """A piece of Markdown as the words that a reader sees, on one line, without citation markers."""
    text = _LINK.sub(r"\1", MARKERS.sub(" ", _LINE_MARK.sub("", text)))
    return re.sub(r"\s+([.,;:!?])", r"\1", " ".join(_EMPHASIS.sub("", text).split()))


def _claims(text: str) -> Iterator[tuple[str, int, int, list[str]]]:
    """Marker, span of the claim with its marker, and the readings of the claim: the part before it, the sentence."""
    shown = _CODE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    markers = list(MARKERS.finditer(shown))
    if not markers:
        return
    # Markers become spaces, so that one behind a full stop belongs to the sentence before it.
    bare = MARKERS.sub(lambda match: " " * len(match[0]), shown)
    spans = [span for first, last in _lines(bare) for span in sentence_spans(bare, first, last)]
    at = 0
    for match in markers:
        while at + 1 < len(spans) and spans[at][1] <= match.start():
            at += 1
        start, end = spans[at]
        before = [other for other in markers if start <= other.start() < match.start()]
        # Neighbours such as [1][2] cite the same words.
        while before and not shown[before[-1].end() : match.start()].strip(" ,;"):
            before.pop()
        begin = before[-1].end() if before else start
        part = plain(text[begin : match.start()]).strip(" ,;.")
        sentence = plain(text[start:end])
        after = any(
            match.end() <= other.start() < end for other in markers if shown[match.end() : other.start()].strip(" ,;")
        )
        readings = [reading for reading in (part if before or after else sentence, part, sentence) if reading]
        for marker in re.split(r"\s*,\s*", match[1]):
            yield marker, begin if before else start, match.end(), readings or [""]


def _lines(text: str) -> Iterator[tuple[int, int]]:
    """Paragraphs, list entries, headings and table rows: sentences do not run over their ends."""
    start = 0
    for match in re.finditer(r"\n(?=\s*\n|\s*(?:#{1,6} |[-*+] |\d{1,3}[.)] |\||>))|\n[ \t]*\n", text):
        if match.start() > start:
            yield start, match.start()
        start = match.end()
    if start < len(text):
        yield start, len(text)


def _judge(parts: list[str], passage: str) -> tuple[str, bool, float, str]:
    quotations = [next(filter(None, match.groups())) for match in _QUOTED.finditer(parts[0])]
    quotations = [quotation for quotation in quotations if len(_WORD.findall(quotation)) >= _FEWEST_WORDS]
    if quotations:
        missing = [quotation for quotation in quotations if not _stands_in(quotation, passage)]
        if not missing:
            return quotations[0], True, 1.0, ""
        return missing[0], False, _support(missing[0], passage), "The quoted words are not in the passage."
    for part in parts:
        if len(_WORD.findall(part)) >= _FEWEST_WORDS and _stands_in(part, passage):
            return part, True, 1.0, ""
    score = _support(parts[0], passage)
    strange = [number for number in _NUMBER.findall(parts[0]) if number not in _NUMBER.findall(passage)]
    if strange:
        return parts[0], False, score, f"The passage does not hold the number {strange[0]}."
    if score >= _SUPPORTED:
        return parts[0], False, score, "The passage says it in other words; compare them."
    return parts[0], False, score, "The passage holds few of these words."


def _letters(text: str) -> str:
    text = unicodedata.normalize("NFKC", _REFERENCE.sub("", text)).translate(_SAME).casefold()
    text = _EMPHASIS.sub("", _LINK.sub(r"\1", text))
    # A hyphen at the end of a printed line joins with what follows.
    return " ".join(re.sub(r"(?<=\w)- (?=\w)", "-", " ".join(text.split())).split())


def _stands_in(quotation: str, passage: str) -> bool:
    """Are the words in the passage, whole, and its parts around an ellipsis in their order?"""
    at = 0
    found = False
    for piece in _GAP.split(quotation):
        wanted = _letters(piece).strip(" .,;:!?\"'()")
        if not wanted:
            continue
        match = re.compile(rf"(?<!\w){re.escape(wanted)}(?!\w)").search(passage, at)
        if match is None:
            return False
        at, found = match.end(), True
    return found


def _support(claim: str, passage: str) -> float:
    words = {word for word in _WORD.findall(_letters(claim)) if word not in _PLAIN}
    if not words:
        return 0.0
    held = set(_WORD.findall(passage))
    stems = {word[: max(4, len(word) - 3)] for word in held}
    return round(sum(word in held or word[: max(4, len(word) - 3)] in stems for word in words) / len(words), 4)
