"""Addresses of the writers' pages."""

from __future__ import annotations

from django.urls import path

from apps.content.portal import documents, editor, exports, generations, home, rewrites, search, sources, versions, voices

app_name = "content"
urlpatterns = [
    path("", home.home, name="home"),
    path("workspaces/<uuid:workspace_id>/open", home.open_workspace, name="open-workspace"),
    path("documents/", documents.document_list, name="documents"),
    path("documents/new", documents.new_document, name="new-document"),
    path("documents/<uuid:document_id>/", editor.edit, name="document"),
    path("documents/<uuid:document_id>/save", editor.save, name="save"),
    path("documents/<uuid:document_id>/markdown", editor.edit_markdown, name="markdown"),
    path("documents/<uuid:document_id>/copy", documents.copy_document, name="copy"),
    path("documents/<uuid:document_id>/delete", documents.delete, name="delete-document"),
    path("documents/<uuid:document_id>/undelete", documents.undelete, name="undelete-document"),
    path("documents/<uuid:document_id>/citations/<str:marker>", editor.citation, name="citation"),
    path("documents/<uuid:document_id>/rewrites", rewrites.start, name="rewrites"),
    path("documents/<uuid:document_id>/export", exports.export, name="export"),
    path("documents/<uuid:document_id>/versions/", versions.version_list, name="versions"),
    path("documents/<uuid:document_id>/versions/<int:number>/", versions.version, name="version"),
    path("documents/<uuid:document_id>/versions/<int:number>/restore", versions.restore, name="restore"),
    path("documents/<uuid:document_id>/versions/<int:number>/label", versions.label, name="label"),
    path("documents/<uuid:document_id>/compare", versions.compare, name="compare"),
    path("documents/<uuid:document_id>/voice", voices.choose, name="choose-voice"),
    path("documents/<uuid:document_id>/voice/panel", voices.panel, name="voice-panel"),
    path("documents/<uuid:document_id>/lint", voices.lint, name="lint"),
    path("voices/", voices.voice_list, name="voices"),
    path("voices/<uuid:voice_id>/", voices.voice, name="voice"),
    path("voices/<uuid:voice_id>/rules", voices.add_rule, name="add-rule"),
    path("voices/<uuid:voice_id>/rules/<uuid:rule_id>", voices.decide_rule, name="decide-rule"),
    path("voices/<uuid:voice_id>/accept", voices.accept, name="accept-rules"),
    path("voices/<uuid:voice_id>/samples", voices.add_sample, name="add-sample"),
    path("voices/<uuid:voice_id>/samples/<uuid:sample_id>/delete", voices.delete_sample, name="delete-sample"),
    path("voices/<uuid:voice_id>/learn", voices.learn, name="learn"),
    path("voices/<uuid:voice_id>/approve", voices.approve, name="approve-voice"),
    path("voices/<uuid:voice_id>/default", voices.default, name="default-voice"),
    path("voices/<uuid:voice_id>/check", voices.check, name="check-voice"),
    path("voices/<uuid:voice_id>/delete", voices.delete, name="delete-voice"),
    path("write/", generations.brief, name="brief"),
    path("generations/<uuid:generation_id>/", generations.generation, name="generation"),
    path("generations/<uuid:generation_id>/text", generations.text, name="generation-text"),
    path("generations/<uuid:generation_id>/stop", generations.stop, name="stop"),
    path("generations/<uuid:generation_id>/retry", generations.retry, name="retry"),
    path("generations/<uuid:generation_id>/apply", generations.apply, name="apply"),
    path("generations/<uuid:generation_id>/passages/<str:marker>", generations.passage, name="passage"),
    path("sources/", sources.source_list, name="sources"),
    path("sources/upload", sources.upload, name="upload"),
    path("sources/text", sources.add_text, name="add-text"),
    path("search/", search.search, name="search"),
    path("sources/<uuid:source_id>/", sources.source, name="source"),
    path("sources/<uuid:source_id>/retry", sources.retry, name="retry-source"),
    path("sources/<uuid:source_id>/delete", sources.delete, name="delete-source"),
]
