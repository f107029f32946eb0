"""A bad plugin: it ends the interpreter when its descriptor is imported."""
