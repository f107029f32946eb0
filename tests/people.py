"""The people of the tests. Every test tells its story with the same six.

wanda   writes in the workspace "press"
eddie   edits in "press"
otto    operates the installation, a member of no workspace
ada     audits
alma    administers
eve     writes in "rival", and must never see anything of "press"
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client

from apps.users.models import User, Workspace
from apps.users.selectors.access import Actor
from tests.factories.users import MembershipFactory, RoleGrantFactory, UserFactory, WorkspaceFactory


@dataclass
class People:
    """Makes each person when a test first names them."""

    @cached_property
    def press(self) -> Workspace:
        """The workspace of wanda and eddie."""
        return WorkspaceFactory(name="Press office", slug="press")

    @cached_property
    def rival(self) -> Workspace:
        """The workspace of eve."""
        return WorkspaceFactory(name="Rival", slug="rival")

    @cached_property
    def wanda(self) -> User:
        """Writer of press."""
        return self._member("wanda", "Wanda Writer", self.press, "writer")

    @cached_property
    def eddie(self) -> User:
        """Editor of press."""
        return self._member("eddie", "Eddie Editor", self.press, "editor")

    @cached_property
    def eve(self) -> User:
        """Writer of rival."""
        return self._member("eve", "Eve Elsewhere", self.rival, "writer")

    @cached_property
    def otto(self) -> User:
        """Operator."""
        return self._granted("otto", "Otto Operator", "operator")

    @cached_property
    def ada(self) -> User:
        """Auditor."""
        return self._granted("ada", "Ada Auditor", "auditor")

    @cached_property
    def alma(self) -> User:
        """Administrator."""
        return self._granted("alma", "Alma Admin", "admin")

    def named(self, name: str) -> User:
        """One of the six by name."""
        user: User = getattr(self, name)
        return user

    def actor(self, name: str) -> Actor:
        """One of the six as an actor."""
        return Actor.for_user(self.named(name))

    @staticmethod
    def _member(name: str, full_name: str, workspace: Workspace, role: str) -> User:
        user: User = UserFactory(email=f"{name}@example.org", full_name=full_name)
        MembershipFactory(user=user, workspace=workspace, role=role)
        return user

    @staticmethod
    def _granted(name: str, full_name: str, role: str) -> User:
        user: User = UserFactory(email=f"{name}@example.org", full_name=full_name)
        RoleGrantFactory(user=user, role=role)
        return user


def open_session(client: Client, user: User, *, minutes_ago: float = 0, method: str = "password", **shown: str) -> None:
    """Sign somebody in as the door would, without the door.

    Args:
        client: a browser's.
        user: who.
        minutes_ago: how long ago they showed who they are.
        method: "password", or "mfa" with `type="webauthn"`.
        shown: more of what allauth notes.
    """
    if settings.SESSION_COOKIE_NAME in client.cookies:
        client.force_login(user)
        session = client.session
    else:
        # As `force_login` does, in one writing of the session instead of three.
        session = SessionStore()
        session[SESSION_KEY], session[BACKEND_SESSION_KEY] = str(user.pk), settings.AUTHENTICATION_BACKENDS[0]
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    at = time.time() - 60 * minutes_ago
    session["account_authentication_methods"] = [{"method": method, "at": at, **shown}]
    session["account_authentication_methods_user"] = str(user.pk)
    session["seen"] = int(time.time())
    session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    UserSession.objects.create(user=user, session_key=session.session_key, ip="127.0.0.1", user_agent="tests")
