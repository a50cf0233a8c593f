"""The live hub of this process."""

import os
import secrets
import socket

from bem.lab.django_settings import SETTINGS
from bem.web.watch.hub import LiveHub

_FOR_REQUESTS = 8

HUB = LiveHub(most_subscribers=max(2, SETTINGS.web.threads - _FOR_REQUESTS))


def connect_hub() -> None:
    """Begin to listen to the broker, once this is the process that will serve.

    Raises:
        SettingsError: the broker's password file cannot be read.
    """
    unique = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    HUB.connect(SETTINGS.broker, client_id=f"bem-web-{unique}")
