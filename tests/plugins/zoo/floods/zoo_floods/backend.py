"""A backend that never stops writing."""

from aiwriter_sdk import Health, ModelBackend, ModelInfo, TextDelta


class Animal(ModelBackend):
    """Floods."""

    async def health(self, *, control):
        return Health(status="ok")

    async def models(self, *, control):
        return [ModelInfo(id="animal")]

    async def stream(self, request, *, control):
        while True:
            yield TextDelta(text="all work and no play " * 10)
