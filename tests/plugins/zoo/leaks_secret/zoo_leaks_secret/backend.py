"""A backend that tells its key."""

from aiwriter_sdk import AuthFailed, ModelBackend, ModelInfo


class Animal(ModelBackend):
    """Puts the key wherever it can."""

    async def health(self, *, control):
        key = self.config.secret("key").reveal()
        self.context.logger.warning("connecting with %s", key)
        try:
            raise ValueError(f"header was 'Authorization: Bearer {key}'")
        except ValueError as error:
            self.context.logger.exception("could not connect")
            raise AuthFailed(f"refused: {key}", remedy=f"is {key} right?", provider_code=key) from error

    async def models(self, *, control):
        return [ModelInfo(id="animal")]

    async def stream(self, request, *, control):
        raise RuntimeError(f"request with {self.config.secret('key').reveal()} failed")
        yield
