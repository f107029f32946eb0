"""People, workspaces and tokens for tests."""

from __future__ import annotations

from typing import Any

import factory

from apps.users.models import ApiToken, Membership, RoleGrant, User, Workspace
from apps.users.selectors.access import Actor
from apps.users.services.people import create_user
from apps.users.services.roles import grant_role
from apps.users.services.tokens import create_token
from apps.users.services.workspaces import add_member, create_workspace

SETUP = Actor.system_actor("tests")
PASSWORD = "four plain words here"


class ServiceFactory(factory.Factory):
    """A factory whose rows a service makes; subclasses name it in `service`."""

    class Meta:
        abstract = True

    @staticmethod
    def service(**kwargs: Any) -> Any:
        """The service that makes a row."""
        raise LookupError("name the service in the factory")

    @classmethod
    def _create(cls, model_class: type, *args: Any, **kwargs: Any) -> Any:
        return cls.service(**kwargs)


class UserFactory(ServiceFactory):
    """An account with a password and no rights."""

    class Meta:
        model = User

    actor = SETUP
    email = factory.Sequence(lambda n: f"person{n}@example.org")
    full_name = factory.Faker("name")
    password = PASSWORD
    service = staticmethod(create_user)


class WorkspaceFactory(ServiceFactory):
    """An empty workspace."""

    class Meta:
        model = Workspace

    actor = SETUP
    name = factory.Sequence(lambda n: f"Workspace {n}")
    service = staticmethod(create_workspace)


class MembershipFactory(ServiceFactory):
    """A writer of a workspace."""

    class Meta:
        model = Membership

    actor = SETUP
    user = factory.SubFactory(UserFactory)
    workspace = factory.SubFactory(WorkspaceFactory)
    role = "writer"
    service = staticmethod(add_member)


class RoleGrantFactory(ServiceFactory):
    """A system role."""

    class Meta:
        model = RoleGrant

    actor = SETUP
    user = factory.SubFactory(UserFactory)
    role = "operator"
    reason = "tests"
    service = staticmethod(grant_role)


def make_token(user: User, *scopes: str, workspace: Workspace | None = None) -> tuple[ApiToken, str]:
    """A token of a person and its text."""
    token, secret = create_token(actor=Actor.for_user(user), name="for tests", scopes=list(scopes), workspace=workspace)
    return token, secret.reveal()
