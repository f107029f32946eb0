"""A backend whose calls never end."""

import asyncio

from aiwriter_sdk import Health, ModelBackend, TextDelta


class Animal(ModelBackend):
    """Waits, and goes on waiting when it is told to stop."""

    async def health(self, *, control):
        await self._wait()
        return Health(status="ok")

    async def models(self, *, control):
        await self._wait()
        return []

    async def stream(self, request, *, control):
        yield TextDelta(text="Once upon a time")
        await self._wait()

    async def _wait(self):
        for _ in range(30):
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                self.context.logger.info("told to stop, and goes on")
