"""The conformance suite over every storage backend of `wrong_cases`."""

import wrong_descriptors

from aiwriter_sdk.testing.storage import StorageConformance


class _Placed(StorageConformance):
    __test__ = False
    descriptor = wrong_descriptors.storage["right"]

    def options(self):
        return {"location": str(self.tmp_path / "files")}


for _key, _descriptor in wrong_descriptors.storage.items():
    globals()[f"Test_{_key}_"] = type(f"Test_{_key}_", (_Placed,), {"descriptor": _descriptor, "__test__": True})
