"""The conformance suite over every publish target of `wrong_cases`."""

import json
import os

import wrong_descriptors

from aiwriter_sdk.testing.publish import PublishConformance


class _Placed(PublishConformance):
    __test__ = False
    descriptor = wrong_descriptors.publish["right"]

    def options(self):
        return {"location": str(self.tmp_path / "place")}

    def published(self):
        place = self.tmp_path / "place"
        return len(list(place.iterdir())) if place.exists() else 0


for _key in json.loads(os.environ["WRONG_KEYS"])["publish"]:
    _descriptor = wrong_descriptors.publish[_key]
    _name = f"Test_publish_{_key}_"
    globals()[_name] = type(_name, (_Placed,), {"descriptor": _descriptor, "__test__": True})
