"""Sentences of passages: which of them can stand in a text of their own, and how they are written down there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from aiwriter_sdk import Passage

_END = re.compile(r"[.!?]+[\"'”’)\]]*(?=\s+[\"'“‘(\[]*[A-Z0-9ÀÖØÞ]|\s*$)")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|etc|vs|al|fig|sec|sect|no|vol|pp?|ch|ed|dr|mr|mrs|ms|prof|st|inc|ltd|co|dept|approx|resp)|"
    r"\b[A-Z])\.$",
    re.IGNORECASE,
)
_BLOCK = re.compile(r"\n\s*\n|\n(?=[-*•] )")
_REFERENCE = re.compile(r"\s*\[(?:[A-Z][\w.:-]*|\d{1,4})(?:\s*,\s*(?:[A-Z][\w.:-]*|\d{1,4}))*\]")
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_NUMBERING = re.compile(
    r"^(?:(?:chapter|section|appendix|part)\s+)?(?:\d+(?:\.\d+)*|[A-Z](?:\.\d+)+|[A-Z]\.|[IVX]+\.)[.:)]?\s+",
    re.IGNORECASE,
)
_UNWANTED = re.compile(
    r"copyright|all rights reserved|status of this memo|distribution of this (?:memo|document) is unlimited|"
    r"table of contents|standards track|current edition|discussion and suggestions|key words \"|\"MUST NOT\"|"
    r"this (?:document|memo|section|chapter|page|appendix|specification|rfc) (?:is|was|describes|defines|specifies|discusses|"
    r"contains|covers|obsoletes|updates|replaces|has|does|provides|gives|presents|lists|explains|shows)|"
    r"@[\w-]+\.\w|https?://|www\.|\bpage \d+|isbn|"
    r"\.{4,}|(?:\. ){3,}|see (?:also|section|chapter|appendix|figure|table|rfc)|(?:figure|table) \d|"
    r"\bRFC\s?\d+[^.]{0,30}\bRFC\s?\d+[^.]{0,30}\bRFC\s?\d+|obsoletes?:|\bibid\b|\bloc\. cit\b",
    re.IGNORECASE,
)
# A sentence without one of these is mostly an entry of a list or a heading. Third persons and past forms end alike in
# their hundreds, so only their commonest stems are named.
_VERB = re.compile(
    r"\b(?:is|are|was|were|be|been|am|has|have|had|can|cannot|may|might|must|shall|should|will|would|could|do|does|did|"
    r"\w{3,}(?:ed|ies|izes|ises|ates|ifies|ects|ains|ides|ines|ives|ands|ends|ults|ows|eeds|akes|ures|uces|ires|ints|orms|"
    r"orts|okes|urns|eats|eads|ites|elps|ears|omes|oses|aves|ares|ests|ists|ages|ishes|aches|asses|esses)|"
    r"use[s]?|need[s]?|let[s]?|mean[s]?|run[s]?|say[s]?|get[s]?|go(?:es)?|hold[s]?|keep[s]?|begin[s]?|began|came|made|took|"
    r"gave|found|held|kept|left|lost|met|sent|told|wrote|became|grew|knew|led|set[s]?|put[s]?|call[s]?|want[s]?|work[s]?|"
    r"look[s]?|tell[s]?|ask[s]?|start[s]?|stop[s]?|play[s]?|move[s]?|live[s]?|cause[s]?|serve[s]?|form[s]?|cover[s]?|"
    r"offer[s]?|consider|remember|avoid|ensure|choose|check|install|open|read|write|try|learn|know|think|see)\b",
    re.IGNORECASE,
)
_HELPER = re.compile(
    r"\b(?:is|are|was|were|has|have|had|can|cannot|may|might|must|shall|should|will|would|could|does|do|did|means|makes|"
    r"gives|allows|requires|needs|helps|causes|leads)\b"
)
_GERUND = re.compile(r"^[A-Z][a-z]+ing\b")
_CUT_REFERENCE = re.compile(
    r"\b(?:in|of|by|from|to|with|and|or|see|at|on|for|per|than|as|section|appendix)\s*\[[\w.:-]+\]", re.IGNORECASE
)
# Entries of definition lists and remains of markup, and sentences that announce what is not quoted with them.
_ENTRY = re.compile(
    r"^[A-Z][A-Z0-9_-]+\s+(?:[Tt]he|[Aa]n?)\b|^(?:See|Cf\.|Step \d+|NOTE|Note|Let's|Here (?:is|are))\b| \. ?| ,|"
    r"\b[Tt]he following\b|\bas follows\b|\b[Ss]ection \d+\.\d|::|\s\+\s|\w+:[\w-]{4,}-|\w+:[\w-]+\[|\{\w+\}|~~|--- "
)
_LEANING = re.compile(
    r"^(?:this|these|those|that|it|its|they|their|them|he|she|his|her|such|so|thus|hence|therefore|however|moreover|"
    r"furthermore|nevertheless|nonetheless|otherwise|then|also|but|and|or|yet|still|instead|similarly|likewise|"
    r"conversely|consequently|accordingly|finally|second(?:ly)?|third(?:ly)?|next|another|in (?:this|that|these|those|such|"
    r"addition|contrast|either|both|other words|particular)|for (?:example|instance|this|that|these|more)|as (?:a result|such|"
    r"(?:noted|described|mentioned|discussed|shown|stated|suggested|explained|seen)|above)|on the other|at this|"
    r"the (?:former|latter|above|following|same|first|second|other|resulting|remaining)|both|either|neither|one of these|"
    r"note that|(?:the )?example|(?:one|another|a|some|the) [\w-]+ (?:for|of|to) (?:this|these|that|those|them|it)|"
    r"(?:unless|if|when|while|although|since|because|once|after|before)\b[^,]{3,70}, (?:they|it|this|these|those|he|she))\b",
    re.IGNORECASE,
)
_POINTING = re.compile(
    r"\b(?:above|below|following|as follows|previous(?:ly)? (?:section|described|mentioned|discussed)|(?:section|chapter|"
    r"appendix|figure|table|clause) [\dA-Z][\d.]*|next section|this (?:document|memo|section|chapter|specification|note))\b",
    re.IGNORECASE,
)
_PERSONAL = re.compile(r"\b(?:I|my|me|mine|we|our|us)\b")
_SHOWN = re.compile(r"([\\`*<])")
_UNDERLINE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
BOILERPLATE = re.compile(
    r"^(?:references?|normative references|informative references|bibliography|works cited|acknowledge?ments?|thanks|"
    r"authors?['’]?s?['’]? address(?:es)?|contacts?|editors?|contributors|copyright.*|full copyright.*|licen[cs]e|legal.*|"
    r"intellectual property.*|status of this memo|table of contents|contents|index|changes?(?: .*)?|change ?log|colophon|"
    r"revision history|disclaimer.*|trademarks?.*|iana considerations|about this (?:document|book|manual)|preface|foreword|"
    r"see also|further reading|footnotes|endnotes|synopsis|name|author|bugs|files|environment|exit status|expired drafts|notation.*|conventions.*|requirements (?:language|notation))$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a passage.

    Args:
        text: as it stands in the passage, on one line.
        marker: of the passage.
        passage: number of the passage in the request.
        position: number of the sentence in the passage.
        leans: it begins with a word that points back at the sentence before it.
        points: it points at something that the reader will not have, such as a figure or "the following".
        personal: its author speaks of himself.
        listed: it was an entry of a list.
    """

    text: str
    marker: str
    passage: int
    position: int
    leans: bool
    points: bool
    personal: bool
    listed: bool

    @property
    def key(self) -> str:
        """Equal for sentences that say the same letter by letter."""
        return " ".join(words(self.text))

    @property
    def size(self) -> int:
        """Words."""
        return len(self.text.split())


def words(text: str) -> list[str]:
    """Words in lower case, without punctuation."""
    return [word.lower() for word in _WORD.findall(text)]


def split(text: str) -> list[str]:
    """Sentences of one line of running text."""
    found: list[str] = []
    start = 0
    for match in _END.finditer(text):
        if match[0].startswith(".") and _ABBREVIATION.search(text[max(start, match.end() - 8) : match.end()]):
            continue
        found.append(text[start : match.end()].strip())
        start = match.end()
    rest = text[start:].strip()
    return [*found, rest] if rest else found


def sentences_of(passages: Sequence[Passage]) -> list[Sentence]:
    """All sentences that may be quoted, each once, in the order of the passages."""
    found: list[Sentence] = []
    known: set[str] = set()
    for number, passage in enumerate(passages):
        if is_boilerplate(passage):
            continue
        position = 0
        for block in _BLOCK.split(passage.text):
            listed = block.lstrip()[:2] in {"- ", "* ", "• "}
            line = " ".join(block.lstrip("-*• \n").split())
            for text in split(line):
                position += 1
                sentence = Sentence(
                    text=text,
                    marker=passage.marker,
                    passage=number,
                    position=position,
                    leans=bool(_LEANING.match(text)),
                    points=bool(_POINTING.search(text)),
                    personal=bool(_PERSONAL.search(text)),
                    listed=listed,
                )
                if is_quotable(text) and sentence.key not in known:
                    known.add(sentence.key)
                    found.append(sentence)
    return found


def is_quotable(text: str) -> bool:
    """A whole sentence of ordinary length and ordinary words: no heading, entry, address, program or drawing."""
    count = len(text.split())
    if (
        not 6 <= count <= 48
        or text.count("`") % 2
        or not text.rstrip("\"'”’)]").endswith((".", "!", "?"))
        or "  " in text
        or "|" in text
    ):
        return False
    start = text.lstrip("\"'“‘")[:1]
    if not (start.isupper() or start.isdigit()) or text.count("(") != text.count(")"):
        return False
    if (
        _UNWANTED.search(text)
        or _ENTRY.search(text)
        or not _VERB.search(text)
        or sum(map(text.count, ('"', "“", "”"))) % 2
    ):
        return False
    letters = sum(character.isalpha() or character in " ,'’-`" for character in text)
    capitals = sum(word.isupper() and len(word) > 1 for word in text.split())
    ordinary = sum(word.isalpha() and word.islower() for word in text.rstrip(".!?").split())
    return letters >= 0.86 * len(text) and capitals <= 0.3 * count and ordinary >= 0.45 * count


def is_boilerplate(passage: Passage) -> bool:
    """Does the passage stand below a heading such as References or Copyright?"""
    return any(BOILERPLATE.match(heading) for heading in headings_of(passage))


def headings_of(passage: Passage) -> list[str]:
    """The headings above a passage, highest first, without numbers and without the title of its source."""
    path = re.sub(r",?\s*p\. \d+\s*$", "", passage.locator)
    parts = [without_number(part) for part in path.split(" > ")]
    title = without_number(passage.title).lower()
    return [part for part in parts if part and part.lower() != title and part.lower() not in passage.title.lower()]


def without_number(heading: str) -> str:
    """ "2.1. Basic Structure" as "Basic Structure"."""
    return _NUMBERING.sub("", heading.strip()).strip(" .:#")


def quoted(sentence: Sentence) -> str:
    """The sentence as it stands in a draft: its words unchanged, its own reference marks gone, its citation behind it.

    Numbers in brackets of the source would read as citations of other passages, and nobody could follow them.
    """
    # What the source marks as code stays code; elsewhere the signs of Markdown are only signs.
    pieces = re.split(r"(`[^`]+`)", _REFERENCE.sub("", sentence.text))
    text = "".join(
        piece if number % 2 else _UNDERLINE.sub(r"\\_", _SHOWN.sub(r"\\\1", piece))
        for number, piece in enumerate(pieces)
    )
    text = re.sub(r"\s+([.,;:!?])", r"\1", text)
    if text.endswith("."):
        return f"{text[:-1]} [{sentence.marker}]."
    return f"{text} [{sentence.marker}]"
