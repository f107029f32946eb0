"""The conformance suite over every health check of `wrong_cases`."""

import json
import os

import wrong_descriptors

from aiwriter_sdk.testing.health import CheckConformance
from aiwriter_sdk.testing.wire import WireReply


class _Asked(CheckConformance):
    __test__ = False
    descriptor = wrong_descriptors.check["right"]

    def options(self):
        return {"location": self.url}

    def answer(self, request):
        return WireReply.json({"free": 10}) if self.well else WireReply.json({}, status=500)


for _key in json.loads(os.environ["WRONG_KEYS"])["check"]:
    _descriptor = wrong_descriptors.check[_key]
    _name = f"Test_check_{_key}_"
    globals()[_name] = type(_name, (_Asked,), {"descriptor": _descriptor, "__test__": True})
