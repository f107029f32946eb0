"""Celery entrances."""
