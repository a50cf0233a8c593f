"""Addresses of the pages about alarms."""

from django.urls import path

from bem.web.alarms import notifications, pages

app_name = "alarms"
urlpatterns = [
    path("alarms/", pages.AlarmList.as_view(), name="list"),
    path("alarms/count/", pages.AlarmCount.as_view(), name="count"),
    path("alarms/<int:pk>/", pages.AlarmPage.as_view(), name="alarm"),
    path("alarms/<int:pk>/acknowledge/", pages.AlarmAcknowledge.as_view(), name="acknowledge"),
    path("notifications/", notifications.NotificationsPage.as_view(), name="notifications"),
]
