"""Addresses of the probes."""

from django.urls import path

from apps.monitoring.portal import captures, views

urlpatterns = [
    path("livez", views.livez, name="livez"),
    path("readyz", views.readyz, name="readyz"),
    path("captures/<uuid:capture_id>/", captures.capture, name="debug-capture"),
]
