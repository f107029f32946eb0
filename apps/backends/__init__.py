"""Configured storage and model backends, routes, the file store."""
