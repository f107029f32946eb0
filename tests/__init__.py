"""Tests of the portal; a package of its own, because an installed distribution also calls one "tests"."""
