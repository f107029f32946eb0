"""What takes the place of a value in a staging copy. Pure: a secret of the copy goes in, nothing is looked up.

Texts are replaced word by word by words of the same length, so that headings, links, tables, quotations and places in a
text stay what they were. Thirty-two words stand for all words of a length: a text says nothing any more, and counting its
words does not bring it back, while equal passages stay equal. Names are kept apart instead, each with a word of its own.
The secret is made for one copy and forgotten with it.
"""

from __future__ import annotations

import hashlib
import hmac
import mimetypes
import re
import uuid
import zoneinfo
from collections.abc import Collection, Mapping
from typing import Any

_BUCKETS = 32
_MOST_KNOWN = 200_000
DOMAIN = "staging.invalid"
_TOKEN = re.compile(
    r"(?P<url>\b(?:https?|ftp)://[^\s<>\"'`)\]}|]+)"
    r"|(?P<mail>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)"
    r"|(?P<picture>/pictures/[0-9a-f]{8}-[0-9a-f-]{27})"
    r"|(?P<marker>\[\d{1,3}(?:\s*,\s*\d{1,3})*\])"
    r"|(?P<item>^[ \t>]*\d{1,3}(?=[.)][ \t]))"
    r"|(?P<field>\{[A-Za-z_][A-Za-z0-9_ -]{0,59}\})"
    r"|(?P<word>[^\W_]+)",
    re.MULTILINE,
)
_WORDS = re.compile(r"[^\W_]+")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z]{2,4})?")
_MARKER = re.compile(r"[A-Za-z]?\d{1,4}")
_SUBJECT = re.compile(r"[a-z_]{1,20}:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(:\d{1,6})?")
_ENDINGS = {"docx", "xlsx", "pptx", "odt", "md", "markdown", "webp", "epub", "csv", "svg"}
_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"
# First and last code point of a script, and letters that stand for all of it.
_SCRIPTS = (
    (0x0370, 0x03FF, "αβγδεζηθικλμνοπρστυφχψω"),
    (0x0400, 0x052F, "абвгдежзиклмнопрстуфхц"),
    (0x0590, 0x05FF, "אבגדהוזחטיכלמנסעפצקרשת"),
    (0x0600, 0x06FF, "ابتثجحخدذرزسشصضطعغفقكلمنهو"),
    (0x0900, 0x097F, "कखगघचजटडतदनपबमरलवसह"),
    (0x0E00, 0x0E7F, "กขคงจชซดตถทนบปผพมยรลวสห"),
    (0x3040, 0x30FF, "あいうえおかきくけこさしすせそたちつてと"),
    (0x3400, 0x9FFF, "山川田木水火土日月人口目耳手足車馬魚鳥虫"),
    (0xAC00, 0xD7AF, "가나다라마바사아자차카타파하고노도로모보"),
)


class Masks:
    """The replacements of one copy.

    Args:
        secret: of this copy, and of no other.
        shipped: texts that every new portal has; they stay.
        people: e-mail address in lower case to the id of its person, so that a person has one pseudonym everywhere.
        files: ids of files; an address of a picture in a text stays when it is one of them.
    """

    def __init__(
        self,
        secret: bytes,
        *,
        shipped: Collection[str] = (),
        people: Mapping[str, str] | None = None,
        files: Collection[str] = (),
    ) -> None:
        self._secret = secret
        self.shipped = frozenset(shipped)
        self._people = people or {}
        self._files = frozenset(files)
        self._known: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._taken: dict[str, str] = {}
        self._zones = zoneinfo.available_timezones()
        self._types = {*mimetypes.types_map.values(), "text/markdown", "image/webp", "application/octet-stream"}

    # ------------------------------------------------------------ texts
    def text(self, value: str) -> str:
        """Free text of the same length and shape."""
        return value if not value or value in self.shipped else _TOKEN.sub(self._token, value)

    def _token(self, found: re.Match[str]) -> str:
        kind, text = found.lastgroup, found[0]
        if kind == "word":
            return self._word(text)
        if kind == "url":
            return self._url(text)
        if kind == "mail":
            local, _, host = text.rpartition("@")
            return _WORDS.sub(lambda each: self._word(each[0]), local) + "@" + self._host(host)
        if kind == "picture" and text[10:] not in self._files:
            return _WORDS.sub(lambda each: self._word(each[0]), text)
        if kind == "field":
            return "{" + self.key(text[1:-1]) + "}"
        return text

    def _url(self, text: str) -> str:
        scheme, _, rest = text.partition("://")
        host, slash, path = rest.partition("/")
        return f"{scheme}://{self._host(host)}{slash}{_WORDS.sub(lambda each: self._word(each[0]), path)}"

    def _host(self, host: str) -> str:
        """A host of the same length that nobody has, where there is room for such an ending."""
        for ending in (".invalid", ".test"):
            if len(host) > len(ending):
                front = _WORDS.sub(lambda each: self._word(each[0]), host[: -len(ending)])
                return front[:-1] + "x" + ending if front.endswith((".", "-", ":", "@")) else front + ending
        return _WORDS.sub(lambda each: self._word(each[0]), host)

    def _word(self, word: str) -> str:
        known = self._known.get(word)
        if known is not None:
            return known
        folded = word.casefold()
        bucket = self._mac("word", folded)[0] % _BUCKETS
        made = ""
        for turn in range(_BUCKETS):
            made = self._letters(word, self._mac("shape", f"{len(word)}:{(bucket + turn) % _BUCKETS}"))
            if made.casefold() != folded:
                break
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[word] = made
        return made

    def _letters(self, word: str, seed: bytes) -> str:
        """A word of the same length, case and script."""
        while len(seed) < len(word):
            seed += hashlib.sha256(seed).digest()
        made = []
        for place, (letter, number) in enumerate(zip(word, seed, strict=False)):
            if letter.isdigit():
                made.append("0123456789"[number % 10])
                continue
            letters = _letters_of(letter) or (_VOWELS if (place + seed[0]) % 2 else _CONSONANTS)
            new = letters[number % len(letters)]
            made.append(new.upper() if letter.isupper() and len(new.upper()) == 1 else new)
        return "".join(made)

    # ------------------------------------------------------------ names
    def name(self, value: str) -> str:
        """A name of the same length: equal names become equal ones, and different names different ones."""
        if not value or value in self.shipped:
            return value
        known = self._names.get(value)
        if known is not None:
            return known
        if _WORDS.search(value) is None:
            return value
        for turn in range(2_000):
            seed = self._mac("name", f"{turn}:{value}")
            words = iter(range(1_000_000))
            made = _WORDS.sub(
                lambda each, seed=seed, words=words: self._letters(  # type: ignore[misc]
                    each[0], hmac.digest(seed, str(next(words)).encode(), "sha256")
                ),
                value,
            )
            if made.casefold() != value.casefold() and self._taken.get(made.casefold(), value) == value:
                break
        else:
            # More names of one or two letters than there are words of them.
            made = f"{made}{len(self._taken)}"
        self._names[value] = made
        self._taken[made.casefold()] = value
        return made

    def key(self, value: str) -> str:
        """A name in code: kept when every new portal has it."""
        return self.name(value)

    def person(self, value: str, key: str) -> str:
        """The pseudonym of a person; empty stays empty."""
        if not value:
            return ""
        seed = self._mac("person", key)
        return " ".join(self._letters(shape, seed[at:] + seed) for shape, at in (("Xxxxx", 0), ("Xxxxxxx", 16)))

    def email(self, value: str) -> str:
        """The address of a person's pseudonym; one that belongs to nobody gets an address of its own."""
        if not value:
            return ""
        key = self._people.get(value.casefold(), value.casefold())
        name = self.person("x", key).lower().replace(" ", ".")
        return f"{name}.{self._mac('address', key).hex()[:8]}@{DOMAIN}"

    def file(self, value: str) -> str:
        """The name of a file; a known ending stays."""
        stem, dot, ending = value.rpartition(".")
        if dot and (f".{ending.lower()}" in mimetypes.types_map or ending.lower() in _ENDINGS):
            return f"{self.text(stem)}.{ending}"
        return self.text(value)

    # ------------------------------------------------------------ what may stay when it is what it should be
    def language(self, value: str) -> str:
        """A code of a language, or nothing."""
        return value if value in self.shipped or _LANGUAGE.fullmatch(value) else ""

    def zone(self, value: str) -> str:
        """A time zone, or UTC."""
        return value if value in self._zones else "UTC"

    def mime(self, value: str) -> str:
        """A media type, or that of any file."""
        return value if not value or value in self._types else "application/octet-stream"

    def currency(self, value: str) -> str:
        """A currency, or nothing."""
        return value if re.fullmatch(r"[A-Z]{3}", value) else ""

    def marker(self, value: str) -> str:
        """The number of a passage."""
        return value if _MARKER.fullmatch(value) else self.text(value)

    def subject(self, value: str) -> str:
        """A word of the code and an id."""
        return value if _SUBJECT.fullmatch(value) else self.name(value)

    def digest(self, value: str) -> str:
        """Another digest of the same length."""
        return self._mac("digest", value).hex()[: len(value)] if value else ""

    # ------------------------------------------------------------ JSON
    def json(self, value: Any, words: Collection[str] = (), *, ids: bool = False) -> Any:
        """JSON of the same form. Numbers stay; texts are shaped, keys are kept apart.

        Args:
            value: as decoded.
            words: keys and texts of the code that stay.
            ids: ids stay too.
        """
        if isinstance(value, str):
            if value in words or (ids and _is_id(value)):
                return value
            return self.text(value)
        if isinstance(value, list):
            return [self.json(each, words, ids=ids) for each in value]
        if isinstance(value, dict):
            return {
                key if key in words or (ids and _is_id(key)) else self.key(key): self.json(each, words, ids=ids)
                for key, each in value.items()
            }
        return value

    def schema(self, value: Any, words: Collection[str] = ()) -> Any:
        """A JSON Schema: names of fields become the same names that the instructions and briefs have."""
        if isinstance(value, dict):
            made: dict[str, Any] = {}
            for key, each in value.items():
                if key in ("required", "x-order") and isinstance(each, list):
                    made[key] = [self.key(name) if isinstance(name, str) else name for name in each]
                elif key == "x-subject" and isinstance(each, str):
                    made[key] = self.key(each)
                else:
                    made[key if key in words else self.key(key)] = self.schema(each, words)
            return made
        if isinstance(value, list):
            return [self.schema(each, words) for each in value]
        return self.json(value, words)

    def _mac(self, purpose: str, text: str) -> bytes:
        return hmac.digest(self._secret, f"{purpose}\0{text}".encode("utf-8", "surrogatepass"), "sha256")


def _letters_of(letter: str) -> str:
    point = ord(letter)
    if point < 0x0370:
        return ""
    return next((letters for first, last, letters in _SCRIPTS if first <= point <= last), "")


def _is_id(text: str) -> bool:
    try:
        return len(text) == 36 and str(uuid.UUID(text)) == text
    except ValueError:
        return False
