"""The conformance suite over every storage backend of `wrong_cases`."""

import json
import os

import wrong_descriptors

from aiwriter_sdk.testing.storage import StorageConformance


class _Placed(StorageConformance):
    __test__ = False
    descriptor = wrong_descriptors.storage["right"]

    def options(self):
        return {"location": str(self.tmp_path / "files")}


for _key in json.loads(os.environ["WRONG_KEYS"])["storage"]:
    _descriptor = wrong_descriptors.storage[_key]
    _name = f"Test_storage_{_key}_"
    globals()[_name] = type(_name, (_Placed,), {"descriptor": _descriptor, "__test__": True})
