"""Raises."""

raise RuntimeError("the library that this plugin needs is too old")
