"""The prompt actions that every workspace starts with, kept in the database so that people can change them."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db import connections, transaction

from apps.content.models import PromptAction, PromptActionVersion


class Default(NamedTuple):
    """One of them."""

    key: str
    name: str
    scope: str
    placement: str
    template: str


DEFAULTS = (
    Default(
        "rewrite",
        "Say it in other words",
        "selection",
        "replace",
        "Say the passage below in other words. Keep its meaning, every fact and about its length.\n\n{selection}",
    ),
    Default(
        "translate",
        "Translate…",
        "both",
        "replace",
        "Translate the text below into {language}. Keep headings, lists, links and markers such as [3].\n\n{selection}",
    ),
    Default(
        "tone",
        "Change the tone…",
        "both",
        "replace",
        "Rewrite the text below in this tone: {tone}. Keep every fact and the order of the thoughts.\n\n{selection}",
    ),
    Default(
        "audience",
        "Write for other readers…",
        "both",
        "replace",
        "Rewrite the text below for these readers: {audience}. Explain what they cannot know, leave out what they know."
        "\n\n{selection}",
    ),
    Default(
        "active-voice",
        "Use the active voice",
        "selection",
        "replace",
        "Turn passive sentences of the passage below into active ones where it is known who acts. Change nothing else."
        "\n\n{selection}",
    ),
    Default(
        "filler",
        "Remove filler and clichés",
        "both",
        "replace",
        "Take filler words, clichés and repetitions out of the text below. Change nothing else.\n\n{selection}",
    ),
    Default(
        "transitions",
        "Smooth the transitions",
        "both",
        "replace",
        "Make each paragraph of the text below follow from the one before it. Change first and last sentences of"
        " paragraphs only.\n\n{selection}",
    ),
    Default(
        "example",
        "Add an example",
        "selection",
        "after",
        "Write one short paragraph with an example that makes the passage clear. Invent no names, figures or events."
        "\n\nThe whole text:\n{document}\n\nThe passage:\n{selection}",
    ),
    Default(
        "objection",
        "Answer the strongest objection",
        "selection",
        "after",
        "Name the strongest objection to the passage below in one sentence, then answer it in at most three."
        "\n\n{selection}",
    ),
    Default(
        "summary",
        "Put a summary on top",
        "whole",
        "before",
        "Sum up the document “{title}” in three sentences, as one paragraph without a heading.\n\n{document}",
    ),
    Default(
        "questions",
        "Add questions and answers",
        "whole",
        "after",
        "Write a section with the heading “Questions and answers” in the language of the document below: four questions"
        " that a reader would ask and that the document answers, each as a third-level heading with its answer."
        "\n\n{document}",
    ),
)


def ensure_default_actions(sender: Any = None, *, using: str = "default", **_: Any) -> None:
    """After every migrate: add the defaults that are missing. What people changed or switched off stays as it is."""
    connection = connections[using]
    with connection.cursor() as cursor:
        if PromptActionVersion._meta.db_table not in connection.introspection.table_names(cursor):
            return
    with transaction.atomic(using=using):
        actions = PromptAction.objects.using(using)
        known = set(actions.filter(workspace__isnull=True).values_list("key", flat=True))
        missing = [each for each in DEFAULTS if each.key not in known]
        made = actions.bulk_create([PromptAction(key=each.key, name=each.name) for each in missing])
        versions = [
            PromptActionVersion(
                action=row, number=1, template=each.template, scope=each.scope, placement=each.placement
            )
            for row, each in zip(made, missing, strict=True)
        ]
        PromptActionVersion.objects.using(using).bulk_create(versions)
        for row, version in zip(made, versions, strict=True):
            row.current = version
        actions.bulk_update(made, ["current"])
