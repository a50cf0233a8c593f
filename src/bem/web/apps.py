"""The Django app that carries the frame all pages share."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """Base layout, template tags, middleware."""

    name = "bem.web"
    label = "web"
    verbose_name = "Web"
