"""Queue, batteries that people confirm, locks, alarms, and telling people of them."""

import django.db.models.deletion
from django.apps.registry import Apps
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

ACTIVE = ("starting", "running")


def confirm_running_batteries(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor) -> None:
    """A battery under test is evidently on its station; nobody needs to be asked for it."""
    station = apps.get_model("lab", "Station")
    active = apps.get_model("lab", "Experiment").objects.filter(status__in=ACTIVE)
    for where, battery, began, queued in active.values_list(
        "station_id", "battery_id", "started_at", "created_at"
    ):
        station.objects.filter(pk=where).update(
            battery_id=battery, battery_confirmed_at=began or queued
        )


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("lab", "0005_account"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Notifications",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="notifications",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("email", models.EmailField(blank=True, max_length=254)),
                ("webhook", models.CharField(blank=True, max_length=500)),
                (
                    "severity",
                    models.CharField(
                        choices=[("info", "Info"), ("warning", "Warning"), ("error", "Error")],
                        default="warning",
                        max_length=8,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "notifications",
            },
        ),
        migrations.AddField(
            model_name="experiment",
            name="capacity_source",
            field=models.CharField(
                choices=[("nominal", "Nominal"), ("measured", "Last measured")],
                default="nominal",
                max_length=8,
            ),
        ),
        migrations.AddField(
            model_name="experiment",
            name="expected",
            field=models.JSONField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="experiment",
            name="follows",
            field=models.BooleanField(default=True),
        ),
        migrations.AddField(
            model_name="experiment",
            name="held",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="experiment",
            name="limits",
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddField(
            model_name="experiment",
            name="on_interruption",
            field=models.CharField(
                choices=[
                    ("resume", "Go on by itself, once all checks before a start have passed"),
                    ("wait", "Wait until a person says to go on"),
                    ("end", "End as interrupted"),
                ],
                default="end",
                max_length=8,
            ),
        ),
        migrations.AddField(
            model_name="experiment",
            name="parameters",
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name="experiment",
            name="position",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="experiment",
            name="released_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="station",
            name="activity",
            field=models.CharField(blank=True, max_length=8),
        ),
        migrations.AddField(
            model_name="station",
            name="battery",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="lab.battery",
            ),
        ),
        migrations.AddField(
            model_name="station",
            name="battery_confirmed_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="station",
            name="battery_confirmed_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="station",
            name="lock_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="station",
            name="lock_by",
            field=models.CharField(blank=True, max_length=150),
        ),
        migrations.AddField(
            model_name="station",
            name="lock_note",
            field=models.CharField(blank=True, max_length=500),
        ),
        migrations.AddField(
            model_name="station",
            name="waits_for",
            field=models.CharField(blank=True, max_length=500),
        ),
        migrations.AddField(
            model_name="station",
            name="warnings",
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AlterField(
            model_name="command",
            name="action",
            field=models.CharField(
                choices=[
                    ("start", "Start"),
                    ("stop", "Stop"),
                    ("pause", "Pause"),
                    ("hold", "Hold at the set point"),
                    ("resume", "Resume"),
                    ("skip", "Skip step"),
                    ("change_ends", "Change ends of step"),
                    ("acknowledge", "Acknowledge fault"),
                    ("lock", "Lock"),
                    ("unlock", "Unlock"),
                    ("define", "Define station"),
                    ("remove", "Remove station"),
                ],
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="experiment",
            name="status",
            field=models.CharField(
                choices=[
                    ("queued", "Queued"),
                    ("starting", "Starting"),
                    ("running", "Running"),
                    ("paused", "Paused"),
                    ("finished", "Finished"),
                    ("stopped", "Stopped"),
                    ("failed", "Failed"),
                    ("interrupted", "Interrupted"),
                    ("cancelled", "Cancelled"),
                ],
                default="queued",
                max_length=12,
            ),
        ),
        migrations.CreateModel(
            name="Alarm",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "severity",
                    models.CharField(
                        choices=[("info", "Info"), ("warning", "Warning"), ("error", "Error")],
                        max_length=8,
                    ),
                ),
                (
                    "cause",
                    models.CharField(
                        choices=[
                            ("fault", "Fault latched"),
                            ("output", "Output not verified to be off"),
                            ("run_failed", "Run failed"),
                            ("run_interrupted", "Run interrupted"),
                            ("waits", "Waits for a person"),
                            ("device_lost", "Device lost"),
                            ("station_down", "Station down"),
                            ("station_warning", "Station warns"),
                            ("node_silent", "Node silent"),
                            ("clock", "Clock far off"),
                            ("cannot_start", "Cannot start"),
                        ],
                        max_length=16,
                    ),
                ),
                ("source", models.CharField(max_length=80)),
                ("open_key", models.CharField(blank=True, max_length=100, null=True, unique=True)),
                ("message", models.CharField(max_length=1000)),
                ("raised_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                ("count", models.PositiveIntegerField(default=1)),
                ("cleared_at", models.DateTimeField(blank=True, null=True)),
                ("acknowledged_at", models.DateTimeField(blank=True, null=True)),
                ("acknowledged_note", models.CharField(blank=True, max_length=500)),
                (
                    "acknowledged_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "experiment",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="alarms",
                        to="lab.experiment",
                    ),
                ),
                (
                    "node",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="alarms",
                        to="lab.node",
                    ),
                ),
                (
                    "station",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="alarms",
                        to="lab.station",
                    ),
                ),
            ],
            options={
                "ordering": ["-raised_at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "way",
                    models.CharField(
                        choices=[("email", "E-mail"), ("webhook", "Webhook")], max_length=8
                    ),
                ),
                ("address", models.CharField(max_length=500)),
                (
                    "status",
                    models.CharField(
                        choices=[("pending", "Pending"), ("sent", "Sent"), ("failed", "Given up")],
                        default="pending",
                        max_length=8,
                    ),
                ),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("created_at", models.DateTimeField()),
                ("next_at", models.DateTimeField()),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("error", models.CharField(blank=True, max_length=500)),
                (
                    "alarm",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="lab.alarm",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "deliveries",
                "ordering": ["-id"],
            },
        ),
        migrations.AddIndex(
            model_name="alarm",
            index=models.Index(fields=["source", "cause", "raised_at"], name="alarm_history"),
        ),
        migrations.AddIndex(
            model_name="alarm",
            index=models.Index(fields=["acknowledged_at", "cleared_at"], name="alarm_present"),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["status", "next_at"], name="delivery_due"),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.UniqueConstraint(
                fields=("alarm", "user", "way"), name="delivery_is_unique"
            ),
        ),
        migrations.RunPython(confirm_running_batteries, migrations.RunPython.noop),
    ]
