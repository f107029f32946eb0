"""The editor: open a text, save it without overwriting anybody, look at what it cites."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from js_asset import Media

from aiwriter.core.errors import InvalidInput, NotFound
from apps.content.markup import markdown
from apps.content.portal.forms import LANGUAGES, DocumentForm, MarkdownForm
from apps.content.portal.merging import merge_answer, sent_text, stale
from apps.content.portal.panels import PANELS
from apps.content.portal.passages import shown_passage
from apps.content.portal.requests import actor_of, answers_json, is_fragment, json_body, signed_in
from apps.content.portal.rewrites import ACTIONS, offered
from apps.content.portal.shortcuts import SHORTCUTS
from apps.content.selectors.documents import citations_of, get_document
from apps.content.services import documents as service
from apps.content.services.merging import Text
from apps.content.services.presence import be_present, leave

_REASONS = ("manual", "autosave", "ai")


@require_GET
@signed_in
def edit(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """A document in the editor."""
    actor = actor_of(request)
    document = get_document(actor=actor, document_id=document_id)
    form = DocumentForm(initial={"title": document.title, "body": document.body_markdown})
    citations = citations_of(actor=actor, document_id=document_id)
    return render(
        request,
        "content/editor.html",
        {
            "document": document,
            "form": form,
            "media": Media.from_media(form.media, nonce=str(getattr(request, "csp_nonce", ""))),
            "citations": citations,
            "citation_states": {c.marker: c.verified for c in citations},
            "actions": ACTIONS,
            "prompts": offered(actor, document),
            "languages": [name for _code, name in LANGUAGES],
            "panels": PANELS,
            "shortcuts": SHORTCUTS,
            "version": document.current_version,
        },
    )


@require_POST
@signed_in
@answers_json
def save(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Save what the editor holds.

    JSON in: `revision` that was opened, `title`, `html`, `reason`, `generation_id` of an accepted suggestion, and `base`
    (`title`, `html`), the text as it was when last saved.
    JSON out: the new `revision`, `words`, `version`. 409 when somebody else saved first: this text is kept as a version
    all the same, and the answer holds theirs, the differences and the merge.
    """
    actor, body = actor_of(request), json_body(request)
    text = markdown.to_markdown(str(body.get("html") or ""))
    revision, reason = body.get("revision"), body.get("reason") or "manual"
    if not isinstance(revision, int) or reason not in _REASONS:
        raise InvalidInput(
            "The page sent something that cannot be saved.", remedy="Copy your text and reload the page."
        )
    try:
        document = service.save_document(
            actor=actor,
            document_id=document_id,
            revision=revision,
            title=str(body.get("title") or "").strip()[:300] or _("Untitled"),
            body_markdown=text,
            reason=reason,
            generation_id=body.get("generation_id") or None,
        )
    except service.StaleRevision as conflict:
        mine = Text(str(body.get("title") or "").strip()[:300] or _("Untitled"), text)
        return stale(actor, document_id, conflict, sent_text(body.get("base")), mine)
    version = document.current_version
    return JsonResponse(
        {
            "revision": document.revision,
            "words": document.word_count,
            "version": version.number if version else 0,
            "saved_at": document.updated_at.isoformat(),
        }
    )


@require_POST
@signed_in
@answers_json
def presence(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """A sign of life of the editor; JSON `{"leave": true}` when it is closed. The answer names the others."""
    actor = actor_of(request)
    if json_body(request).get("leave"):
        leave(actor=actor, document_id=document_id)
        return JsonResponse({"people": []})
    rows, revision = be_present(actor=actor, document_id=document_id)
    return JsonResponse({"people": [str(row.user) for row in rows], "revision": revision})


@require_http_methods(["GET", "POST"])
@signed_in
def edit_markdown(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """The same text as Markdown in a plain form."""
    actor = actor_of(request)
    document = get_document(actor=actor, document_id=document_id)
    start = {
        "title": document.title,
        "body": document.body_markdown,
        "revision": document.revision,
        "base_title": document.title,
        "base_body": document.body_markdown,
    }
    form = MarkdownForm(request.POST or None, initial=start)
    if request.method == "POST" and form.is_valid():
        cleaned = form.cleaned_data
        try:
            service.save_document(
                actor=actor,
                document_id=document_id,
                revision=cleaned["revision"],
                title=cleaned["title"].strip() or _("Untitled"),
                body_markdown=cleaned["body"],
                reason="manual",
            )
        except service.StaleRevision as conflict:
            base = Text(cleaned["base_title"], cleaned["base_body"])
            mine = Text(cleaned["title"].strip() or _("Untitled"), cleaned["body"])
            return merge_answer(request, document_id, base, mine, conflict)
        else:
            messages.success(request, _("Saved."))
            return redirect("content:markdown", document_id=document_id)
    return render(request, "content/markdown.html", {"document": document, "form": form})


@require_GET
@signed_in
def citation(request: HttpRequest, document_id: uuid.UUID, marker: str) -> HttpResponse:
    """The passage behind a marker of the document."""
    actor = actor_of(request)
    document = get_document(actor=actor, document_id=document_id)
    found = next((c for c in citations_of(actor=actor, document_id=document_id) if c.marker == marker), None)
    if found is None:
        raise NotFound("This text has no such citation.", remedy="Save the document; citations are read anew.")
    passage = shown_passage(
        actor=actor,
        marker=marker,
        chunk_id=found.chunk_id,
        quote=found.quote,
        verified=found.verified,
        title=found.source_title,
        locator=found.locator,
        source_id=found.source_id,
        reason=getattr(found, "reason", ""),
    )
    template = "content/parts/passage.html" if is_fragment(request) else "content/passage.html"
    back = reverse("content:document", args=[document_id])
    return render(request, template, {"passage": passage, "back": back, "back_label": document.title})
