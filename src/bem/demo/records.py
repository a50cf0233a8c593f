"""``python -m bem.demo.records``: bring the demo's database to where a person can begin.

A process of its own, ended before the others start, so that none of them has to wait for it.
"""

import os
import sys

import django
from django.core.management import call_command
from django.db import transaction

from bem.demo.machine import SIGN_IN
from bem.runtime.settings import load_settings, read_secret


def main() -> int:
    """Migrate; in a new database make the sign-in, the batteries and the profiles."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "bem.web.settings"
    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    from django.contrib.auth.models import User

    if not User.objects.filter(username=SIGN_IN).exists():
        with transaction.atomic():
            _fill()
    return 0


def _fill() -> None:
    from bem.demo.samples import BATTERIES, PROFILES
    from bem.lab.operations.batteries import add_battery
    from bem.lab.operations.profiles import add_profile
    from bem.lab.operations.users import add_user
    from bem.lab.rights import Role

    secrets = load_settings().data_dir / "secrets"
    password = read_secret(secrets / "demo_password", "the demo's password")
    user = add_user(SIGN_IN, Role.ADMIN, password.get_secret_value())
    for battery in BATTERIES:
        add_battery(user, battery)
    for profile in PROFILES:
        add_profile(user, profile)


if __name__ == "__main__":
    sys.exit(main())
