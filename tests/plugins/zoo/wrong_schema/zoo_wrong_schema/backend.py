"""A backend that writes two words."""

from aiwriter_sdk import Finish, Health, ModelBackend, ModelInfo, TextDelta


class Animal(ModelBackend):
    """Harmless."""

    async def health(self, *, control):
        return Health(status="ok")

    async def models(self, *, control):
        return [ModelInfo(id="animal")]

    async def stream(self, request, *, control):
        yield TextDelta(text="Hello zoo")
        yield Finish()
