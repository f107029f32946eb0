"""The three wires as tests parametrise over them."""

from __future__ import annotations

from typing import Any

from aiwriter_model_anthropic.backend import AnthropicBackend
from aiwriter_model_gemini.backend import GeminiBackend
from aiwriter_model_openai.backend import OpenAIBackend

from aiwriter_sdk import ModelBackend
from tests.fakes.provider import FakeProvider
from tests.unit.plugins.calling import build

WIRES = ("openai", "anthropic", "gemini")
KEY = "key-0123456789-abcdef"
_CLASSES: dict[str, type[ModelBackend]] = {
    "openai": OpenAIBackend,
    "anthropic": AnthropicBackend,
    "gemini": GeminiBackend,
}


def backend(wire: str, fake: FakeProvider, *, key: str = KEY, **options: Any) -> ModelBackend:
    """A backend that speaks this wire with the fake provider."""
    urls = {"openai": fake.openai_url, "anthropic": fake.anthropic_url, "gemini": fake.gemini_url}
    return build(_CLASSES[wire], {"base_url": urls[wire], **options}, {"api_key": key})
