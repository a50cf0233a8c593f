"""Django's settings for the type checker, which wakes Django without a machine to run on."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

_FOLDER = Path(tempfile.mkdtemp(prefix="bem-types-"))
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
(_FOLDER / "secret_key").write_text("no secret: nothing is served")
(_FOLDER / "bem.yaml").write_text(
    f"data_dir: {_FOLDER}\nweb: {{secret_key_file: {_FOLDER / 'secret_key'}}}\n"
)
os.environ["BEM_CONFIG"] = str(_FOLDER / "bem.yaml")

from bem.web.settings import *  # noqa: E402, F403 - the settings can be read from here on
