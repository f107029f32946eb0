"""Batches: a table whose rows become documents."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import InvalidInput
from aiwriter.core.rest.pagination import CursorPage, paginated
from aiwriter.core.rest.serializers import Input, read
from apps.content.api.documents import WORKSPACE
from apps.content.api.money import EstimateOutput, shown_estimate
from apps.content.models import Batch, BatchRow
from apps.content.parsing.rows import DELIMITERS, MAX_BYTES
from apps.content.selectors.batches import Progress, batches_for, get_batch, progress_of, rows_of
from apps.content.services import batches as service
from apps.content.services.batch_outcomes import estimate_batch, outcome_csv
from apps.users.api.authentication import actor_of
from apps.users.api.idempotency import idempotent
from apps.users.selectors.access import current_workspace, require

_ROW = (
    "id",
    "workspace_id",
    "name",
    "template_id",
    "template_name",
    "collection_id",
    "source_ids",
    "columns",
    "mapping",
    "fixed",
    "state",
    "error",
    "remedy",
    "requested_by_id",
    "created_at",
    "started_at",
    "finished_at",
)
_COUNTS = ("total", "bad", "ready", "waiting", "writing", "done", "failed", "stopped")
_WORDS = {name: delimiter for delimiter, name in DELIMITERS.items()}


class ProgressOutput(serializers.Serializer):
    """How many rows are how far."""

    total = serializers.IntegerField()
    bad = serializers.IntegerField(help_text="Cannot be used; see `problems` of the rows.")
    ready = serializers.IntegerField()
    waiting = serializers.IntegerField()
    writing = serializers.IntegerField()
    done = serializers.IntegerField()
    failed = serializers.IntegerField()
    stopped = serializers.IntegerField()


class BatchOutput(serializers.Serializer):
    """A batch."""

    id = serializers.UUIDField()
    workspace_id = serializers.UUIDField()
    name = serializers.CharField()
    template_id = serializers.UUIDField(allow_null=True)
    template_name = serializers.CharField()
    collection_id = serializers.UUIDField(allow_null=True)
    source_ids = serializers.ListField(
        child=serializers.UUIDField(), allow_null=True, help_text="null: all sources of the workspace."
    )
    columns = serializers.ListField(child=serializers.CharField(), help_text="Names of the columns, each once.")
    mapping = serializers.DictField(
        child=serializers.CharField(),
        help_text="Field of the brief to the column that fills it; guessed from the names.",
    )
    fixed = serializers.DictField(
        child=serializers.CharField(), help_text="Field to the value for rows whose own cell is empty."
    )
    state = serializers.ChoiceField(choices=Batch.State.choices)
    progress = ProgressOutput()
    error = serializers.CharField(allow_blank=True, help_text="Why it stopped by itself.")
    remedy = serializers.CharField(allow_blank=True)
    requested_by_id = serializers.UUIDField(allow_null=True)
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class ProblemOutput(serializers.Serializer):
    """One thing that is wrong with a row."""

    column = serializers.CharField(allow_blank=True)
    field = serializers.CharField(allow_blank=True)
    issue = serializers.CharField()
    remedy = serializers.CharField(allow_blank=True)


class BatchRowOutput(serializers.Serializer):
    """One row. `number` is that of the spreadsheet: the names of the columns are row 1."""

    number = serializers.IntegerField()
    state = serializers.ChoiceField(choices=BatchRow.State.choices)
    cells = serializers.ListField(child=serializers.CharField(allow_blank=True), help_text="In the order of `columns`.")
    problems = ProblemOutput(many=True)
    generation_id = serializers.UUIDField(allow_null=True)
    document_id = serializers.UUIDField(allow_null=True)
    attempt = serializers.IntegerField()
    error = serializers.CharField(allow_blank=True)
    remedy = serializers.CharField(allow_blank=True)


class BatchInput(Input):
    """A CSV as `file`, or rows that name the fields of the template themselves as `rows`."""

    file = serializers.FileField(required=False, help_text="UTF-8, UTF-16 or Windows-1252; at most 5,000 rows.")
    rows = serializers.ListField(
        child=serializers.DictField(), required=False, max_length=5_000, help_text="Each field to value; JSON only."
    )
    template_id = serializers.UUIDField()
    name = serializers.CharField(required=False, default="", allow_blank=True, max_length=300)
    delimiter = serializers.ChoiceField(
        choices=["", *_WORDS], required=False, default="", help_text="Told from the first row when left out."
    )
    collection_id = serializers.UUIDField(required=False, allow_null=True, default=None)
    source_ids = serializers.ListField(
        child=serializers.UUIDField(),
        required=False,
        allow_null=True,
        default=None,
        max_length=500,
        help_text="Sources that may be quoted; null: all of the workspace.",
    )
    workspace = serializers.CharField(required=False, default="", allow_blank=True)


class BatchChange(Input):
    """What may be changed before the start. The rows are checked anew."""

    name = serializers.CharField(required=False, max_length=300)
    mapping = serializers.DictField(child=serializers.CharField(allow_blank=True, allow_null=True), required=False)
    fixed = serializers.DictField(child=serializers.CharField(allow_blank=True), required=False)
    collection_id = serializers.UUIDField(required=False, allow_null=True)
    source_ids = serializers.ListField(child=serializers.UUIDField(), required=False, allow_null=True, max_length=500)


class BatchStart(Input):
    """How to start."""

    skip_bad = serializers.BooleanField(
        required=False, default=False, help_text="Leave rows out that cannot be used; else they are a reason to refuse."
    )


class BatchEstimateOutput(serializers.Serializer):
    """What the rows that are ready are likely to use together."""

    rows = serializers.IntegerField()
    sampled = serializers.IntegerField(help_text="So many rows were looked at.")
    estimate = EstimateOutput(allow_null=True, help_text="null: no row is ready.")


def whole(row: Batch, progress: Progress) -> dict[str, Any]:
    """A batch as the API shows it."""
    shown = {name: getattr(row, name) for name in _ROW if name != "template_id"}
    return shown | {
        "template_id": row.content_type_id,
        "progress": {name: getattr(progress, name) for name in _COUNTS},
    }


class BatchListView(APIView):
    """Batches."""

    pagination_class = CursorPage
    parser_classes = (MultiPartParser, FormParser, JSONParser)

    @extend_schema(operation_id="batches_list", parameters=[WORKSPACE], responses=BatchOutput(many=True))
    def get(self, request: Request) -> Response:
        """List them, newest first."""
        actor, wanted = actor_of(request), request.query_params.get("workspace")
        require(actor, "content.read")
        rows = batches_for(actor, current_workspace(actor, wanted) if wanted else None)
        answer = paginated(request, rows, ordering=("-created_at", "-id"))
        far = progress_of(answer.data["data"])
        answer.data["data"] = [whole(row, far[row.pk]) for row in answer.data["data"]]
        return answer

    @extend_schema(
        operation_id="batches_create",
        request={"multipart/form-data": BatchInput, "application/json": BatchInput},
        responses={201: BatchOutput},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Bring a table. Nothing is written yet: every row is checked, and says what is wrong with it."""
        actor = actor_of(request)
        values = read(BatchInput, request)
        workspace = current_workspace(actor, values["workspace"])
        file, rows = values.get("file"), values.get("rows")
        if (file is None) == (rows is None):
            raise InvalidInput("Send either a file or rows.", field="file", remedy="Send one of the two.")
        common = {
            "actor": actor,
            "workspace": workspace,
            "content_type_id": values["template_id"],
            "collection_id": values["collection_id"],
            "source_ids": values["source_ids"],
        }
        if rows is not None:
            made = service.create_batch_of_rows(**common, rows=rows, name=values["name"])
        else:
            assert file is not None  # noqa: S101
            made = service.create_batch(
                **common,
                data=file.read(MAX_BYTES + 1),
                name=values["name"] or file.name or "table.csv",
                delimiter=_WORDS.get(values["delimiter"], ""),
            )
        headers = {"Location": f"/api/v1/batches/{made.pk}"}
        return Response(_shown(made), status=status.HTTP_201_CREATED, headers=headers)


class BatchView(APIView):
    """One batch."""

    @extend_schema(operation_id="batches_read", responses=BatchOutput)
    def get(self, request: Request, batch_id: uuid.UUID) -> Response:
        """Its state, and how far its rows are."""
        return Response(_shown(get_batch(actor=actor_of(request), batch_id=batch_id)))

    @extend_schema(operation_id="batches_update", request=BatchChange, responses=BatchOutput)
    def patch(self, request: Request, batch_id: uuid.UUID) -> Response:
        """Change what fills what, before the start; the rows are checked anew."""
        values = read(BatchChange, request, partial=True)
        return Response(_shown(service.change_batch(actor=actor_of(request), batch_id=batch_id, **values)))

    @extend_schema(operation_id="batches_delete", responses={204: None})
    def delete(self, request: Request, batch_id: uuid.UUID) -> Response:
        """Remove it with its table; the documents stay."""
        service.delete_batch(actor=actor_of(request), batch_id=batch_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class BatchRowsView(APIView):
    """Rows."""

    pagination_class = CursorPage

    @extend_schema(
        operation_id="batch_rows_list",
        parameters=[OpenApiParameter("state", str, enum=BatchRow.State.values)],
        responses=BatchRowOutput(many=True),
    )
    def get(self, request: Request, batch_id: uuid.UUID) -> Response:
        """List its rows in the order of the table, each with its document or with what went wrong."""
        rows = rows_of(actor=actor_of(request), batch_id=batch_id, state=request.query_params.get("state", ""))
        answer = paginated(request, rows, ordering=("number", "id"))
        answer.data["data"] = BatchRowOutput(answer.data["data"], many=True).data
        return answer


class BatchEstimateView(APIView):
    """Cost."""

    @extend_schema(operation_id="batches_estimate", responses=BatchEstimateOutput)
    def get(self, request: Request, batch_id: uuid.UUID) -> Response:
        """What starting it is likely to use and to cost, and what is left of the budgets. Nothing is sent to a model."""
        found = estimate_batch(actor=actor_of(request), batch_id=batch_id)
        said: Mapping[str, Any] = {"rows": 0, "sampled": 0, "estimate": None}
        if found is not None:
            said = {"rows": found.rows, "sampled": found.sampled, "estimate": shown_estimate(found.wish)}
        return Response(BatchEstimateOutput(said).data)


class BatchStartView(APIView):
    """Starting."""

    error_statuses = (402,)

    @extend_schema(operation_id="batches_start", request=BatchStart, responses={202: BatchOutput})
    def post(self, request: Request, batch_id: uuid.UUID) -> Response:
        """Have the rows written that are ready; also goes on after a stop."""
        skip = read(BatchStart, request)["skip_bad"]
        return _accepted(service.start_batch(actor=actor_of(request), batch_id=batch_id, skip_bad=skip))


class BatchStopView(APIView):
    """Stopping."""

    @extend_schema(operation_id="batches_stop", request=None, responses={202: BatchOutput})
    def post(self, request: Request, batch_id: uuid.UUID) -> Response:
        """Stop: texts that are being written end, rows in line become ready again. Quiet when it rests."""
        return _accepted(service.stop_batch(actor=actor_of(request), batch_id=batch_id))


class BatchRetryView(APIView):
    """Again."""

    error_statuses = (402,)

    @extend_schema(operation_id="batches_retry", request=None, responses={202: BatchOutput})
    def post(self, request: Request, batch_id: uuid.UUID) -> Response:
        """Run the failed and stopped rows again. A text that is there already is not written twice."""
        return _accepted(service.retry_batch(actor=actor_of(request), batch_id=batch_id))


class BatchOutcomeView(APIView):
    """The outcome as a table."""

    @extend_schema(
        operation_id="batches_outcome",
        parameters=[
            OpenApiParameter(
                "state", str, enum=[*BatchRow.State.values, "again"], description="again: bad, failed and stopped rows."
            )
        ],
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
    def get(self, request: Request, batch_id: uuid.UUID) -> StreamingHttpResponse:
        """The table with what became of each row, as CSV. It can be corrected and brought again."""
        pieces = outcome_csv(
            actor=actor_of(request),
            batch_id=batch_id,
            state=request.query_params.get("state", ""),
            base=request.build_absolute_uri("/").rstrip("/"),
        )
        headers = {"Content-Disposition": 'attachment; filename="outcome.csv"'}
        return StreamingHttpResponse(pieces, content_type="text/csv; charset=utf-8", headers=headers)


def _shown(row: Batch) -> dict[str, Any]:
    return whole(row, progress_of([row])[row.pk])


def _accepted(row: Batch) -> Response:
    headers = {"Location": f"/api/v1/batches/{row.pk}"}
    return Response(_shown(row), status=status.HTTP_202_ACCEPTED, headers=headers)
