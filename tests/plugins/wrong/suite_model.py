"""The conformance suite over every model backend of `wrong_cases`; run by `test_wrong_backends` in a process of its own."""

import json
import os

import wrong_descriptors

from aiwriter_sdk.testing.models import FAULT_STATUS, ModelConformance, WireReply


class _Wired(ModelConformance):
    __test__ = False
    descriptor = wrong_descriptors.model["right"]

    def options(self):
        return {} if "offline" in self.descriptor.capabilities else {"base_url": self.url}

    def wire(self, request, scene):
        if scene.fault:
            return WireReply.json({"error": scene.fault}, status=FAULT_STATUS[scene.fault])
        if request.path == "/models":
            return WireReply.json({"models": ["small"]})
        if request.path == "/embed":
            return WireReply.json({"vectors": [scene.vector(text) for text in request.json()["texts"]]})
        last = {"end": scene.reason} | ({"usage": scene.usage} if scene.usage else {})
        return WireReply.lines([*({"text": piece} for piece in scene.pieces), last])


for _key in json.loads(os.environ["WRONG_KEYS"])["model"]:
    _descriptor = wrong_descriptors.model[_key]
    _name = f"Test_model_{_key}_"
    globals()[_name] = type(_name, (_Wired,), {"descriptor": _descriptor, "__test__": True})
