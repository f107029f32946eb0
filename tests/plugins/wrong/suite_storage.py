"""The conformance suite over every storage backend of `wrong_cases`."""

import os

import wrong_descriptors

from aiwriter_sdk.testing.storage import StorageConformance


class _Placed(StorageConformance):
    __test__ = False
    descriptor = wrong_descriptors.storage["right"]

    def options(self):
        return {"location": str(self.tmp_path / "files")}


for _key in os.environ["WRONG_KEYS"].split():
    _descriptor = wrong_descriptors.storage[_key]
    globals()[f"Test_{_key}_"] = type(f"Test_{_key}_", (_Placed,), {"descriptor": _descriptor, "__test__": True})
