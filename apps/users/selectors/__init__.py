"""Reads of the users app."""
