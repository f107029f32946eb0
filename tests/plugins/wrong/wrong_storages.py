"""Storage backends that are wrong in one way each; `wrong_cases` says which rule finds it."""

from __future__ import annotations

import datetime as dt
import os
import pathlib
import tempfile

from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage

from aiwriter_sdk import Health, StorageBackend, StorageUsage
from aiwriter_sdk.testing.wire import WireReply, WireServer


class AtomicStorage(FileSystemStorage):
    """Writes beside the place and links the whole file into it: no half files, no overwriting."""

    def _save(self, name, content):
        target = pathlib.Path(self.path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=self.location)
        try:
            with os.fdopen(handle, "wb") as file:
                for piece in content.chunks():
                    file.write(piece)
            while True:
                try:
                    os.link(part, self.path(name))
                except FileExistsError:
                    name = self.get_available_name(name)
                else:
                    return name
        finally:
            pathlib.Path(part).unlink()

    def get_modified_time(self, name):
        return dt.datetime.fromtimestamp(pathlib.Path(self.path(name)).stat().st_mtime, dt.UTC)


class Right(StorageBackend):
    make = AtomicStorage

    def __init__(self, config, context):
        super().__init__(config, context)
        pathlib.Path(config.text("location")).mkdir(parents=True, exist_ok=True)

    async def health(self, *, control):
        return Health(status="ok")

    def storage(self):
        return self.make(location=self.config.text("location"))

    async def usage(self, *, control):
        return StorageUsage(used_bytes=0)


def _wrong(name, **methods):
    storage = type(f"{name}Storage", (AtomicStorage,), methods)
    return type(name, (Right,), {"make": storage, "__module__": __name__})


def _losing(self, name, content):
    if content.size == 70_000:
        content = ContentFile(content.read()[:-1])
    return AtomicStorage._save(self, name, content)


def _cutting(self, name, content):
    return AtomicStorage._save(self, name, _Short(content) if (content.size or 0) > 30_000_000 else content)


class _Short:
    def __init__(self, content):
        self.content = content

    def chunks(self):
        return (piece for number, piece in enumerate(self.content.chunks()) if number)


def _ascii(self, name, max_length=None):
    name.encode("ascii")
    return AtomicStorage.get_available_name(self, name, max_length)


def _outside(self, name, content, max_length=None):
    if ".." not in name:
        return AtomicStorage.save(self, name, content, max_length)
    path = pathlib.Path(self.location, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.read())
    return name.replace("..", "up")


def _overwriting(self, name, content, max_length=None):
    path = pathlib.Path(self.path(name))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{id(content)}")
    with part.open("wb") as file:
        file.writelines(content.chunks())
    part.replace(path)
    return name


def _complaining(self, name):
    pathlib.Path(self.path(name)).unlink()


def _opening(self, name, mode="rb"):
    return AtomicStorage._open(self, name, mode) if self.exists(name) else ContentFile(b"")


def _half(self, path):
    folders, files = AtomicStorage.listdir(self, path)
    return folders, files[:100]


def _naive(self, name):
    return AtomicStorage.get_modified_time(self, name).replace(tzinfo=None)


def _visible(self, name, content):
    return FileSystemStorage._save(self, name, content)


_server = WireServer(lambda request: WireReply(steps=(b"linked",)))


def _eternal(self, name, expire=None):
    if not _server.url:
        _server.start()
    return f"{_server.url}/{name}"


def _appending(self, name, content):
    if "race" not in name:
        return AtomicStorage._save(self, name, content)
    with pathlib.Path(self.path(name)).open("ab") as file:
        file.writelines(content.chunks())
    return name


def _taken(self, name, max_length=None):
    return name if "race" in name else AtomicStorage.get_available_name(self, name, max_length)


LosesBytes = _wrong("LosesBytes", _save=_losing)
CutsLarge = _wrong("CutsLarge", _save=_cutting)
OnlyAscii = _wrong("OnlyAscii", get_available_name=_ascii)
LeadsOutside = _wrong("LeadsOutside", save=_outside)
Overwrites = _wrong("Overwrites", save=_overwriting)
ComplainsOfMissing = _wrong("ComplainsOfMissing", delete=_complaining)
OpensMissing = _wrong("OpensMissing", _open=_opening)
ListsHalf = _wrong("ListsHalf", listdir=_half)
NaiveTime = _wrong("NaiveTime", get_modified_time=_naive)
ShowsHalfFiles = _wrong("ShowsHalfFiles", _save=_visible)
EternalUrls = _wrong("EternalUrls", url=_eternal)
MixesWriters = _wrong("MixesWriters", _save=_appending, get_available_name=_taken)


class OwesBytes(Right):
    async def usage(self, *, control):
        return StorageUsage(used_bytes=-1)
