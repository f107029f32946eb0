"""Gives a dict."""

descriptor = {"key": "zoo-wrong-type", "kind": "model"}
