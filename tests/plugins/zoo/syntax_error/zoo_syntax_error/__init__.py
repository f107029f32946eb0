"""A bad plugin: its descriptor's module is not Python."""
