"""The REST API. Parts of the application add their routers here."""

from ninja import NinjaAPI
from ninja.security import django_auth

from bem import __version__
from bem.web.watch.api import router as watch_router

# Signed in by the session for now, checked for forgery by Django; the documentation pages of
# ninja load scripts from elsewhere, so only the schema is served.
api = NinjaAPI(
    title="Battery Experiments Manager",
    version=__version__,
    auth=django_auth,
    docs_url=None,
    urls_namespace="api",
)
api.add_router("", watch_router)
