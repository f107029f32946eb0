"""A bad plugin: it never comes back from the import of its descriptor."""
