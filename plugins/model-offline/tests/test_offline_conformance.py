"""AI-Writer's conformance suite for the embedded backend, with each of its embedders."""

from collections.abc import Mapping

from aiwriter_model_offline.plugin import descriptor

from aiwriter_sdk.testing.models import ModelConformance


class TestOfflineByMeaning(ModelConformance):
    """With MiniLM."""

    descriptor = descriptor

    def options(self) -> Mapping[str, object]:
        """As it comes."""
        return {"embedder": "minilm"}


class TestOfflineByWords(ModelConformance):
    """Without a model."""

    descriptor = descriptor

    def options(self) -> Mapping[str, object]:
        """As on a machine without onnxruntime."""
        return {"embedder": "lexical"}
