"""A backend that cannot be built."""

from aiwriter_sdk import Health, ModelBackend


class Animal(ModelBackend):
    """Raises from its constructor."""

    def __init__(self, config, context):
        super().__init__(config, context)
        raise KeyError("ZOO_HOME")

    async def health(self, *, control):
        return Health(status="ok")

    async def models(self, *, control):
        return []

    async def stream(self, request, *, control):
        yield
