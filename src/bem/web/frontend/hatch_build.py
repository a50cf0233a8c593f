"""Lets the build of the package build the browser assets, for wheels and editable installs."""

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface[BuilderConfig]):
    """Runs before the files of the package are collected."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Build the assets where the sources are there (an sdist has them too)."""
        web = Path(self.root) / "src" / "bem" / "web"
        # Loaded by path: the package is not installed yet.
        runpy.run_path(str(web / "build_assets.py"))["build"](web)
