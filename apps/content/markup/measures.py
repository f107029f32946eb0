"""What can be counted in a text: sentence length, readability, and the words that make a tone.

Readability is a number with a name, not a judgement:

* Flesch Reading Ease for English: 206.835 - 1.015 × words per sentence - 84.6 × syllables per word (R. Flesch, "A new
  readability yardstick", Journal of Applied Psychology 32, 1948).
* Flesch for German: 180 - words per sentence - 58.5 × syllables per word (T. Amstad, "Wie verständlich sind unsere
  Zeitungen?", 1978).
* LIX for every language: words per sentence + 100 × words of more than six letters / words (C.-H. Björnsson,
  "Läsbarhet", 1968).

Tone is counted by marks that anybody can look up in the text: contractions, "you", "I" and "we", exclamation marks,
hedging words. They say how a text is worded, not what it means.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from apps.content.markup.masking import mask
from apps.content.markup.sentences import sentence_spans

WORD = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*|\d+(?:[.,:]\d+)*")
_VOWELS = re.compile(r"[aeiouyäöüàâáãåæéèêëíìîïóòôõøœúùûý]+")
_LETTERS = re.compile(r"[^\W\d_]+")
_SILENT_ED = re.compile(r"[^aeioutd]ed$")

CONTRACTIONS: Mapping[str, str] = {
    "can't": "cannot", "won't": "will not", "shan't": "shall not", "let's": "let us", "i'm": "I am", "it's": "it is",
    "that's": "that is", "there's": "there is", "what's": "what is", "who's": "who is", "here's": "here is",
    "he's": "he is", "she's": "she is",
}  # fmt: skip
_ENDINGS: Mapping[str, str] = {"n't": " not", "'re": " are", "'ve": " have", "'ll": " will", "'d": " would"}
FIRST = frozenset(WORD.findall("i me my mine myself we us our ours ourselves ich wir mich mir mein meine unsere uns"))
SECOND = frozenset(WORD.findall("you your yours yourself yourselves du dich dir dein ihr euch euer eure"))
HEDGES = frozenset(
    WORD.findall(
        "maybe perhaps possibly probably likely apparently seemingly presumably roughly somewhat fairly rather quite "
        "might could may seems seem appears appear suggests suggest generally usually often sometimes arguably "
        "vielleicht möglicherweise wahrscheinlich vermutlich ungefähr etwa ziemlich offenbar scheinbar"
    )
)
FORMULAS: Mapping[str, str] = {
    "flesch": "Flesch Reading Ease (Flesch 1948)",
    "flesch_de": "Flesch Reading Ease for German (Amstad 1978)",
    "lix": "LIX (Björnsson 1968)",
}
TONES: Mapping[str, str] = {
    "contractions": "contractions per 100 words",
    "first_person": "first-person words (I, we) per 100 words",
    "second_person": "second-person words (you) per 100 words",
    "exclamations": "exclamation marks per 100 sentences",
    "questions": "questions per 100 sentences",
    "hedges": "hedging words (perhaps, might) per 100 words",
    "long_words": "words of more than six letters per 100 words",
}


@dataclass(frozen=True, slots=True)
class Token:
    """A word: as it stands, in small letters with straight apostrophes, and where it stands."""

    text: str
    folded: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence with words: its place without white space around it, and which tokens are its words."""

    start: int
    end: int
    first: int
    last: int

    @property
    def words(self) -> int:
        """How many words."""
        return self.last - self.first


class Measured:
    """A text, read once; every measure is taken from it.

    Args:
        text: Markdown or plain text.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.masked = mask(text)
        self.tokens = [
            Token(match[0], match[0].replace("’", "'").casefold(), match.start(), match.end())
            for match in WORD.finditer(self.masked)
        ]
        self.sentences = list(self._sentences())

    def _sentences(self) -> list[Sentence]:
        found = []
        at = 0
        for start, end in sentence_spans(self.masked):
            first = at
            while at < len(self.tokens) and self.tokens[at].start < end:
                at += 1
            if at > first:
                begin = self.tokens[first].start
                found.append(Sentence(begin, start + len(self.masked[start:end].rstrip()), first, at))
        return found

    def per_sentence(self) -> float:
        """Words per sentence."""
        return len(self.tokens) / len(self.sentences) if self.sentences else 0.0

    def readability(self, formula: str) -> float:
        """The figure of a formula of `FORMULAS`; 0 for a text without words.

        Raises:
            KeyError: no such formula.
        """
        FORMULAS[formula]
        if not self.tokens:
            return 0.0
        if formula == "lix":
            return self.per_sentence() + self.tone("long_words")
        syllables = sum(syllables_of(token.folded) for token in self.tokens) / len(self.tokens)
        if formula == "flesch_de":
            return 180 - self.per_sentence() - 58.5 * syllables
        return 206.835 - 1.015 * self.per_sentence() - 84.6 * syllables

    def tone(self, measure: str) -> float:
        """The figure of a measure of `TONES`, by hundred words or sentences.

        Raises:
            KeyError: no such measure.
        """
        if measure in ("exclamations", "questions"):
            mark = "!" if measure == "exclamations" else "?"
            return 100 * self.masked.count(mark) / len(self.sentences) if self.sentences else 0.0
        hit = _HITS[measure]
        return 100 * sum(hit(token) for token in self.tokens) / len(self.tokens) if self.tokens else 0.0

    def tone_places(self, measure: str) -> list[tuple[int, int]]:
        """Where the words or marks of a measure stand."""
        if measure in ("exclamations", "questions"):
            mark = "!" if measure == "exclamations" else "?"
            return [(match.start(), match.end()) for match in re.finditer(re.escape(mark), self.masked)]
        hit = _HITS[measure]
        return [(token.start, token.end) for token in self.tokens if hit(token)]

    def figures(self, language: str = "en") -> dict[str, float]:
        """Every measure by name, rounded; readability by the formula that suits the language."""
        formula = formula_for(language)
        return {
            "words": float(len(self.tokens)),
            "sentences": float(len(self.sentences)),
            "words_per_sentence": round(self.per_sentence(), 1),
            "longest_sentence": float(max((sentence.words for sentence in self.sentences), default=0)),
            formula: round(self.readability(formula), 1),
            **{name: round(self.tone(name), 2) for name in TONES},
        }


def formula_for(language: str) -> str:
    """Which readability formula is made for a language: Flesch for English and German, else LIX."""
    return {"en": "flesch", "de": "flesch_de"}.get(language.split("-")[0].casefold(), "lix")


def syllables_of(word: str) -> int:
    """Syllables of a word, counted as groups of vowels; an English silent e at the end is left out. At least one."""
    count = 0
    for part in _LETTERS.findall(word):
        groups = len(_VOWELS.findall(part))
        # "make" and "walked" are one syllable, "table", "wanted" and "needed" two.
        silent = part.endswith("e") and not part.endswith(("le", "ee", "ie"))
        if groups > 1 and (silent or _SILENT_ED.search(part)):
            groups -= 1
        count += max(1, groups)
    return count or 1


def expanded(contraction: str) -> str | None:
    """The long form of a contraction, with its capital letter; None when it is none, such as a possessive."""
    folded = contraction.replace("’", "'").casefold()
    long = CONTRACTIONS.get(folded)
    if long is None:
        ending = next((end for end in _ENDINGS if folded.endswith(end) and len(folded) > len(end)), None)
        if ending is None:
            return None
        long = folded[: -len(ending)] + _ENDINGS[ending]
    if long.startswith("i "):
        long = "I" + long[1:]
    return long[:1].upper() + long[1:] if contraction[:1].isupper() else long


_HITS: Mapping[str, Callable[[Token], bool]] = {
    "contractions": lambda token: "'" in token.folded and expanded(token.text) is not None,
    "first_person": lambda token: token.folded.partition("'")[0] in FIRST,
    "second_person": lambda token: token.folded.partition("'")[0] in SECOND,
    "hedges": lambda token: token.folded in HEDGES,
    "long_words": lambda token: len(token.folded) > 6 and not token.folded[0].isdigit(),
}
