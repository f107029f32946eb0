"""How static files get their names."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class ModuleStorage(CompressedManifestStaticFilesStorage):
    """Hashed names, also inside `import` statements of ES modules.

    Without this a page would load `portal.<hash>.js`, which imports `./theme.js`: an unhashed address that browsers
    keep for a year, so that half of an upgrade would not reach them.
    """

    support_js_module_import_aggregation = True
