"""Give the tests a machine of their own: settings, secrets and data in a folder made for the run.

Django is woken here: pytest-django looks for its settings before this file names them.
"""

import atexit
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import django
import pytest
import yaml
from django.conf import settings
from hypothesis import settings as hypothesis_settings

# Its assertions are to say what they compared, as those of a test file do.
pytest.register_assert_rewrite("tests.unit.drivers.conformance")

_FOLDER = Path(tempfile.mkdtemp(prefix="bem-test-"))
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
(_FOLDER / "secret_key").write_text(secrets.token_urlsafe(50))
_DATABASE = os.environ.get("BEM_TEST_DATABASE")
"""A YAML file with the settings of another database than SQLite; tests/integration/server."""
(_FOLDER / "bem.yaml").write_text(
    yaml.safe_dump(
        {
            "data_dir": str(_FOLDER / "data"),
            "runtime_dir": str(_FOLDER / "run"),
            "web": {"secret_key_file": str(_FOLDER / "secret_key")},
            "database": yaml.safe_load(Path(_DATABASE).read_text()) if _DATABASE else {},
        }
    )
)
os.environ["BEM_CONFIG"] = str(_FOLDER / "bem.yaml")
os.environ["DJANGO_SETTINGS_MODULE"] = "bem.web.settings"
django.setup()
# Hundreds of tests make an account; hashing its password as for years takes most of their time.
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# How long an example takes says more of what else the machine does than of our code: tests/bench.
hypothesis_settings.register_profile("bem", deadline=None)
hypothesis_settings.load_profile("bem")


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """Wait for a condition with a deadline: ``wait_until(lambda: ..., "what", timeout_s=10)``."""

    def wait(condition: Callable[[], object], what: str, timeout_s: float = 10.0) -> None:
        deadline = time.monotonic() + timeout_s
        while True:
            asked = time.monotonic()
            if condition():
                return
            answered = time.monotonic()
            if answered > deadline:
                pytest.fail(f"waited {timeout_s:g} s in vain for {what}")
            # To look at many processes costs a core, which those that are waited for need.
            time.sleep(min(max(0.01, 3 * (answered - asked)), 0.1))

    return wait
