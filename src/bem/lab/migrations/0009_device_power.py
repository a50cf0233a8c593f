"""Whether a found device has a power path, or only measures."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("lab", "0008_devices"),
    ]

    operations = [
        migrations.AddField(
            model_name="device",
            name="power",
            field=models.BooleanField(blank=True, null=True),
        ),
    ]
