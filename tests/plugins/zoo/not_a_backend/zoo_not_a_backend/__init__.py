"""A bad plugin: its target is no backend."""
