"""A backend that ends the interpreter."""

import sys

from aiwriter_sdk import ModelBackend, ModelInfo, TextDelta


class Animal(ModelBackend):
    """Exits."""

    async def health(self, *, control):
        sys.exit("no licence")

    async def models(self, *, control):
        return [ModelInfo(id="animal")]

    async def stream(self, request, *, control):
        yield TextDelta(text="The demo version ends here")
        sys.exit(3)
