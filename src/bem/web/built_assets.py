"""Find built assets by their plain names."""

import json
from functools import cached_property

from django.conf import settings
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.core.exceptions import ImproperlyConfigured


class BuiltAssets(StaticFilesStorage):
    """Turns ``site.css`` into the address of the file that the build made of it."""

    @cached_property
    def manifest(self) -> dict[str, str]:
        """Plain names to built names.

        Raises:
            ImproperlyConfigured: the assets were never built.
        """
        path = settings.STATICFILES_DIRS[0] / "manifest.json"
        try:
            names: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ImproperlyConfigured(
                f"{path} is missing: build the browser assets by `python -m bem.web.build_assets`"
            ) from error
        return names

    def url(self, name: str | None) -> str:
        """Get the address of an asset.

        Raises:
            ValueError: the build made no asset of that name.
        """
        if name not in self.manifest:
            known = ", ".join(self.manifest)
            raise ValueError(f"there is no asset {name!r}; the build made: {known}")
        return super().url(self.manifest[name])
