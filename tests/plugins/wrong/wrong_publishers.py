"""Publish targets that are wrong in one way each; `wrong_cases` says which rule finds it."""

from __future__ import annotations

import pathlib
import uuid

from aiwriter_sdk import Health, NotFound, Published, PublishTarget


class Right(PublishTarget):
    async def health(self, *, control):
        return Health(status="ok")

    def folder(self):
        folder = pathlib.Path(self.config.text("location"))
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    async def publish(self, item, *, remote_id, control):
        name = remote_id or item.key or uuid.uuid4().hex
        (self.folder() / name).write_text(item.html, encoding="utf-8")
        return Published(remote_id=name)

    async def unpublish(self, remote_id, *, control):
        (self.folder() / remote_id).unlink(missing_ok=True)


class NoId(Right):
    async def publish(self, item, *, remote_id, control):
        done = await super().publish(item, remote_id=remote_id, control=control)
        return Published(remote_id="") if item.title == "Harbour" else done


class Doubles(Right):
    async def publish(self, item, *, remote_id, control):
        done = await super().publish(item, remote_id=remote_id, control=control)
        if item.title == "Ferry at dawn":
            (self.folder() / uuid.uuid4().hex).write_text(item.html, encoding="utf-8")
        return done


class ComplainsOfGone(Right):
    async def unpublish(self, remote_id, *, control):
        if not (self.folder() / remote_id).exists():
            raise NotFound("gone already")
        await super().unpublish(remote_id, control=control)


class ForgetsKey(Right):
    async def publish(self, item, *, remote_id, control):
        return await super().publish(item, remote_id=remote_id or uuid.uuid4().hex, control=control)


class GoesBySlug(Right):
    async def publish(self, item, *, remote_id, control):
        return await super().publish(item, remote_id=remote_id or item.title.split()[0], control=control)


class LosesWhatIsGone(Right):
    async def publish(self, item, *, remote_id, control):
        if remote_id and not (self.folder() / remote_id).exists():
            return Published(remote_id=remote_id)
        return await super().publish(item, remote_id=remote_id, control=control)
