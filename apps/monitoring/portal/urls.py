"""Addresses of the probes."""

from django.urls import path

from apps.monitoring.portal import views

urlpatterns = [
    path("livez", views.livez, name="livez"),
    path("readyz", views.readyz, name="readyz"),
]
