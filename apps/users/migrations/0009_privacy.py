"""Requests about personal data, legal holds, and the keys of people's names in the audit record.

Its columns for names get room for sealed ones on PostgreSQL; SQLite knows no lengths, and remaking the table there would take
the record's guards away.
"""

from importlib import import_module

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import aiwriter.core.ids

_guards = import_module("apps.users.migrations.0005_audit_ledger_guard")
_WIDER = (
    ("object_label", 1200, 200),
    ("reason", 2800, 500),
)


def widen(apps, schema_editor):
    _alter(schema_editor, 1)


def narrow(apps, schema_editor):
    _alter(schema_editor, 2)


def _alter(schema_editor, which):
    if schema_editor.connection.vendor == "postgresql":
        # A column that a trigger names cannot be altered; this migration is one transaction, so the guards are never away.
        for statement in _guards.REMOVE["postgresql"]:
            schema_editor.execute(statement)
        for column in _WIDER:
            schema_editor.execute(
                f"ALTER TABLE users_auditevent ALTER COLUMN {column[0]} TYPE varchar({column[which]})"
            )
        for statement in _guards.INSTALL["postgresql"]:
            schema_editor.execute(statement)


def _person(related_name="+"):
    return models.ForeignKey(
        blank=True,
        null=True,
        on_delete=django.db.models.deletion.SET_NULL,
        related_name=related_name,
        to=settings.AUTH_USER_MODEL,
    )


class Migration(migrations.Migration):
    dependencies = [("users", "0008_single_sign_on")]
    safe_for_previous = "two columns get longer; the version before writes shorter texts into them, which fit as before"

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(widen, narrow)],
            state_operations=[
                migrations.AlterField(
                    model_name="auditevent",
                    name="object_label",
                    field=models.CharField(blank=True, max_length=1200),
                ),
                migrations.AlterField(
                    model_name="auditevent",
                    name="reason",
                    field=models.CharField(blank=True, max_length=2800),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SubjectKey",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("sealed_key", models.TextField(blank=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("destroyed_at", models.DateTimeField(blank=True, editable=False, null=True)),
            ],
            options={"verbose_name": "person's key", "ordering": ["-created_at", "-id"]},
        ),
        migrations.CreateModel(
            name="LegalHold",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("reason", models.CharField(max_length=500)),
                ("placed_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("lifted_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("lifted_by", _person()),
                ("placed_by", _person()),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="legal_holds",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-placed_at", "-id"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("lifted_at", None)),
                        fields=("user",),
                        name="legal_hold_once",
                        violation_error_message="A hold is in force already.",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="PrivacyRequest",
            fields=[
                ("lease_until", models.DateTimeField(blank=True, editable=False, null=True)),
                ("fence", models.PositiveIntegerField(default=0, editable=False)),
                ("attempts", models.PositiveSmallIntegerField(default=0, editable=False)),
                ("worker", models.CharField(blank=True, editable=False, max_length=120)),
                ("queued_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("started_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("finished_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "id",
                    models.UUIDField(
                        default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("export", "A copy of the data"),
                            ("erase", "Erasure"),
                            ("rectify", "Correction"),
                            ("restrict", "Restriction"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Needs a decision"),
                            ("queued", "Waiting for a worker"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("refused", "Refused"),
                            ("stopped", "Stopped"),
                            ("failed", "Failed"),
                        ],
                        db_index=True,
                        default="waiting",
                        max_length=16,
                    ),
                ),
                (
                    "person_id_kept",
                    models.UUIDField(editable=False, help_text="Whose; stays when the account is gone."),
                ),
                (
                    "identity",
                    models.CharField(blank=True, help_text="How the person has shown who they are.", max_length=300),
                ),
                ("wish", models.TextField(blank=True, help_text="In the person's words.")),
                (
                    "changes",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="Of a correction: the name or the address as it should be.",
                    ),
                ),
                ("due_at", models.DateTimeField()),
                ("decided_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "answer",
                    models.CharField(blank=True, help_text="Why it was refused, or what was done.", max_length=500),
                ),
                ("phase", models.CharField(blank=True, editable=False, max_length=80)),
                ("done", models.BigIntegerField(default=0)),
                ("total", models.BigIntegerField(default=0)),
                ("stop_requested_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "report",
                    models.JSONField(blank=True, default=dict, help_text="What was done, what was kept and why."),
                ),
                ("parcel", models.CharField(blank=True, editable=False, max_length=300)),
                ("sealed_parcel_key", models.TextField(blank=True, editable=False)),
                ("parcel_size", models.BigIntegerField(default=0, editable=False)),
                ("expires_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("error", models.TextField(blank=True)),
                ("remedy", models.TextField(blank=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("decided_by", _person()),
                ("person", _person("privacy_requests")),
                ("requested_by", _person()),
            ],
            options={
                "verbose_name": "privacy request",
                "verbose_name_plural": "privacy desk",
                "ordering": ["-created_at", "-id"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ["waiting", "queued", "running"])),
                        fields=("person_id_kept", "kind"),
                        name="privacy_request_once",
                        violation_error_message="Such a request is open already.",
                    )
                ],
            },
        ),
    ]
