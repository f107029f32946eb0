"""The tables of monitoring in one step, as seven migrations have made them.

An empty database takes this one; one that has some of the others takes the rest of them.
"""

import datetime

import django.core.validators
import django.db.models.deletion
import django.db.models.expressions
import django.utils.timezone
from django.db import migrations, models

import aiwriter.core.ids
import aiwriter.core.schema_tables


class Migration(migrations.Migration):
    replaces = [
        ("monitoring", "0001_initial"),
        ("monitoring", "0002_budgets_of_editors"),
        ("monitoring", "0003_checks_figures_alerts"),
        ("monitoring", "0004_incidents"),
        ("monitoring", "0005_errors_objectives_heartbeats"),
        ("monitoring", "0006_logs_captures"),
        ("monitoring", "0007_anomalies"),
    ]
    initial = True

    dependencies = []

    operations = [
        aiwriter.core.schema_tables.CreateTables(
            operations=[
                migrations.CreateModel(
                    name="AlertChannel",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("name", models.CharField(max_length=80, unique=True)),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("people", "Operators, in the portal"),
                                    ("email", "E-mail"),
                                    ("webhook", "Webhook (as Alertmanager sends it)"),
                                    ("slack", "Chat (Slack's form: Mattermost, Rocket.Chat …)"),
                                ],
                                max_length=8,
                            ),
                        ),
                        ("sealed_address", models.TextField(blank=True, editable=False)),
                        ("address_hint", models.CharField(blank=True, editable=False, max_length=120)),
                        ("sealed_secret", models.TextField(blank=True, editable=False, help_text="Signs webhooks.")),
                        ("enabled", models.BooleanField(default=True)),
                        ("failing_since", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("last_delivered_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ],
                    options={
                        "verbose_name": "alert channel",
                        "ordering": ["name"],
                    },
                ),
                migrations.CreateModel(
                    name="ErrorIntake",
                    fields=[
                        ("node", models.CharField(max_length=120, primary_key=True, serialize=False)),
                        ("last_file", models.CharField(max_length=80)),
                        ("taken_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "ordering": ["node"],
                    },
                ),
                migrations.CreateModel(
                    name="Leadership",
                    fields=[
                        ("name", models.CharField(max_length=40, primary_key=True, serialize=False)),
                        ("holder", models.CharField(max_length=120)),
                        ("until", models.DateTimeField()),
                    ],
                    options={
                        "ordering": ["name"],
                    },
                ),
                migrations.CreateModel(
                    name="LogQuery",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("name", models.CharField(max_length=80, unique=True)),
                        ("values", models.JSONField(default=dict, help_text="The filters, by name.")),
                        ("author", models.CharField(blank=True, editable=False, max_length=254)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ],
                    options={
                        "verbose_name": "log",
                        "verbose_name_plural": "log",
                        "ordering": ["name"],
                    },
                ),
                migrations.CreateModel(
                    name="Slo",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("slug", models.SlugField(max_length=60, unique=True)),
                        ("title", models.CharField(max_length=120)),
                        (
                            "source",
                            models.CharField(
                                choices=[
                                    ("requests", "Requests"),
                                    ("model_calls", "Model calls"),
                                    ("tasks", "Tasks"),
                                    ("slow", "Minutes in which requests are slow"),
                                ],
                                max_length=12,
                            ),
                        ),
                        (
                            "label",
                            models.CharField(
                                blank=True,
                                help_text="Of what: web, api, console, a backend, a task; “all” for every one.",
                                max_length=160,
                            ),
                        ),
                        (
                            "objective",
                            models.FloatField(
                                default=99.9,
                                help_text="Per cent that have to go well.",
                                validators=[
                                    django.core.validators.MinValueValidator(50.0),
                                    django.core.validators.MaxValueValidator(99.999),
                                ],
                            ),
                        ),
                        (
                            "window_days",
                            models.PositiveSmallIntegerField(
                                default=30,
                                validators=[
                                    django.core.validators.MinValueValidator(1),
                                    django.core.validators.MaxValueValidator(90),
                                ],
                            ),
                        ),
                        (
                            "slow_seconds",
                            models.FloatField(
                                default=2.0,
                                help_text="A minute is slow when 95 % of its requests took longer.",
                                validators=[
                                    django.core.validators.MinValueValidator(0.01),
                                    django.core.validators.MaxValueValidator(300.0),
                                ],
                            ),
                        ),
                        (
                            "least_bad",
                            models.PositiveIntegerField(
                                default=10,
                                help_text="Fewer that went wrong fire no alert: one of three at night says nothing.",
                            ),
                        ),
                        ("enabled", models.BooleanField(default=True)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ],
                    options={
                        "verbose_name": "objective",
                        "ordering": ["slug"],
                    },
                ),
                migrations.CreateModel(
                    name="AlertRoute",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "channel",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="routes",
                                to="monitoring.alertchannel",
                            ),
                        ),
                        (
                            "least_severity",
                            models.CharField(
                                choices=[("info", "Information"), ("warning", "Warning"), ("critical", "Critical")],
                                default="warning",
                                max_length=8,
                            ),
                        ),
                        (
                            "rules",
                            models.CharField(
                                blank=True,
                                help_text="Short names of rules with * and ?, comma separated. Empty: all.",
                                max_length=200,
                            ),
                        ),
                        (
                            "gather_seconds",
                            models.PositiveSmallIntegerField(
                                default=5,
                                help_text="What fires within this time of the first goes into one message.",
                                validators=[django.core.validators.MaxValueValidator(600)],
                            ),
                        ),
                        (
                            "repeat_hours",
                            models.PositiveSmallIntegerField(
                                default=12,
                                help_text="Told again while it lasts. 0: never.",
                                validators=[django.core.validators.MaxValueValidator(168)],
                            ),
                        ),
                        ("tell_end", models.BooleanField(default=True, verbose_name="tell when it is over")),
                        ("enabled", models.BooleanField(default=True)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ],
                    options={
                        "verbose_name": "alert route",
                        "ordering": ["created_at", "id"],
                    },
                ),
                migrations.CreateModel(
                    name="AlertRule",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("slug", models.SlugField(max_length=60, unique=True)),
                        ("title", models.CharField(max_length=120)),
                        (
                            "severity",
                            models.CharField(
                                choices=[("info", "Information"), ("warning", "Warning"), ("critical", "Critical")],
                                default="warning",
                                max_length=8,
                            ),
                        ),
                        (
                            "source",
                            models.CharField(
                                choices=[
                                    ("check", "Health check"),
                                    ("figure", "Figure over time"),
                                    ("event", "Audit events"),
                                    ("burn", "Error budget of an objective"),
                                    ("run", "Heartbeat from outside"),
                                ],
                                max_length=8,
                            ),
                        ),
                        (
                            "subject",
                            models.CharField(
                                blank=True,
                                help_text="Key of the check, name of the objective or heartbeat (empty: each), name of the figure, audit action.",
                                max_length=120,
                            ),
                        ),
                        (
                            "label",
                            models.CharField(
                                blank=True,
                                help_text="Of a figure: of this only. Empty: each by itself.",
                                max_length=160,
                            ),
                        ),
                        (
                            "level",
                            models.CharField(
                                choices=[
                                    ("warn", "Warning or failing"),
                                    ("fail", "Failing"),
                                    ("none", "Only silence counts"),
                                ],
                                default="fail",
                                help_text="Of a check: what counts as wrong.",
                                max_length=4,
                            ),
                        ),
                        (
                            "combine",
                            models.CharField(
                                choices=[
                                    ("mean", "Mean"),
                                    ("sum", "Sum"),
                                    ("highest", "Highest"),
                                    ("lowest", "Lowest"),
                                ],
                                default="mean",
                                max_length=8,
                            ),
                        ),
                        (
                            "compare",
                            models.CharField(
                                choices=[("above", "Above"), ("below", "Below")], default="above", max_length=6
                            ),
                        ),
                        ("threshold", models.FloatField(default=0.0)),
                        (
                            "window_minutes",
                            models.PositiveSmallIntegerField(
                                default=5,
                                validators=[
                                    django.core.validators.MinValueValidator(1),
                                    django.core.validators.MaxValueValidator(4320),
                                ],
                            ),
                        ),
                        (
                            "for_seconds",
                            models.PositiveIntegerField(
                                default=0,
                                help_text="Wrong for so long on end.",
                                validators=[django.core.validators.MaxValueValidator(86400)],
                                verbose_name="for (seconds)",
                            ),
                        ),
                        (
                            "keep_firing_seconds",
                            models.PositiveIntegerField(
                                default=30,
                                validators=[django.core.validators.MaxValueValidator(86400)],
                                verbose_name="keep firing (seconds)",
                            ),
                        ),
                        (
                            "needed",
                            models.PositiveSmallIntegerField(
                                default=1,
                                help_text="Of the last looks so many wrong.",
                                validators=[
                                    django.core.validators.MinValueValidator(1),
                                    django.core.validators.MaxValueValidator(20),
                                ],
                            ),
                        ),
                        (
                            "of_last",
                            models.PositiveSmallIntegerField(
                                default=1,
                                validators=[
                                    django.core.validators.MinValueValidator(1),
                                    django.core.validators.MaxValueValidator(20),
                                ],
                            ),
                        ),
                        (
                            "no_data",
                            models.CharField(
                                choices=[("ok", "All is well"), ("keep", "As before"), ("alert", "Tell somebody")],
                                default="ok",
                                max_length=5,
                            ),
                        ),
                        (
                            "no_data_seconds",
                            models.PositiveIntegerField(
                                default=300, validators=[django.core.validators.MaxValueValidator(86400)]
                            ),
                        ),
                        ("runbook", models.CharField(blank=True, help_text="Page below docs/.", max_length=120)),
                        ("enabled", models.BooleanField(default=True)),
                        ("built_in", models.BooleanField(default=False, editable=False)),
                        ("proven_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "verbose_name": "alert rule",
                        "ordering": ["slug"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("needed__lte", models.F("of_last"))),
                                name="alert_rule_needed_of_last",
                                violation_error_message="Not more can be needed than there are looks.",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Alert",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "rule",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="alerts",
                                to="monitoring.alertrule",
                            ),
                        ),
                        ("fingerprint", models.CharField(help_text="The same for the same trouble.", max_length=64)),
                        ("title", models.CharField(max_length=200)),
                        ("subject", models.CharField(blank=True, max_length=200)),
                        (
                            "severity",
                            models.CharField(
                                choices=[("info", "Information"), ("warning", "Warning"), ("critical", "Critical")],
                                max_length=8,
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[("pending", "Perhaps"), ("firing", "Firing"), ("resolved", "Over")],
                                default="pending",
                                max_length=8,
                            ),
                        ),
                        ("summary", models.TextField(blank=True)),
                        ("remedy", models.TextField(blank=True)),
                        ("value", models.FloatField(blank=True, null=True)),
                        (
                            "looks",
                            models.CharField(
                                blank=True, editable=False, help_text="1 wrong, 0 right; newest last.", max_length=20
                            ),
                        ),
                        ("begun_at", models.DateTimeField(default=django.utils.timezone.now)),
                        ("fired_at", models.DateTimeField(blank=True, null=True)),
                        ("right_since", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("silent_since", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("resolved_at", models.DateTimeField(blank=True, null=True)),
                        ("acknowledged_at", models.DateTimeField(blank=True, null=True)),
                        ("acknowledged_by", models.CharField(blank=True, max_length=254)),
                        ("drill", models.BooleanField(default=False)),
                        ("external", models.BooleanField(default=False, help_text="It came through the webhook.")),
                        ("silenced", models.BooleanField(default=False)),
                        ("link", models.CharField(blank=True, max_length=300)),
                    ],
                    options={
                        "ordering": ["-begun_at", "-id"],
                        "indexes": [models.Index(fields=["state", "-begun_at"], name="alert_state_newest")],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("state__in", ("pending", "firing"))),
                                fields=("fingerprint",),
                                name="alert_open_once",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Anomaly",
                    fields=[
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
                                    ("downloads", "Downloads and exports"),
                                    ("denied", "Refused attempts"),
                                    ("cost", "Cost of generated text"),
                                    ("place", "New network and new device"),
                                    ("privileged", "Privileged acts outside of the usual hours"),
                                ],
                                max_length=10,
                            ),
                        ),
                        ("user_id", models.UUIDField()),
                        ("begins_at", models.DateTimeField(help_text="Begin of the part of the day that is judged.")),
                        ("value", models.FloatField()),
                        ("usual", models.FloatField(help_text="The median of the same parts of the last 28 days.")),
                        ("score", models.FloatField(help_text="How many robust deviations it lies above.")),
                        ("found_at", models.DateTimeField(default=django.utils.timezone.now)),
                        ("seen_by", models.CharField(blank=True, max_length=254)),
                        ("seen_at", models.DateTimeField(blank=True, null=True)),
                        ("note", models.CharField(blank=True, help_text="What it turned out to be.", max_length=300)),
                    ],
                    options={
                        "verbose_name": "unusual activity",
                        "verbose_name_plural": "unusual activity",
                        "ordering": ["-found_at", "-id"],
                        "constraints": [
                            models.UniqueConstraint(fields=("kind", "user_id", "begins_at"), name="anomaly_once")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Budget",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "scope",
                            models.CharField(
                                choices=[("workspace", "Workspace"), ("user", "Person"), ("token", "API token")],
                                max_length=10,
                            ),
                        ),
                        ("scope_id", models.UUIDField(help_text="Id of the workspace, person or token.")),
                        (
                            "workspace_id",
                            models.UUIDField(
                                blank=True,
                                help_text="Counts only what is used in this workspace; empty for all of them.",
                                null=True,
                            ),
                        ),
                        (
                            "by_operator",
                            models.BooleanField(
                                default=True,
                                help_text="Set by an operator; the editors of a workspace cannot change it.",
                            ),
                        ),
                        (
                            "period",
                            models.CharField(
                                choices=[("day", "Day"), ("month", "Month")], default="month", max_length=6
                            ),
                        ),
                        (
                            "limit_cost",
                            models.DecimalField(
                                blank=True,
                                decimal_places=4,
                                max_digits=12,
                                null=True,
                                validators=[django.core.validators.MinValueValidator(0)],
                            ),
                        ),
                        ("currency", models.CharField(default="USD", max_length=3)),
                        ("limit_tokens", models.PositiveBigIntegerField(blank=True, null=True)),
                        (
                            "warn_at",
                            models.PositiveSmallIntegerField(
                                default=80,
                                validators=[
                                    django.core.validators.MinValueValidator(1),
                                    django.core.validators.MaxValueValidator(100),
                                ],
                                verbose_name="warn at (%)",
                            ),
                        ),
                        (
                            "hard",
                            models.BooleanField(
                                default=True, help_text="Refuse calls beyond the limit, not only warn."
                            ),
                        ),
                        (
                            "refuse_unpriced",
                            models.BooleanField(
                                default=False,
                                help_text="Also refuse calls whose price is unknown or in another currency.",
                            ),
                        ),
                        ("enabled", models.BooleanField(default=True)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "ordering": ["scope", "scope_id", "period"],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("workspace_id", None)),
                                fields=("scope", "scope_id", "period", "by_operator"),
                                name="budget_once",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("workspace_id__isnull", False)),
                                fields=("scope", "scope_id", "period", "by_operator", "workspace_id"),
                                name="budget_once_in_workspace",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("limit_cost__isnull", False), ("limit_tokens__isnull", False), _connector="OR"
                                ),
                                name="budget_limits_something",
                                violation_error_message="Give a limit of cost, of tokens or of both.",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="BudgetPeriod",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "budget",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="periods",
                                to="monitoring.budget",
                            ),
                        ),
                        ("starts_on", models.DateField()),
                        ("spent_nanos", models.BigIntegerField(default=0)),
                        ("spent_tokens", models.BigIntegerField(default=0)),
                        ("reserved_nanos", models.BigIntegerField(default=0)),
                        ("reserved_tokens", models.BigIntegerField(default=0)),
                        ("warned_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "ordering": ["budget", "-starts_on"],
                        "constraints": [
                            models.UniqueConstraint(fields=("budget", "starts_on"), name="budget_period_once"),
                            models.CheckConstraint(
                                condition=models.Q(("reserved_nanos__gte", 0), ("reserved_tokens__gte", 0)),
                                name="budget_period_reserved_not_negative",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="CheckDay",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        ("key", models.CharField(max_length=60)),
                        ("node", models.CharField(max_length=120)),
                        ("day", models.DateField()),
                        ("ok_seconds", models.PositiveIntegerField(default=0)),
                        ("warn_seconds", models.PositiveIntegerField(default=0)),
                        ("fail_seconds", models.PositiveIntegerField(default=0)),
                        ("unknown_seconds", models.PositiveIntegerField(default=0)),
                    ],
                    options={
                        "ordering": ["-day", "key", "node"],
                        "indexes": [models.Index(fields=["day"], name="check_day_age")],
                        "constraints": [models.UniqueConstraint(fields=("key", "node", "day"), name="check_day_once")],
                    },
                ),
                migrations.CreateModel(
                    name="CheckHistory",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        ("key", models.CharField(max_length=60)),
                        ("node", models.CharField(max_length=120)),
                        (
                            "status",
                            models.CharField(
                                choices=[
                                    ("ok", "OK"),
                                    ("warn", "Warning"),
                                    ("fail", "Failing"),
                                    ("unknown", "Unknown"),
                                ],
                                max_length=8,
                            ),
                        ),
                        ("message", models.TextField(blank=True)),
                        ("latency_ms", models.PositiveIntegerField(default=0)),
                        ("checked_at", models.DateTimeField(default=django.utils.timezone.now)),
                    ],
                    options={
                        "verbose_name_plural": "check history",
                        "ordering": ["-checked_at", "-id"],
                        "indexes": [
                            models.Index(fields=["key", "-checked_at"], name="check_history_of_key"),
                            models.Index(fields=["checked_at"], name="check_history_age"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="CheckResult",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("key", models.CharField(max_length=60)),
                        ("node", models.CharField(max_length=120)),
                        (
                            "status",
                            models.CharField(
                                choices=[
                                    ("ok", "OK"),
                                    ("warn", "Warning"),
                                    ("fail", "Failing"),
                                    ("unknown", "Unknown"),
                                ],
                                max_length=8,
                            ),
                        ),
                        ("message", models.TextField(blank=True)),
                        ("remedy", models.TextField(blank=True)),
                        ("data", models.JSONField(blank=True, default=dict)),
                        ("latency_ms", models.PositiveIntegerField(default=0)),
                        (
                            "since",
                            models.DateTimeField(
                                default=django.utils.timezone.now, help_text="When it took on its present status."
                            ),
                        ),
                        ("checked_at", models.DateTimeField(default=django.utils.timezone.now)),
                        ("valid_until", models.DateTimeField()),
                        (
                            "recent",
                            models.CharField(
                                blank=True,
                                help_text="First letters of the last 21 statuses, oldest first.",
                                max_length=21,
                            ),
                        ),
                        (
                            "overruns",
                            models.PositiveSmallIntegerField(default=0, help_text="Deadlines that it missed in a row."),
                        ),
                        (
                            "quarantined_until",
                            models.DateTimeField(blank=True, help_text="It is not run before.", null=True),
                        ),
                        ("run_requested_at", models.DateTimeField(blank=True, editable=False, null=True)),
                    ],
                    options={
                        "verbose_name": "check result",
                        "ordering": ["key", "node"],
                        "constraints": [models.UniqueConstraint(fields=("key", "node"), name="check_result_newest")],
                    },
                ),
                migrations.CreateModel(
                    name="DebugCapture",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("user_id", models.UUIDField(blank=True, help_text="Of this account.", null=True)),
                        (
                            "request_id",
                            models.CharField(blank=True, help_text="Or of requests with this id.", max_length=64),
                        ),
                        ("reason", models.CharField(max_length=300)),
                        ("minutes", models.PositiveSmallIntegerField(default=10)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("asked", "Asked for"),
                                    ("running", "Running"),
                                    ("ended", "Ended"),
                                    ("refused", "Refused"),
                                    ("destroyed", "Destroyed"),
                                ],
                                default="asked",
                                max_length=9,
                            ),
                        ),
                        ("asked_by_id", models.UUIDField(null=True)),
                        ("asked_by", models.CharField(max_length=254)),
                        ("asked_at", models.DateTimeField(default=django.utils.timezone.now)),
                        ("decided_by", models.CharField(blank=True, max_length=254)),
                        ("begun_at", models.DateTimeField(blank=True, null=True)),
                        ("ends_at", models.DateTimeField(blank=True, null=True)),
                        ("destroy_at", models.DateTimeField(blank=True, null=True)),
                        ("lines", models.PositiveIntegerField(default=0)),
                        (
                            "digest",
                            models.CharField(blank=True, help_text="SHA-256 of what was destroyed.", max_length=64),
                        ),
                    ],
                    options={
                        "verbose_name": "debug capture",
                        "ordering": ["-asked_at", "-id"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("ends_at__isnull", True),
                                    (
                                        "ends_at__lte",
                                        django.db.models.expressions.CombinedExpression(
                                            models.F("begun_at"), "+", models.Value(datetime.timedelta(seconds=900))
                                        ),
                                    ),
                                    _connector="OR",
                                ),
                                name="debug_capture_quarter_hour",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("request_id", ""), ("user_id__isnull", False)),
                                    models.Q(("user_id__isnull", True), models.Q(("request_id", ""), _negated=True)),
                                    _connector="OR",
                                ),
                                name="debug_capture_one_subject",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ErrorGroup",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "mark",
                            models.CharField(
                                editable=False, help_text="The same for the same kind.", max_length=64, unique=True
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(help_text="The exception's type, or the logger's name.", max_length=200),
                        ),
                        (
                            "text",
                            models.CharField(
                                blank=True, help_text="Of the newest one, without the values it quotes.", max_length=500
                            ),
                        ),
                        (
                            "place",
                            models.CharField(
                                blank=True,
                                help_text="The last function of the portal that it came through.",
                                max_length=300,
                            ),
                        ),
                        ("parts", models.CharField(blank=True, help_text="web, worker, watch …", max_length=200)),
                        (
                            "state",
                            models.CharField(
                                choices=[("open", "Open"), ("resolved", "Mended"), ("ignored", "Ignored")],
                                default="open",
                                max_length=8,
                            ),
                        ),
                        ("count", models.BigIntegerField(default=0)),
                        ("first_seen_at", models.DateTimeField(default=django.utils.timezone.now)),
                        ("last_seen_at", models.DateTimeField(default=django.utils.timezone.now)),
                        ("first_release", models.CharField(blank=True, max_length=40)),
                        ("last_release", models.CharField(blank=True, max_length=40)),
                        (
                            "opened_at",
                            models.DateTimeField(
                                default=django.utils.timezone.now,
                                help_text="When it came up, or came again after it was mended.",
                            ),
                        ),
                        ("came_again", models.BooleanField(default=False, help_text="It was mended once and is back.")),
                        ("settled_at", models.DateTimeField(blank=True, null=True)),
                        ("settled_by", models.CharField(blank=True, max_length=254)),
                        ("settled_release", models.CharField(blank=True, editable=False, max_length=40)),
                    ],
                    options={
                        "verbose_name": "error",
                        "verbose_name_plural": "errors",
                        "ordering": ["-last_seen_at", "-id"],
                        "indexes": [
                            models.Index(fields=["state", "-last_seen_at"], name="error_group_state_newest"),
                            models.Index(fields=["opened_at"], name="error_group_opened"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ErrorDay",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        (
                            "group",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="days",
                                to="monitoring.errorgroup",
                            ),
                        ),
                        ("day", models.DateField()),
                        ("count", models.BigIntegerField(default=0)),
                    ],
                    options={
                        "ordering": ["day"],
                        "constraints": [models.UniqueConstraint(fields=("group", "day"), name="error_day_once")],
                    },
                ),
                migrations.CreateModel(
                    name="ErrorSample",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        (
                            "group",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="samples",
                                to="monitoring.errorgroup",
                            ),
                        ),
                        ("at", models.DateTimeField()),
                        ("text", models.CharField(blank=True, max_length=500)),
                        ("causes", models.JSONField(blank=True, default=list)),
                        ("frames", models.JSONField(blank=True, default=list)),
                        ("logger", models.CharField(blank=True, max_length=100)),
                        ("part", models.CharField(blank=True, max_length=40)),
                        ("node", models.CharField(blank=True, max_length=120)),
                        ("release", models.CharField(blank=True, max_length=40)),
                        ("route", models.CharField(blank=True, max_length=200)),
                        ("request_id", models.CharField(blank=True, max_length=64)),
                        ("trace_id", models.CharField(blank=True, max_length=32)),
                        (
                            "actor",
                            models.CharField(
                                blank=True,
                                help_text="Whose request it was: the kind and id of the account.",
                                max_length=80,
                            ),
                        ),
                        ("workspace", models.CharField(blank=True, max_length=40)),
                    ],
                    options={
                        "ordering": ["-at", "-id"],
                        "indexes": [models.Index(fields=["group", "-at"], name="error_sample_newest")],
                    },
                ),
                migrations.CreateModel(
                    name="ExpectedRun",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("slug", models.SlugField(max_length=60, unique=True)),
                        ("title", models.CharField(max_length=120)),
                        (
                            "period_seconds",
                            models.PositiveIntegerField(
                                blank=True,
                                help_text="It reports at least so often.",
                                null=True,
                                validators=[
                                    django.core.validators.MinValueValidator(30),
                                    django.core.validators.MaxValueValidator(5184000),
                                ],
                                verbose_name="period (seconds)",
                            ),
                        ),
                        (
                            "cron",
                            models.CharField(
                                blank=True, help_text="Or at these times (UTC): 15 3 * * *", max_length=80
                            ),
                        ),
                        (
                            "grace_seconds",
                            models.PositiveIntegerField(
                                default=300,
                                validators=[
                                    django.core.validators.MinValueValidator(1),
                                    django.core.validators.MaxValueValidator(604800),
                                ],
                                verbose_name="grace (seconds)",
                            ),
                        ),
                        ("enabled", models.BooleanField(default=True)),
                        ("started_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        (
                            "reported_at",
                            models.DateTimeField(
                                blank=True, editable=False, help_text="It ended, well or not.", null=True
                            ),
                        ),
                        ("failed", models.BooleanField(default=False, editable=False)),
                        ("exit_code", models.SmallIntegerField(blank=True, editable=False, null=True)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ],
                    options={
                        "verbose_name": "heartbeat from outside",
                        "verbose_name_plural": "heartbeats from outside",
                        "ordering": ["slug"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("cron", ""), ("period_seconds__isnull", False)),
                                    models.Q(("period_seconds__isnull", True), models.Q(("cron", ""), _negated=True)),
                                    _connector="OR",
                                ),
                                name="expected_run_one_schedule",
                                violation_error_message="Say either how often it reports, or at which times.",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Heartbeat",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("part", models.CharField(help_text="worker or scheduler", max_length=40)),
                        ("node", models.CharField(max_length=120)),
                        ("beat_at", models.DateTimeField(default=django.utils.timezone.now)),
                    ],
                    options={
                        "ordering": ["part", "node"],
                        "constraints": [models.UniqueConstraint(fields=("part", "node"), name="heartbeat_once")],
                    },
                ),
                migrations.CreateModel(
                    name="Incident",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("title", models.CharField(max_length=160)),
                        (
                            "severity",
                            models.CharField(
                                choices=[
                                    ("minor", "Some are hindered"),
                                    ("major", "Many are hindered"),
                                    ("critical", "Nobody can work"),
                                ],
                                default="minor",
                                max_length=8,
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[("open", "Open"), ("watched", "Mended, being watched"), ("resolved", "Over")],
                                default="open",
                                max_length=8,
                            ),
                        ),
                        ("lead", models.CharField(blank=True, help_text="Who decides.", max_length=254)),
                        ("by_alert", models.BooleanField(default=False, editable=False)),
                        ("opened_by", models.CharField(blank=True, max_length=254)),
                        ("opened_at", models.DateTimeField(default=django.utils.timezone.now)),
                        ("resolved_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "review",
                            models.TextField(blank=True, help_text="What happened, why, and what is done about it."),
                        ),
                        ("reviewed_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("alerts", models.ManyToManyField(blank=True, related_name="incidents", to="monitoring.alert")),
                    ],
                    options={
                        "ordering": ["-opened_at", "-id"],
                        "indexes": [models.Index(fields=["state", "-opened_at"], name="incident_state_newest")],
                    },
                ),
                migrations.CreateModel(
                    name="IncidentAction",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        (
                            "incident",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="actions",
                                to="monitoring.incident",
                            ),
                        ),
                        ("text", models.CharField(max_length=300)),
                        ("owner", models.CharField(blank=True, max_length=254)),
                        ("done_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "verbose_name": "incident action",
                        "ordering": ["id"],
                    },
                ),
                migrations.CreateModel(
                    name="IncidentEntry",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        (
                            "incident",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="entries",
                                to="monitoring.incident",
                            ),
                        ),
                        ("at", models.DateTimeField(default=django.utils.timezone.now)),
                        ("author", models.CharField(blank=True, max_length=254)),
                        ("text", models.TextField()),
                        ("public", models.BooleanField(default=False)),
                    ],
                    options={
                        "verbose_name": "incident entry",
                        "verbose_name_plural": "incident entries",
                        "ordering": ["at", "id"],
                    },
                ),
                migrations.CreateModel(
                    name="MetricSeries",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        (
                            "name",
                            models.CharField(
                                help_text="What is measured, with its unit: model_first_token_p95_seconds.",
                                max_length=80,
                            ),
                        ),
                        (
                            "label",
                            models.CharField(
                                blank=True, help_text="Of what: a route, a backend, a check's figure.", max_length=160
                            ),
                        ),
                        ("node", models.CharField(max_length=120)),
                    ],
                    options={
                        "verbose_name": "figure",
                        "verbose_name_plural": "figures over time",
                        "ordering": ["name", "label", "node"],
                        "constraints": [
                            models.UniqueConstraint(fields=("name", "label", "node"), name="metric_series_once")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="MetricPoint",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        (
                            "series",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="points",
                                to="monitoring.metricseries",
                            ),
                        ),
                        ("step", models.PositiveSmallIntegerField(help_text="Seconds that it stands for.")),
                        ("at", models.BigIntegerField(help_text="When they begin.")),
                        ("count", models.PositiveIntegerField(default=1, help_text="Values that it was made of.")),
                        ("total", models.FloatField(help_text="Their sum.")),
                        ("low", models.FloatField()),
                        ("high", models.FloatField()),
                    ],
                    options={
                        "ordering": ["series", "step", "at"],
                        "indexes": [models.Index(fields=["step", "at"], name="metric_point_age")],
                        "constraints": [
                            models.UniqueConstraint(fields=("series", "step", "at"), name="metric_point_once")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Reservation",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("subject", models.CharField(max_length=80, unique=True)),
                        ("workspace_id", models.UUIDField(blank=True, null=True)),
                        ("user_id", models.UUIDField(blank=True, null=True)),
                        ("token_id", models.UUIDField(blank=True, null=True)),
                        (
                            "state",
                            models.CharField(
                                choices=[("open", "Open"), ("settled", "Settled")], default="open", max_length=8
                            ),
                        ),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                    ],
                    options={
                        "ordering": ["-created_at", "-id"],
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state", "open")), fields=["created_at"], name="reservation_open"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="BudgetHold",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        (
                            "reservation",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="holds",
                                to="monitoring.reservation",
                            ),
                        ),
                        (
                            "budget_period",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="holds",
                                to="monitoring.budgetperiod",
                            ),
                        ),
                        ("nanos", models.BigIntegerField(default=0)),
                        ("tokens", models.BigIntegerField(default=0)),
                    ],
                    options={
                        "ordering": ["id"],
                    },
                ),
                migrations.CreateModel(
                    name="RunReport",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        (
                            "run",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="reports",
                                to="monitoring.expectedrun",
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("start", "It begins"),
                                    ("ping", "It went well"),
                                    ("fail", "It failed"),
                                    ("log", "A note"),
                                ],
                                max_length=5,
                            ),
                        ),
                        ("at", models.DateTimeField(default=django.utils.timezone.now)),
                        ("exit_code", models.SmallIntegerField(blank=True, null=True)),
                        ("took_seconds", models.FloatField(blank=True, null=True)),
                        ("log", models.TextField(blank=True)),
                        ("sender", models.CharField(blank=True, max_length=254)),
                    ],
                    options={
                        "ordering": ["-at", "-id"],
                        "indexes": [models.Index(fields=["run", "-at"], name="run_report_newest")],
                    },
                ),
                migrations.CreateModel(
                    name="Silence",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(
                                choices=[("silence", "Silence"), ("maintenance", "Maintenance")],
                                default="silence",
                                max_length=11,
                            ),
                        ),
                        (
                            "rule",
                            models.ForeignKey(
                                blank=True,
                                help_text="Empty: all.",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="silences",
                                to="monitoring.alertrule",
                            ),
                        ),
                        (
                            "subject",
                            models.CharField(
                                blank=True, help_text="Only what contains this. Empty: everything.", max_length=200
                            ),
                        ),
                        ("reason", models.CharField(max_length=300)),
                        ("starts_at", models.DateTimeField(default=django.utils.timezone.now)),
                        ("ends_at", models.DateTimeField()),
                        ("author", models.CharField(blank=True, editable=False, max_length=254)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ],
                    options={
                        "ordering": ["-ends_at", "-id"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("ends_at__gt", models.F("starts_at"))),
                                name="silence_ends_later",
                                violation_error_message="It has to end after it begins.",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="UsageRow",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "subject",
                            models.CharField(
                                help_text="What it belongs to, call:<id> for example.", max_length=80, unique=True
                            ),
                        ),
                        ("workspace_id", models.UUIDField(blank=True, null=True)),
                        ("user_id", models.UUIDField(blank=True, null=True)),
                        ("token_id", models.UUIDField(blank=True, null=True)),
                        ("purpose", models.CharField(max_length=20)),
                        ("model", models.CharField(blank=True, max_length=120)),
                        ("profile", models.CharField(blank=True, max_length=80)),
                        ("input_tokens", models.PositiveIntegerField(default=0)),
                        ("output_tokens", models.PositiveIntegerField(default=0)),
                        ("cached_tokens", models.PositiveIntegerField(default=0)),
                        (
                            "cost",
                            models.DecimalField(
                                blank=True,
                                decimal_places=9,
                                help_text="Empty: the price is not known.",
                                max_digits=18,
                                null=True,
                            ),
                        ),
                        ("currency", models.CharField(blank=True, max_length=3)),
                        ("duration_ms", models.PositiveIntegerField(default=0)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                    ],
                    options={
                        "ordering": ["-created_at", "-id"],
                        "indexes": [
                            models.Index(fields=["-created_at", "-id"], name="usage_newest"),
                            models.Index(fields=["workspace_id", "-created_at"], name="usage_of_workspace"),
                            models.Index(fields=["user_id", "-created_at"], name="usage_of_user"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="AlertDelivery",
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
                            "channel",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="deliveries",
                                to="monitoring.alertchannel",
                            ),
                        ),
                        (
                            "route",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="monitoring.alertroute",
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("firing", "Something is wrong"),
                                    ("resolved", "It is over"),
                                    ("test", "A test of the channel"),
                                ],
                                max_length=8,
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("queued", "Waiting"),
                                    ("running", "Being sent"),
                                    ("delivered", "Delivered"),
                                    ("failed", "Failed"),
                                ],
                                db_index=True,
                                default="queued",
                                max_length=16,
                            ),
                        ),
                        ("next_try_at", models.DateTimeField(default=django.utils.timezone.now)),
                        ("receipt", models.CharField(blank=True, help_text="What the other end said.", max_length=300)),
                        ("error", models.CharField(blank=True, max_length=500)),
                        ("tries", models.JSONField(default=list, editable=False)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        (
                            "alerts",
                            models.ManyToManyField(blank=True, related_name="deliveries", to="monitoring.alert"),
                        ),
                    ],
                    options={
                        "verbose_name": "alert delivery",
                        "verbose_name_plural": "alert deliveries",
                        "ordering": ["-created_at", "-id"],
                        "indexes": [models.Index(fields=["state", "next_try_at"], name="alert_delivery_due")],
                    },
                ),
            ],
        ),
    ]
