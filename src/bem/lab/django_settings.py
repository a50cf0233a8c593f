"""Django's settings for every process that touches the database; the web adds its own."""

from typing import Any

from bem.runtime.settings import DatabaseSettings, Settings, load_settings, read_secret

SETTINGS: Settings = load_settings()


def _sqlite() -> dict[str, Any]:
    SETTINGS.data_dir.mkdir(parents=True, exist_ok=True)
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(SETTINGS.data_dir / f"{SETTINGS.database.name}.sqlite3"),
        "OPTIONS": {
            "timeout": 20,
            # A transaction that will write asks for the lock at once and waits its turn; one that
            # starts reading and then writes would fail instead of waiting.
            "transaction_mode": "IMMEDIATE",
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON"
            ),
        },
    }


def _mysql(database: DatabaseSettings) -> dict[str, Any]:
    password = read_secret(database.password_file, "database.password_file")
    host = str(database.socket) if database.socket is not None else database.host
    return {
        "ENGINE": "django.db.backends.mysql",
        "NAME": database.name,
        "USER": database.user,
        "PASSWORD": password.get_secret_value(),
        "HOST": host,
        "PORT": str(database.port),
        # A connection for each request: by the local socket it costs little, it is never a dead one
        # after the server was restarted, and threads that wait hold none.
        "CONN_MAX_AGE": 0,
        "OPTIONS": {
            "charset": "utf8mb4",
            "connect_timeout": 5,
            "init_command": "SET sql_mode='STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE'",
            "isolation_level": "read committed",
        },
    }


DATABASES = {
    "default": _sqlite() if SETTINGS.database.engine == "sqlite" else _mysql(SETTINGS.database)
}
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "bem.lab",
]
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Logging is set up by each process (bem.runtime.log).
LOGGING_CONFIG = None
