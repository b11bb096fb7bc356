"""Columns of lists and pages: people, credits, money, states."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Field
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from smartspec.templatetags.amounts import in_whole_units


def follow(row: Any, path: str) -> Any:
    """Return what a dotted path leads to from a row, or None where it ends early."""
    for name in path.split("."):
        row = getattr(row, name, None)
    return row


def column(
    show: Callable[[Any], Any], title: str, order_field: str | None = None, *, name: str | None = None
) -> Callable[[Any], Any]:
    """Return a column of lists and pages. `order_field` lets people sort by it."""

    def shown(row: Any) -> Any:
        return show(row)

    shown.__name__ = name or title.lower().replace(" ", "_")
    shown.short_description = title  # type: ignore[attr-defined]
    shown.empty_value_display = "–"  # type: ignore[attr-defined]
    if order_field:
        shown.admin_order_field = order_field  # type: ignore[attr-defined]
    return shown


def user_column(path: str = "user", title: str = "User") -> Callable[[Any], Any]:
    """Return a column that links to the user at `path`. Long addresses are cut off on the screen alone."""

    def show(row: Any) -> str | None:
        user = follow(row, path)
        if user is None:
            return None
        address = reverse("backoffice:person", args=[user.pk])
        return format_html('<a class="text-link bo-who" href="{}" title="{}">{}</a>', address, user, user)

    return column(show, title)


def credits_column(field: str, title: str, *, is_signed: bool = False) -> Callable[[Any], Any]:
    """Return a column of credits, written as people do: 1,000, 0.5, and with `is_signed` +105."""

    def show(row: Any) -> str | None:
        value = getattr(row, field)
        return None if value is None else plain_credits(value, is_signed=is_signed)

    return column(show, title, field)


def money_column(field: str, title: str) -> Callable[[Any], Any]:
    """Return a column of money: the minor unit in `field`, in the row's `currency`, or else in ours."""

    def show(row: Any) -> str | None:
        cents = getattr(row, field)
        currency = getattr(row, "currency", settings.STRIPE_CURRENCY)
        return None if cents is None else f"{in_whole_units(cents, currency):,}\N{NO-BREAK SPACE}{currency.upper()}"

    return column(show, title, field)


def badge_column(
    show: Callable[[Any], str], title: str, colours: dict[str, str], order_field: str | None = None
) -> Callable[[Any], Any]:
    """Return a column of badges. `colours` of states: success, info, warning, danger, primary; grey for others."""

    def render(row: Any) -> SafeString | None:
        state = show(row)
        return badge(state.replace("_", " "), colours.get(state, "")) if state else None

    return column(render, title, order_field)


def badge(text: str, colour: str = "") -> SafeString:
    return render_to_string("unfold/helpers/label.html", {"text": text, "type": colour})


def moment_column(field: "Field[Any, Any]", written: str) -> Callable[[Any], Any]:
    """Return a column of days or moments (UTC), `written` as strftime does, in one line."""

    def show(row: Any) -> SafeString | None:
        moment = getattr(row, field.name)
        return format_html('<span class="whitespace-nowrap">{}</span>', f"{moment:{written}}") if moment else None

    shown = column(show, field.verbose_name[:1].upper() + field.verbose_name[1:], field.name, name=field.name)
    shown.moment_field = field.name  # type: ignore[attr-defined] # files hold it to the second
    return shown


def words_column(field: str, title: str) -> Callable[[Any], Any]:
    """Return a column of names that programs use, written as people read them."""
    return column(lambda row: getattr(row, field).replace("_", " ") or None, title, field, name=field)


def id_column(field: str, title: str) -> Callable[[Any], Any]:
    """Return a column of long ids, cut off on the screen alone: files and the clipboard have them whole."""

    def show(row: Any) -> SafeString | None:
        value = getattr(row, field)
        return cut(value) if value else None

    return column(show, title, field, name=field)


def cut(text: object) -> SafeString:
    """Return text that is cut off on the screen alone."""
    return format_html('<span class="bo-short" title="{}">{}</span>', text, text)


def list_link(view: str, term: object, text: str) -> SafeString:
    """Return a link to an admin list, searched for `term`."""
    return format_html('<a class="text-link" href="{}?q={}">{}</a>', reverse(f"admin:{view}_changelist"), term, text)


def plain_credits(value: Decimal, *, is_signed: bool = False) -> str:
    text = f"{value:{'+' if is_signed else ''},.6f}"
    return text.rstrip("0").rstrip(".")


def preformatted(text: str) -> SafeString:
    """Return text as it stands, line by line: a traceback, a payload."""
    return format_html('<pre class="max-w-full overflow-x-auto whitespace-pre-wrap text-xs">{}</pre>', text)
