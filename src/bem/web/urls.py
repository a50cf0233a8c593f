"""All addresses."""

from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, URLResolver, include, path

from bem.web import errors
from bem.web.api import api
from bem.web.health import healthz
from bem.web.sign_in import SignIn

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("bem.web.watch.urls")),
    path("", include("bem.web.records.urls")),
    path("", include("bem.web.alarms.urls")),
    path("sign-in/", SignIn.as_view(), name="sign-in"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("healthz", healthz, name="healthz"),
    path("api/v1/", api.urls),
]

handler400 = errors.bad_request
handler403 = errors.forbidden
handler404 = errors.not_found
handler500 = errors.server_error
