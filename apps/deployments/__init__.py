"""Environments, releases, roll-outs, checklists, announcements."""
