"""Search engine fields of documents."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiwriter.core.errors import PreconditionFailed
from aiwriter.core.rest.precondition import set_etag
from aiwriter.core.rest.serializers import Input, read
from apps.content.api.documents import IF_MATCH, seen_revision
from apps.content.markup.seo import Report
from apps.content.models import Document
from apps.content.selectors.documents import get_document
from apps.content.services import seo
from apps.content.services.documents import StaleRevision
from apps.users.api.authentication import actor_of


class SeoFields(Input):
    """The fields; one that is left out stays, an empty one is forgotten."""

    title = serializers.CharField(required=False, allow_blank=True, max_length=seo.LENGTHS["title"])
    description = serializers.CharField(required=False, allow_blank=True, max_length=seo.LENGTHS["description"])
    slug = serializers.CharField(required=False, allow_blank=True, max_length=seo.LENGTHS["slug"])
    keyword = serializers.CharField(required=False, allow_blank=True, max_length=seo.LENGTHS["keyword"])


class SeoFieldsOutput(serializers.Serializer):
    """The fields as they are saved."""

    title = serializers.CharField(allow_blank=True)
    description = serializers.CharField(allow_blank=True)
    slug = serializers.CharField(allow_blank=True)
    keyword = serializers.CharField(allow_blank=True)


class AnalyseInput(Input):
    """A document, and fields to try instead of the saved ones."""

    document_id = serializers.UUIDField()
    fields_to_try = SeoFields(required=False, default=dict)
    check_links = serializers.BooleanField(required=False, default=False)


class SeoFindingOutput(serializers.Serializer):
    """What one rule found."""

    rule = serializers.CharField()
    state = serializers.ChoiceField(choices=("good", "fair", "poor", "none"))
    message = serializers.CharField()
    remedy = serializers.CharField(allow_blank=True)
    weight = serializers.IntegerField()
    source = serializers.CharField(allow_blank=True)  # type: ignore[assignment]


class ReportOutput(serializers.Serializer):
    """Everything that was found."""

    score = serializers.IntegerField(help_text="Weighted share of the rules that hold, 0 to 100.")
    findings = SeoFindingOutput(many=True)
    figures = serializers.DictField()
    headings = serializers.ListField(child=serializers.DictField())
    links = serializers.ListField(child=serializers.DictField())
    images = serializers.ListField(child=serializers.DictField())
    structured_data = serializers.DictField()
    suggested = serializers.DictField(child=serializers.CharField())
    checked_links = serializers.ListField(child=serializers.DictField())


class DocumentInputId(Input):
    """A document."""

    document_id = serializers.UUIDField()


class AltTextInput(DocumentInputId):
    """A picture of a document."""

    image = serializers.CharField(max_length=2000, help_text="Its address, as it stands in the text.")


class StartedOutput(serializers.Serializer):
    """A suggestion that a model writes."""

    generation_id = serializers.UUIDField()
    state = serializers.CharField()


class SeoView(APIView):
    """The search engine fields of a document."""

    error_statuses = (412,)

    @extend_schema(operation_id="content_seo_read", responses=SeoFieldsOutput)
    def get(self, request: Request, document_id: uuid.UUID) -> Response:
        """Read them."""
        document = get_document(actor=actor_of(request), document_id=document_id)
        answer = Response(_fields(document))
        set_etag(answer, document.revision)
        return answer

    @extend_schema(
        operation_id="content_seo_update", parameters=[IF_MATCH], request=SeoFields, responses=SeoFieldsOutput
    )
    def patch(self, request: Request, document_id: uuid.UUID) -> Response:
        """Change them."""
        actor = actor_of(request)
        get_document(actor=actor, document_id=document_id)
        values = read(SeoFields, request)
        try:
            document = seo.save_seo(
                actor=actor, document_id=document_id, fields=values, revision=seen_revision(request)
            )
        except StaleRevision as error:
            raise PreconditionFailed(error.message, field="If-Match", remedy=error.remedy) from error
        answer = Response(_fields(document))
        set_etag(answer, document.revision)
        return answer


class AnalyseView(APIView):
    """A document as search engines see it."""

    @extend_schema(operation_id="seo_analyze", request=AnalyseInput, responses=ReportOutput)
    def post(self, request: Request) -> Response:
        """Look at it by rules; with `check_links` its external links are asked too, which takes some seconds."""
        actor = actor_of(request)
        values = read(AnalyseInput, request)
        report = seo.analyse_document(actor=actor, document_id=values["document_id"], fields=values["fields_to_try"])
        links = seo.check_links(actor=actor, document_id=values["document_id"]) if values["check_links"] else []
        return Response(as_data(report) | {"checked_links": links})


class StructuredDataView(APIView):
    """Structured data."""

    @extend_schema(operation_id="seo_structured_data", request=DocumentInputId, responses=dict[str, Any])
    def post(self, request: Request) -> Response:
        """JSON-LD of a document: an Article, and a FAQPage when headings are answered questions."""
        values = read(DocumentInputId, request)
        return Response(seo.structured_data(actor=actor_of(request), document_id=values["document_id"]))


class _SuggestView(APIView):
    what = ""
    error_statuses = (402,)

    def _start(self, request: Request, document_id: uuid.UUID, address: str = "") -> Response:
        row = seo.suggest(actor=actor_of(request), document_id=document_id, what=self.what, address=address)
        headers = {"Location": f"/api/v1/generations/{row.pk}"}
        body = {"generation_id": row.pk, "state": row.state}
        return Response(body, status=status.HTTP_202_ACCEPTED, headers=headers)


class SuggestTitleView(_SuggestView):
    """A title for search results."""

    what = "title"

    @extend_schema(operation_id="seo_title", request=DocumentInputId, responses={202: StartedOutput})
    def post(self, request: Request) -> Response:
        """Have a model suggest one; the generation's text is the suggestion."""
        return self._start(request, read(DocumentInputId, request)["document_id"])


class SuggestDescriptionView(_SuggestView):
    """A meta description."""

    what = "meta-description"

    @extend_schema(operation_id="seo_meta_description", request=DocumentInputId, responses={202: StartedOutput})
    def post(self, request: Request) -> Response:
        """Have a model suggest one; the generation's text is the suggestion."""
        return self._start(request, read(DocumentInputId, request)["document_id"])


class SuggestAltTextView(_SuggestView):
    """The alternative text of a picture."""

    what = "alt-text"

    @extend_schema(operation_id="seo_alt_text", request=AltTextInput, responses={202: StartedOutput})
    def post(self, request: Request) -> Response:
        """Have a model suggest one from the text around the picture, which it does not see."""
        values = read(AltTextInput, request)
        return self._start(request, values["document_id"], values["image"])


def as_data(report: Report) -> dict[str, Any]:
    """A report as JSON."""
    return asdict(report)


def _fields(document: Document) -> dict[str, str]:
    return {name: document.seo.get(name, "") for name in seo.LENGTHS}
