"""Tests that walk the whole web surface."""
