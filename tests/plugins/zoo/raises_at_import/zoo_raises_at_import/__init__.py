"""A bad plugin: it raises when its descriptor is imported."""
