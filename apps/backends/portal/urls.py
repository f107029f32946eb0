"""Addresses of downloads."""

from django.urls import path

from apps.backends.portal import residency, views

urlpatterns = [
    path("settings/residency/", residency.workspace_residency, name="residency"),
    path("settings/residency/remove", residency.drop_residency, name="drop-residency"),
    path("files/<str:link_token>", views.file_link, name="file-link"),
]
