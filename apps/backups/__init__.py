"""Backups, their verification, drills and restores."""
