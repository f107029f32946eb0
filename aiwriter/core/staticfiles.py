"""Static files: named by their content, compressed once, cached for a year; those of several versions lie side by side.

While a new version is rolled out, pages of both ask any of the processes for their files. So nothing is taken away that a
recent version names: each has a manifest of its own, and a process serves a file that was put there after it started.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command
from django.http import HttpRequest, HttpResponseBase
from whitenoise.base import WhiteNoise
from whitenoise.compress import Compressor
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.storage import CompressedManifestStaticFilesStorage

KEPT_VERSIONS = 5
_MANIFEST = "staticfiles-{}.json"


class ModuleStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Hashed names, also inside `import` statements of ES modules.

    Without this a page would load `portal.<hash>.js`, which imports `./theme.js`: an unhashed address that browsers
    keep for a year, so that half of an upgrade would not reach them.
    """

    support_js_module_import_aggregation = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Its own manifest: a version that comes back must not name the files of the one that replaced it.
        self.manifest_name = _MANIFEST.format(settings.VERSION)
        super().__init__(*args, **kwargs)

    def create_compressor(self, **kwargs: Any) -> Compressor:
        """Gzip alone: Brotli at its best level takes 18 s of the first start to save a fifth of the bytes."""
        return super().create_compressor(**{**kwargs, "use_brotli": False})


class LiveStaticMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]
    """Also serves what another version has put into the folder since this process started."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        super().__init__(get_response)
        if self.static_root:
            # Where the base class would look for a file that it does not know.
            self.directories.append((os.path.join(os.path.abspath(self.static_root), ""), self.static_prefix))  # noqa: PTH100, PTH118

    def __call__(self, request: HttpRequest) -> Any:
        """Serve a file, or pass on."""
        url = request.path_info
        if not self.autorefresh and url not in self.files and url.startswith(self.static_prefix):
            found = WhiteNoise.find_file(self, url)
            if found is not None:
                self.files[url] = found
        return super().__call__(request)


def start_problem(storage: Any = staticfiles_storage) -> str:
    """Why pages could not be drawn; "" when this version's static files are there, or none are needed.

    Args:
        storage: where they are.
    """
    if settings.DEBUG or not isinstance(storage, ModuleStorage) or storage.read_manifest() is not None:
        return ""
    return (
        f"{settings.STATIC_ROOT} holds no static files of version {settings.VERSION}, and every page needs them.\n"
        "  manage.py prepare puts them there; in a container: aiwriter static"
    )


def collect() -> None:
    """Put this version's files beside those of others; nothing that is being served is touched.

    `collectstatic` would delete and write again what is there already, so it works in a folder of its own.
    """
    root = Path(settings.STATIC_ROOT)
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent, prefix="static-") as scratch:
        storage: Any = staticfiles_storage
        storage.location = scratch
        try:
            call_command("collectstatic", interactive=False, verbosity=0)
        finally:
            storage.location = str(root)
        manifest = _MANIFEST.format(settings.VERSION)
        new = [path for path in Path(scratch).rglob("*") if path.is_file()]
        # The manifest last: whoever reads it finds everything that it names.
        for path in sorted(new, key=lambda path: path.name == manifest):
            target = root / path.relative_to(scratch)
            if path.name == manifest or not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                path.chmod(0o644)
                path.replace(target)
    _prune(root)


def _prune(root: Path) -> None:
    """Remove what none of the last versions names."""
    manifests = sorted(root.glob(_MANIFEST.format("*")), key=lambda path: path.stat().st_mtime, reverse=True)
    own = root / _MANIFEST.format(settings.VERSION)
    kept = [own, *(path for path in manifests if path != own)][:KEPT_VERSIONS]
    named: set[str] = set()
    for path in kept:
        named.update(json.loads(path.read_text(encoding="utf-8"))["paths"].values())
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not name.startswith(".") and path not in kept and name.removesuffix(".gz") not in named:
            path.unlink()
