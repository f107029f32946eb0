"""Flags, for programs."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import NotFound
from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.deployments.models import Flag, FlagRule
from apps.deployments.models.flags import ROLES
from apps.deployments.selectors import flags as selectors
from apps.deployments.selectors.flag_set import Who, present
from apps.deployments.services import flags as services
from apps.deployments.services.flag_provider import answer_for
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent
from apps.users.models import User
from apps.users.selectors.access import Actor, workspaces_of


class FlagRuleOut(serializers.ModelSerializer[FlagRule]):
    """Who gets which answer."""

    workspace_id = serializers.UUIDField(allow_null=True)
    person_id = serializers.UUIDField(allow_null=True)

    class Meta:
        model = FlagRule
        fields = services.CONDITIONS


class FlagOut(serializers.ModelSerializer[Flag]):
    """A flag."""

    owner = serializers.EmailField(source="owner.email", default="")
    rules = FlagRuleOut(many=True)
    variants = serializers.DictField(help_text="Names and the values that the code gets.")
    rollout_id = serializers.SerializerMethodField(help_text="The guarded roll-out that is under way.")
    experiment_id = serializers.SerializerMethodField(help_text="The experiment that is under way.")
    measured = serializers.SerializerMethodField(help_text="Whether its outcome is known, so that it can be guarded.")

    class Meta:
        model = Flag
        fields = (
            "id",
            "key",
            *services.FIELDS,
            "rules",
            "killed_at",
            "kill_reason",
            "rollout_id",
            "experiment_id",
            "measured",
            "created_at",
            "changed_at",
        )

    def get_rollout_id(self, flag: Flag) -> uuid.UUID | None:
        """Of the open one."""
        row = selectors.open_rollout(flag)
        return row.pk if row else None

    def get_experiment_id(self, flag: Flag) -> uuid.UUID | None:
        """Of the open one."""
        row = selectors.open_experiment(flag)
        return row.pk if row else None

    def get_measured(self, flag: Flag) -> bool:
        """By the code."""
        return selectors.is_measured(flag)


class StaleFlagOut(serializers.Serializer[Any]):
    """A flag that should be looked at."""

    id = serializers.UUIDField(source="flag.pk")
    key = serializers.CharField(source="flag.key")
    reasons = serializers.ListField(child=serializers.CharField())


class FlagChangeIn(Input):
    """What may be changed."""

    title = serializers.CharField(max_length=120)
    kind = serializers.ChoiceField(Flag.Kind.choices)
    variants = serializers.DictField(help_text='Two to ten, with values of one type: {"on": true, "off": false}.')
    default_variant = serializers.CharField(max_length=40)
    off_variant = serializers.CharField(max_length=40, required=False, help_text="The default's when left out.")
    owner_id = serializers.UUIDField(required=False, allow_null=True, help_text="A person; you when left out.")
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


class FlagIn(FlagChangeIn):
    """A new one."""

    key = serializers.CharField(max_length=60)


class FlagRuleIn(Input):
    """Who gets which answer: all that is named must hold."""

    variant = serializers.CharField(max_length=40)
    workspace_id = serializers.UUIDField(required=False, allow_null=True)
    person_id = serializers.UUIDField(required=False, allow_null=True)
    role = serializers.ChoiceField(list(ROLES.items()), required=False, allow_blank=True)
    email_domain = serializers.CharField(max_length=120, required=False, allow_blank=True)
    percent = serializers.IntegerField(min_value=0, max_value=100, required=False)


class FlagRulesIn(Input):
    """All rules, in their order."""

    rules = FlagRuleIn(many=True)


class FlagKillIn(Input):
    """Why."""

    reason = serializers.CharField(max_length=300)


class FlagAnswerOut(serializers.Serializer[Any]):
    """What a flag answers to you."""

    key = serializers.CharField()
    variant = serializers.CharField()
    value = serializers.JSONField()
    reason = serializers.ChoiceField(["DISABLED", "TARGETING_MATCH", "SPLIT", "DEFAULT"])


def _owned(values: dict[str, Any]) -> dict[str, Any]:
    if "owner_id" in values:
        wanted = values.pop("owner_id")
        values["owner"] = User.objects.filter(pk=wanted).first() if wanted else None
        if wanted and values["owner"] is None:
            raise NotFound("There is no such person.", field="owner_id")
    return values


def _whole(actor: Actor, flag_id: uuid.UUID) -> Any:
    return FlagOut(selectors.flag_for(actor, flag_id)).data


class FlagList(APIView):
    """Flags."""

    pagination_class = CursorPage

    @extend_schema(operation_id="flags_list", responses=FlagOut(many=True))
    def get(self, request: Request) -> Response:
        """A page of them, newest first."""
        rows = selectors.flags_for(actor_of(request))
        return paginated(request, rows, row=lambda each: FlagOut(each).data)

    @extend_schema(operation_id="flags_create", request=FlagIn, responses={201: FlagOut})
    @idempotent
    def post(self, request: Request) -> Response:
        """Set one up."""
        actor = actor_of(request)
        made = services.create_flag(actor=actor, **_owned(read(FlagIn, request)))
        return Response(_whole(actor, made.pk), status=status.HTTP_201_CREATED)


class FlagDetail(APIView):
    """One flag."""

    @extend_schema(operation_id="flags_read", responses=FlagOut)
    def get(self, request: Request, flag_id: uuid.UUID) -> Response:
        """What it answers to whom, and what is under way."""
        return Response(_whole(actor_of(request), flag_id))

    @extend_schema(operation_id="flags_update", request=FlagChangeIn, responses=FlagOut)
    def patch(self, request: Request, flag_id: uuid.UUID) -> Response:
        """Change it; seen in every process within seconds."""
        actor = actor_of(request)
        services.update_flag(actor=actor, flag_id=flag_id, **_owned(read(FlagChangeIn, request, partial=True)))
        return Response(_whole(actor, flag_id))

    @extend_schema(operation_id="flags_delete", responses={204: None})
    def delete(self, request: Request, flag_id: uuid.UUID) -> Response:
        """Remove one that the code does not read any more, with its history."""
        services.delete_flag(actor=actor_of(request), flag_id=flag_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class FlagRules(APIView):
    """The rules of a flag."""

    @extend_schema(operation_id="flags_set_rules", request=FlagRulesIn, responses=FlagOut)
    def put(self, request: Request, flag_id: uuid.UUID) -> Response:
        """Replace them: the first that holds decides."""
        actor = actor_of(request)
        services.set_rules(actor=actor, flag_id=flag_id, rules=read(FlagRulesIn, request)["rules"])
        return Response(_whole(actor, flag_id))


class FlagKill(APIView):
    """The kill switch."""

    @extend_schema(operation_id="flags_kill", request=FlagKillIn, responses=FlagOut)
    def post(self, request: Request, flag_id: uuid.UUID) -> Response:
        """Give everybody `off_variant`, whatever else is set, within five seconds."""
        actor = actor_of(request)
        services.kill(actor=actor, flag_id=flag_id, **read(FlagKillIn, request))
        return Response(_whole(actor, flag_id))


class FlagRevive(APIView):
    """The way back from it."""

    @extend_schema(operation_id="flags_revive", request=None, responses=FlagOut)
    def post(self, request: Request, flag_id: uuid.UUID) -> Response:
        """What was set before counts again."""
        actor = actor_of(request)
        services.revive(actor=actor, flag_id=flag_id)
        return Response(_whole(actor, flag_id))


class FlagStale(APIView):
    """Flags that have outlived their use."""

    @extend_schema(operation_id="flags_stale", responses=StaleFlagOut(many=True))
    def get(self, request: Request) -> Response:
        """Those that should be looked at, and why."""
        return Response({"data": StaleFlagOut(selectors.stale_flags(actor_of(request)), many=True).data})


class FlagAnswers(APIView):
    """What flags answer to whoever asks."""

    @extend_schema(operation_id="flags_answers", responses=FlagAnswerOut(many=True))
    def get(self, request: Request) -> Response:
        """Every flag's answer to you, in your first workspace: for programs of your own that follow the portal's flags."""
        actor = actor_of(request)
        room = workspaces_of(actor).order_by("created_at").values_list("pk", flat=True).first()
        email = actor.user.email if actor.user else ""
        who = Who(user_id=str(actor.user_id or ""), workspace_id=str(room or ""), email=email)
        found = []
        for key in sorted(present()):
            answer = answer_for(key, who)
            found.append({"key": key, "variant": answer.variant, "value": answer.value, "reason": answer.reason})
        return Response({"data": FlagAnswerOut(found, many=True).data})
