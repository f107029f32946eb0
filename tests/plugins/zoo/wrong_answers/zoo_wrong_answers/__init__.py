"""A bad plugin: its methods give values of the wrong types."""
