"""Addresses of pages."""

from django.urls import path

from apps.deployments.portal.views import WhatsNewView

app_name = "deployments"
urlpatterns = [path("whats-new/", WhatsNewView.as_view(), name="whats-new")]
