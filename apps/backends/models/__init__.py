"""Tables of configured backends and of the file store."""

from apps.backends.models.calls import ModelCall
from apps.backends.models.files import StoredBlob, StoredFile, StoredFileVersion
from apps.backends.models.profiles import BackendProfile, PriceOverride
from apps.backends.models.residency import ResidencyRule
from apps.backends.models.routes import Route, RouteStep

__all__ = [
    "BackendProfile",
    "ModelCall",
    "PriceOverride",
    "ResidencyRule",
    "Route",
    "RouteStep",
    "StoredBlob",
    "StoredFile",
    "StoredFileVersion",
]
