"""The first page: figures, charts, and what needs a person."""

import json
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse

from smartspec import clock
from smartspec.backoffice import places
from smartspec.backoffice.words import Chart
from smartspec.users.models import User

COLOURS = ("#8b5cf6", "#0ea5e9", "#10b981", "#f59e0b", "#ef4444", "#64748b")
GREY = "#9ca3af"
CHART_OPTIONS = {
    "animation": False,
    "responsive": True,
    "maintainAspectRatio": False,
    "plugins": {
        "legend": {
            "align": "start",
            "position": "bottom",
            "labels": {
                "boxHeight": 6,
                "boxWidth": 6,
                "color": GREY,
                "pointStyle": "circle",
                "usePointStyle": True,
            },
        }
    },
    "scales": {
        "x": {"stacked": True, "grid": {"display": False}, "ticks": {"color": GREY, "maxTicksLimit": 8}},
        "y": {"stacked": True, "beginAtZero": True, "grid": {}, "ticks": {"color": GREY, "maxTicksLimit": 5}},
    },
}


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return the context of the admin's index (settings.UNFOLD names this function)."""
    viewer = request.user
    assert isinstance(viewer, User)  # noqa: S101 - the index lets nobody else through
    now = clock.now()
    tasks = places.collect(filled.call(now) for filled in places.tasks.seen_by(viewer))
    return context | {
        "title": "Home",
        "figures": places.collect(filled.call(now) for filled in places.figures.seen_by(viewer)),
        "charts": [
            drawn(chart, now) for chart in places.collect(filled.call(now) for filled in places.charts.seen_by(viewer))
        ],
        "tasks": [task for task in tasks if task.count],
        "now": now,
    }


def drawn(chart: Chart, now: datetime) -> dict[str, Any]:
    """Return a chart as the page's script takes it."""
    datasets = [
        {
            "label": label,
            "data": [float(value) for value in values],  # a height on the screen, no amount
            "backgroundColor": COLOURS[index % len(COLOURS)],
            "borderRadius": 3,
            "maxBarThickness": 26,
        }
        for index, (label, values) in enumerate(chart.series.items())
    ]
    return {
        "title": chart.title,
        "is_empty": not any(value for values in chart.series.values() for value in values),
        "data": json.dumps({"labels": list(chart.labels), "datasets": datasets}),
        "options": json.dumps(CHART_OPTIONS),
    }


def styles(request: HttpRequest) -> str:
    """Return the address of the back-office's own style sheet."""
    return static("smartspec/backoffice.css")


def mark(request: HttpRequest) -> str:
    """Return the address of the product's mark, for the browser's tab."""
    return static("smartspec/mark.svg")


GROUPS = {
    "users": "People",
    "account": "People",
    "usersessions": "People",
    "auth": "People",
    "credits": "Credits",
    "billing": "Billing",
    "djstripe": "Billing",
    "media": "Media",
    "procrastinate": "Operations",
}

LISTS = {"Api keys": "API keys", "Procrastinate jobs": "Jobs of the queue"}


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the sidebar: the pages that people come for, then the lists that they may look at, by what they are of."""
    office = [{"title": "Home", "icon": "dashboard", "link": reverse("admin:index")}]
    if request.user.has_perm("users.view_user"):
        office.append({"title": "Find anyone", "icon": "person_search", "link": reverse("backoffice:find")})
    groups: dict[str, list[dict[str, Any]]] = {}
    for app in admin.site.get_app_list(request):
        lists = [
            {"title": LISTS.get(listed["name"], listed["name"]), "link": listed["admin_url"]}
            for listed in app["models"]
        ]
        groups.setdefault(GROUPS.get(app["app_label"], app["name"]), []).extend(lists)
    return [
        {"title": "Back-office", "items": office},
        *({"title": title, "items": items, "separator": True} for title, items in groups.items()),
    ]
