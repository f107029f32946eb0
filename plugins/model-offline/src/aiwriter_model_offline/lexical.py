"""An embedder without a model: words, word pairs and word pieces, hashed into a vector.

It finds what shares words with the question and nothing else, so it is labelled "lexical" wherever it shows. Fused with
a keyword index it is still better than the index alone: it forgives spelling and inflection.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

DIMENSIONS = 1024
FINGERPRINT = "lexical-hash-1024-1"
_WORD = re.compile(r"[^\W_]+")


def embed(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Unit vectors, one row for each text; a text without words gets the first axis."""
    rows = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        for feature, count in Counter(_features(text)).items():
            # blake2 and not hash(): vectors must be the same in every process and on every machine.
            digest = hashlib.blake2b(feature.encode(), digest_size=8).digest()
            number = int.from_bytes(digest, "little")
            row[number % DIMENSIONS] += (1.0 if number >> 63 else -1.0) * (1.0 + math.log(count)) * _weight(feature)
        length = float(np.linalg.norm(row))
        if length > 0:
            row /= length
        else:
            row[0] = 1.0
    return rows


def _features(text: str) -> Iterator[str]:
    words = _WORD.findall(text.lower())
    yield from (f"w {word}" for word in words)
    yield from (f"p {one} {two}" for one, two in pairwise(words))
    for word in words:
        padded = f"<{word}>"
        yield from (f"c {padded[at : at + 4]}" for at in range(max(1, len(padded) - 3)))


def _weight(feature: str) -> float:
    if feature[0] == "w":
        # Short words are mostly grammar.
        return 0.2 if len(feature) <= 5 else 1.0
    return 0.5 if feature[0] == "p" else 0.25
