"""Writes of the users app."""
