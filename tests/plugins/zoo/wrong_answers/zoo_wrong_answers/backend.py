"""A backend that answers with the wrong types."""

from aiwriter_sdk import ModelBackend


class Animal(ModelBackend):
    """Answers with what comes to mind."""

    async def health(self, *, control):
        return "fine"

    def models(self, *, control):
        return ["animal"]

    async def stream(self, request, *, control):
        return ["Hello", "zoo"]
