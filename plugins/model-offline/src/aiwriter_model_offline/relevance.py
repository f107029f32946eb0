"""How near sentences are to a wish and to each other: by meaning when there is a model, by words in any case."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from aiwriter_model_offline.prose import words

Vectors = npt.NDArray[np.float32]
Embedder = Callable[[str], Vectors]
LAMBDA = 0.7
_PLAIN = frozenset(
    words(
        "a about above after all also an and any are as at be because been before being below between both but by can could "
        "did do does down each few for from further had has have he her here hers him his how i if in into is it its just me "
        "more most my no nor not now of off on once only or other our out over own same she should so some such than that "
        "the their them then there these they this those through to too under until up us use used using very was we were "
        "what when where which while who whom why will with would you your may must shall one two new make made many much"
    )
)


def stem(word: str) -> str:
    """A word without its commonest endings: enough to make "compressed" and "compression" meet."""
    for ending in (
        "ations",
        "ation",
        "ings",
        "ing",
        "ions",
        "ion",
        "edly",
        "ies",
        "ied",
        "ers",
        "er",
        "ed",
        "es",
        "ly",
        "s",
    ):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word.rstrip("e") if len(word) > 4 else word


def stems(text: str) -> list[str]:
    """Stems of the telling words of a text, in order."""
    return [stem(word) for word in words(text) if word not in _PLAIN and len(word) > 1]


def times(rows: Vectors, vector: Vectors) -> Vectors:
    """Each row times a vector. Not by @, whose threads wait for each other on a busy machine: 57 ms in place of 2."""
    return np.asarray(np.einsum("ij,j->i", rows, vector), dtype=np.float32)


class Space:
    """Sentences as vectors, so that wishes and sentences can be compared.

    Args:
        texts: the sentences.
        embedder: gives a unit vector by meaning; None compares words only.
        deeper: by meaning only this many of the texts that are nearest by words, to keep the time short; the others
            count as far away.
        wishes: what the nearness by words is measured against for that.
    """

    def __init__(
        self, texts: Sequence[str], embedder: Embedder | None, *, wishes: Sequence[str] = (), deeper: int = 160
    ) -> None:
        self._embedder = embedder
        counts = [Counter(stems(text)) for text in texts]
        present = Counter(word for count in counts for word in count)
        self._rarity = {word: math.log(1 + len(texts) / seen) for word, seen in present.items()}
        self._axes = {word: axis for axis, word in enumerate(present)}
        self._lexical = np.zeros((len(texts), max(1, len(self._axes))), dtype=np.float32)
        for row, count in zip(self._lexical, counts, strict=True):
            self._fill(row, count)
        self._meanings: Vectors | None = None
        if embedder is not None and texts:
            near = np.max([times(self._lexical, self._row(wish)) for wish in wishes or ("",)], axis=0)
            chosen = np.argsort(-near, kind="stable")[:deeper]
            vectors = {int(at): embedder(texts[at]) for at in sorted(chosen.tolist())}
            size = len(next(iter(vectors.values())))
            self._meanings = np.zeros((len(texts), size), dtype=np.float32)
            for at, vector in vectors.items():
                self._meanings[at] = vector

    def _fill(self, row: Vectors, count: Counter[str]) -> None:
        for word, seen in count.items():
            axis = self._axes.get(word)
            if axis is not None:
                row[axis] = (1 + math.log(seen)) * self._rarity[word]
        length = float(np.linalg.norm(row))
        if length:
            row /= length

    def _row(self, text: str) -> Vectors:
        row = np.zeros(self._lexical.shape[1], dtype=np.float32)
        self._fill(row, Counter(stems(text)))
        return row

    def nearness(self, wish: str) -> Vectors:
        """How near each sentence is to a wish, about 0 to 1."""
        by_words = times(self._lexical, self._row(wish))
        if self._meanings is None or self._embedder is None:
            return np.asarray(by_words, dtype=np.float32)
        by_meaning = np.maximum(times(self._meanings, self._embedder(wish)), 0)
        return np.asarray(0.75 * by_meaning + 0.25 * by_words, dtype=np.float32)

    def likeness(self, at: int) -> Vectors:
        """How like each sentence is to the one at `at`."""
        by_words = times(self._lexical, self._lexical[at])
        if self._meanings is None:
            return np.asarray(by_words, dtype=np.float32)
        return np.asarray(np.maximum(by_words, times(self._meanings, self._meanings[at])), dtype=np.float32)

    @property
    def knows_meaning(self) -> bool:
        """Whether sentences are compared by meaning."""
        return self._meanings is not None


def choose(
    scores: Vectors, likeness: Callable[[int], Vectors], *, count: int, taken: Sequence[int] = (), least: float = 0.0
) -> list[int]:
    """Maximal marginal relevance: relevant to the wish, unlike what was chosen before.

    Args:
        scores: relevance of each sentence; those below `least` are not chosen.
        likeness: see `Space.likeness`.
        count: how many.
        taken: chosen earlier, for other sections.
    """
    chosen: list[int] = []
    doubled = np.zeros(len(scores), dtype=np.float32)
    for at in taken:
        doubled = np.maximum(doubled, likeness(at))
    open_ = scores >= least
    open_[list(taken)] = False
    while len(chosen) < count and open_.any():
        values = np.where(open_ & (doubled < 0.86), LAMBDA * scores - (1 - LAMBDA) * doubled, -np.inf)
        best = int(np.argmax(values))
        if not np.isfinite(values[best]):
            break
        chosen.append(best)
        open_[best] = False
        doubled = np.maximum(doubled, likeness(best))
    return chosen
