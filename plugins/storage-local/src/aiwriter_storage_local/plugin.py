"""The descriptor: what the portal shows before anything else of this package is imported."""

from __future__ import annotations

from aiwriter_sdk import ConfigField, ConfigSchema, Descriptor

_FIELDS = (
    ConfigField(
        name="root",
        type="str",
        label="Folder",
        help="Absolute path on the server, such as /srv/aiwriter/files. Empty takes a folder in the portal's own data.",
        required=False,
    ),
    ConfigField(
        name="min_free_mb",
        type="int",
        label="Warn below",
        help="Free space in megabytes below which the health check warns.",
        default=1024,
        minimum=0,
    ),
)

descriptor = Descriptor(
    key="local",
    kind="storage",
    label="Folder on the server",
    contract="1.0",
    target="aiwriter_storage_local.backend:LocalBackend",
    config=ConfigSchema(fields=_FIELDS),
    capabilities=frozenset({"listing"}),
    summary="Files in a folder of this server, written whole or not at all.",
)
