"""Empty records: the tables of a laboratory, made once for a run of the tests and copied."""

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

NAME = "bem.sqlite3"


def put_tables(data_dir: Path) -> None:
    """Have in ``data_dir`` what ``bem migrate`` makes there, which takes seconds each time."""
    data_dir.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_made() / NAME, data_dir / NAME)


@functools.cache
def _made() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="bem-tables-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings = folder / "bem.yaml"
    settings.write_text(yaml.safe_dump({"data_dir": str(folder)}))
    subprocess.run(
        [sys.executable, "-m", "bem.cli", "migrate"],
        env=os.environ | {"BEM_CONFIG": str(settings)},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return folder
