"""A bad plugin: its target does not exist."""
