"""Messages to people that tell of no alarm: by them a person tries a way of being told."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("lab", "0006_experiments_one_can_trust")]

    operations = [
        migrations.AlterField(
            model_name="delivery",
            name="alarm",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=models.CASCADE,
                related_name="deliveries",
                to="lab.alarm",
            ),
        ),
    ]
