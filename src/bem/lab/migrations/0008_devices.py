"""The devices that nodes find at their ports and buses."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("lab", "0007_test_messages"),
    ]

    operations = [
        migrations.CreateModel(
            name="Device",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=64)),
                ("place", models.CharField(max_length=200)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("free", "Free"),
                            ("reserved", "Station does not run"),
                            ("used", "In use"),
                            ("unknown", "Unknown"),
                        ],
                        max_length=8,
                    ),
                ),
                ("driver", models.CharField(blank=True, max_length=64)),
                ("settings", models.JSONField(blank=True, default=dict)),
                ("make", models.CharField(blank=True, max_length=100)),
                ("model", models.CharField(blank=True, max_length=100)),
                ("serial", models.CharField(blank=True, max_length=100)),
                ("firmware", models.CharField(blank=True, max_length=100)),
                ("title", models.CharField(blank=True, max_length=200)),
                ("station_slug", models.CharField(blank=True, max_length=63)),
                ("used_by", models.CharField(blank=True, max_length=200)),
                ("answered", models.CharField(blank=True, max_length=80)),
                ("trouble", models.CharField(blank=True, max_length=500)),
                ("present", models.BooleanField(default=True)),
                ("since", models.DateTimeField()),
                ("first_seen", models.DateTimeField()),
                ("last_seen", models.DateTimeField()),
                (
                    "node",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="devices",
                        to="lab.node",
                    ),
                ),
            ],
            options={
                "ordering": ["place", "id"],
                "constraints": [
                    models.UniqueConstraint(fields=("node", "key"), name="device_is_unique_on_node")
                ],
            },
        ),
    ]
