"""A bad plugin: it claims a key that another package claims too."""
