"""Conformance tests for plugin authors, as a pytest plugin."""
