"""Who of several managers decides, and where two that both believe it collide."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("lab", "0002_roles")]

    operations = [
        migrations.CreateModel(
            name="Lease",
            fields=[
                ("name", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("holder", models.CharField(blank=True, default="", max_length=320)),
                ("epoch", models.PositiveBigIntegerField(default=0)),
                ("beat", models.PositiveBigIntegerField(default=0)),
                ("taken_at", models.DateTimeField(blank=True, null=True)),
                ("renewed_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.AddField(
            model_name="station",
            name="starts",
            field=models.PositiveBigIntegerField(default=0, editable=False),
        ),
    ]
