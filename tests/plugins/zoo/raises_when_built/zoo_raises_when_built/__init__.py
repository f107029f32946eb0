"""A bad plugin: its constructor raises."""
