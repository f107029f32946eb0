"""Templates: what kinds of texts can be asked for, as data; and asking for one."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.content.api.documents import WORKSPACE
from apps.content.api.generations import IDEMPOTENCY, WAIT, GenerationOutput, answer, seconds_to_wait
from apps.content.models import ContentType
from apps.content.selectors.content_types import content_types_for, get_content_type
from apps.content.services import content_types as service
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent
from apps.users.selectors.access import current_workspace, require

_ROW = (
    "id",
    "workspace_id",
    "slug",
    "name",
    "category",
    "description",
    "writes",
    "length",
    "is_active",
    "revision",
    "created_at",
    "updated_at",
)


class TemplateRow(serializers.Serializer):
    """A template in a list. Without a workspace it is common to all."""

    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField(allow_null=True)
    slug = serializers.CharField()
    name = serializers.CharField()
    category = serializers.ChoiceField(choices=ContentType.Category.choices)
    description = serializers.CharField(allow_blank=True)
    writes = serializers.ChoiceField(choices=ContentType.Writes.choices)
    length = serializers.IntegerField(help_text="Words, if nobody says otherwise.")
    is_active = serializers.BooleanField()
    revision = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class TemplateOutput(TemplateRow):
    """A template with its prompt and the JSON Schema of its brief; "x-order" is the order of the fields."""

    instructions = serializers.CharField()
    fields = serializers.DictField()  # type: ignore[assignment]


class _Values(Input):
    name = serializers.CharField(max_length=120)
    category = serializers.ChoiceField(choices=ContentType.Category.choices, required=False)
    description = serializers.CharField(required=False, allow_blank=True, max_length=400)
    instructions = serializers.CharField(
        max_length=20_000, help_text="What the model is told. {name} stands for a field of the brief."
    )
    writes = serializers.ChoiceField(choices=ContentType.Writes.choices, required=False)
    length = serializers.IntegerField(required=False, min_value=10, max_value=20_000)
    is_active = serializers.BooleanField(required=False)

    def get_fields(self) -> dict[str, Any]:
        """`fields` is a name of this class's own, so it is added here."""
        return {
            **super().get_fields(),
            "fields": serializers.DictField(
                required=False,
                help_text='JSON Schema: {"properties": {"topic": {"type": "string", "title": "Topic"}}, "required": []}',
            ),
        }


class TemplateInput(_Values):
    """A new template of a workspace."""

    slug = serializers.SlugField(required=False, allow_blank=True, max_length=40)
    workspace = serializers.CharField(required=False, default="", allow_blank=True)


class TemplateChange(_Values):
    """What may be changed. With `revision`, only while nobody else has changed it."""

    revision = serializers.IntegerField(required=False, min_value=1)


class TemplateVersionOutput(serializers.Serializer):
    """A template as it was after one change."""

    number = serializers.IntegerField()
    author = serializers.UUIDField(allow_null=True, source="author_id")
    created_at = serializers.DateTimeField()
    values = serializers.DictField()


class TemplateWish(Input):
    """A filled-in brief."""

    values = serializers.DictField(
        help_text="The template's fields, and title, audience, tone, length, language, voice."
    )
    source_ids = serializers.ListField(
        child=serializers.UUIDField(), required=False, allow_null=True, default=None, max_length=500
    )
    apply = serializers.BooleanField(required=False, default=False, help_text="Make a document of it when it is done.")
    workspace = serializers.CharField(required=False, default="", allow_blank=True)


class TemplateCopyInput(Input):
    """Where to."""

    workspace = serializers.CharField(required=False, default="", allow_blank=True)


def whole(row: ContentType) -> dict[str, Any]:
    """A template as the API shows it."""
    return {name: getattr(row, name) for name in (*_ROW, "instructions", "fields")}


class TemplateListView(APIView):
    """Templates."""

    pagination_class = CursorPage

    @extend_schema(
        operation_id="templates_list",
        parameters=[
            WORKSPACE,
            OpenApiParameter("q", str, description="Words that stand in name, description, slug or category."),
            OpenApiParameter("category", str, enum=ContentType.Category.values),
        ],
        responses=TemplateRow(many=True),
    )
    def get(self, request: Request) -> Response:
        """List what a workspace offers: its own, and the common ones that it has not replaced."""
        actor, query = actor_of(request), request.query_params
        require(actor, "content.read")
        rows = content_types_for(
            actor=actor,
            workspace=current_workspace(actor, query.get("workspace")),
            query=query.get("q", "")[:200],
            category=query.get("category", ""),
        )
        return paginated(request, rows.values(*_ROW), ordering=("category", "name", "id"))

    @extend_schema(operation_id="templates_create", request=TemplateInput, responses={201: TemplateOutput})
    @idempotent
    def post(self, request: Request) -> Response:
        """Make a template of a workspace. 400 names a variable of the instructions that the brief does not ask for."""
        actor = actor_of(request)
        values = read(TemplateInput, request)
        workspace = current_workspace(actor, values.pop("workspace"))
        made = service.create_content_type(actor=actor, workspace=workspace, **values)
        headers = {"Location": f"/api/v1/templates/{made.pk}"}
        return Response(whole(made), status=status.HTTP_201_CREATED, headers=headers)


class TemplateView(APIView):
    """One template."""

    @extend_schema(operation_id="templates_read", responses=TemplateOutput)
    def get(self, request: Request, content_type_id: uuid.UUID) -> Response:
        """Read it with its prompt and the schema of its brief."""
        return Response(whole(get_content_type(actor=actor_of(request), content_type_id=content_type_id)))

    @extend_schema(operation_id="templates_update", request=TemplateChange, responses=TemplateOutput)
    def patch(self, request: Request, content_type_id: uuid.UUID) -> Response:
        """Change it; a version keeps how it is."""
        values = read(TemplateChange, request, partial=True)
        return Response(
            whole(service.change_content_type(actor=actor_of(request), content_type_id=content_type_id, **values))
        )

    @extend_schema(operation_id="templates_delete", responses={204: None})
    def delete(self, request: Request, content_type_id: uuid.UUID) -> Response:
        """Remove it. A common template of the same slug comes back; texts that were written by it stay."""
        service.delete_content_type(actor=actor_of(request), content_type_id=content_type_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class TemplateCopyView(APIView):
    """Copies."""

    @extend_schema(operation_id="templates_copy", request=TemplateCopyInput, responses={201: TemplateOutput})
    @idempotent
    def post(self, request: Request, content_type_id: uuid.UUID) -> Response:
        """Give a workspace its own of a common template; it takes the common one's place there."""
        actor = actor_of(request)
        workspace = current_workspace(actor, read(TemplateCopyInput, request)["workspace"])
        own = service.copy_content_type(actor=actor, workspace=workspace, content_type_id=content_type_id)
        return Response(whole(own), status=status.HTTP_201_CREATED)


class TemplateVersionsView(APIView):
    """Versions."""

    pagination_class = CursorPage

    @extend_schema(operation_id="template_versions_list", responses=TemplateVersionOutput(many=True))
    def get(self, request: Request, content_type_id: uuid.UUID) -> Response:
        """List its versions, the newest first."""
        rows = service.versions_of(actor=actor_of(request), content_type_id=content_type_id)
        found = paginated(request, rows, ordering=("-number", "id"))
        found.data["data"] = TemplateVersionOutput(found.data["data"], many=True).data
        return found


class TemplateRestoreView(APIView):
    """Earlier versions."""

    @extend_schema(operation_id="template_versions_restore", request=None, responses=TemplateOutput)
    def post(self, request: Request, content_type_id: uuid.UUID, number: int) -> Response:
        """Make an earlier version the present one again."""
        row = service.restore_content_type(actor=actor_of(request), content_type_id=content_type_id, number=number)
        return Response(whole(row))


class TemplateGenerateView(APIView):
    """Texts by a template."""

    error_statuses = (402,)

    @extend_schema(
        operation_id="templates_generate",
        parameters=[WAIT, IDEMPOTENCY],
        request=TemplateWish,
        responses={202: GenerationOutput, 200: GenerationOutput},
    )
    def post(self, request: Request, content_type_id: uuid.UUID) -> Response:
        """Have a text written by the template. 400 names every field of the brief that is missing or wrong."""
        actor, seconds = actor_of(request), seconds_to_wait(request)
        values = read(TemplateWish, request)
        row = service.start_from_type(
            actor=actor,
            workspace=current_workspace(actor, values["workspace"]),
            content_type_id=content_type_id,
            values=values["values"],
            source_ids=values["source_ids"],
            apply=values["apply"],
            idempotency_key=request.headers.get("Idempotency-Key", ""),
        )
        return answer(row, actor, seconds)
