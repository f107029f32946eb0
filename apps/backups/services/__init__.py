"""Writes and outside work."""
