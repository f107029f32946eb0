"""Addresses of downloads."""

from django.urls import path

from apps.backends.portal import views

urlpatterns = [
    path("files/<str:link_token>", views.file_link, name="file-link"),
]
