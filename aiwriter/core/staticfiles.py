"""Static files: named by their content, compressed once, cached for a year."""

from __future__ import annotations

from typing import Any

from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage


class ModuleStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Hashed names, also inside `import` statements of ES modules.

    Without this a page would load `portal.<hash>.js`, which imports `./theme.js`: an unhashed address that browsers
    keep for a year, so that half of an upgrade would not reach them.
    """

    support_js_module_import_aggregation = True

    def create_compressor(self, **kwargs: Any) -> Compressor:
        """Gzip alone: Brotli at its best level takes 18 s of the first start to save a fifth of the bytes."""
        return super().create_compressor(**{**kwargs, "use_brotli": False})
