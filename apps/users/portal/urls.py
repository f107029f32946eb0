"""Addresses of the pages about people."""

from __future__ import annotations

from django.urls import path

from apps.users.portal import access, consents, factors, invitations, members, privacy, profile, sessions, tokens

app_name = "users"
urlpatterns = [
    path("profile/", profile.profile, name="profile"),
    path("notifications/", profile.notification_list, name="notifications"),
    path("notifications/read", profile.read_all_notifications, name="read-notifications"),
    path("notifications/<uuid:notification_id>/open", profile.open_notification, name="open-notification"),
    path("tokens/", tokens.token_list, name="tokens"),
    path("tokens/<uuid:token_id>/revoke", tokens.revoke, name="revoke-token"),
    path("access/", access.desk, name="access"),
    path("access/why/", access.why, name="access-why"),
    path("access/reviews/<uuid:access_review_id>/", access.review, name="access-review"),
    path("access/<uuid:elevation_id>/approve", access.act, {"what": "approve"}, name="access-approve"),
    path("access/<uuid:elevation_id>/deny", access.act, {"what": "deny"}, name="access-deny"),
    path("access/<uuid:elevation_id>/extend", access.act, {"what": "extend"}, name="access-extend"),
    path("access/<uuid:elevation_id>/end", access.act, {"what": "end"}, name="access-end"),
    path("sessions/", sessions.session_list, name="sessions"),
    path("sessions/<int:session_id>/end", sessions.end, name="end-session"),
    path("sign-in/again", sessions.sign_in_again, name="sign-in-again"),
    path("sign-in/second-factor", factors.required, name="factor-required"),
    path("invitations/<str:token>/", invitations.accept, name="invitation"),
    path("privacy/", privacy.my_data, name="my-data"),
    path("privacy/<uuid:privacy_id>/take-back", privacy.take_back, name="take-back-request"),
    path("privacy/<uuid:privacy_id>/file", privacy.file, name="my-data-file"),
    path("privacy/consents/", consents.consent_page, name="consents"),
    path("members/", members.member_list, name="members"),
    path("members/<uuid:member_id>/role", members.change, name="change-member"),
    path("members/<uuid:member_id>/remove", members.remove, name="remove-member"),
]
