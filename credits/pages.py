"""The account pages of credits: the overview, and the history with its filters, its rows and its file."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from hashlib import sha256
from itertools import groupby
from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from credits import charts, selectors
from credits.models import EntryType
from credits.templatetags.ledger_words import ENTRY_TYPES
from credits.views.transactions import send_export
from smartspec import clock
from smartspec.pages import signed_in

DAY_CHOICES = (7, 30, 90)
DAYS = 30
TOP_MODELS = 5
RECENT_ENTRIES = 5
ENTRIES_PER_PAGE = 25
LAST_PAGE = 10**9
ZERO = Decimal(0)


# --- The overview -------------------------------------------------------------------------------------------------


@login_required
@never_cache
@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    """Credits, plan and usage at a glance. The page asks again by itself; 204 says that nothing has changed."""
    account_id, now = signed_in(request).pk, clock.now()
    days = next((n for n in DAY_CHOICES if request.GET.get("days") == str(n)), DAYS)
    balance = selectors.get_balance(account_id=account_id, now=now)
    mark = mark_of(request, balance)
    if request.GET.get("seen") == mark:
        return HttpResponse(status=204)
    context = {
        "balance": balance,
        "mark": mark,
        "expiring": by_day(balance.expires_soon),
        "meter": charts.parts([balance.used, balance.held, balance.available]),
        "day_choices": DAY_CHOICES,
        "days": days,
        **daily_chart(selectors.usage_by_day(account_id=account_id, days=days, now=now)),
        "operations": with_shares(selectors.usage_since(account_id=account_id, since=balance.period_start)),
        "models": with_shares(selectors.usage_by_model(account_id=account_id, days=days, now=now)[:TOP_MODELS]),
        "entries": selectors.newest_transactions(account_id=account_id, limit=RECENT_ENTRIES),
    }
    return render(request, "credits/dashboard.html", context)


def mark_of(request: HttpRequest, balance: selectors.Balance) -> str:
    """Return a short text that changes with everything that the overview tells about the balance and the plan.

    What it tells about the plan is known to templates alone (billing's tags), so what is seen is a template too.
    """
    seen = render_to_string("credits/dashboard_mark.txt", {"balance": balance}, request)
    return sha256(seen.encode()).hexdigest()[:12]


def by_day(lots: Iterable[selectors.ExpiringCredits]) -> list[selectors.ExpiringCredits]:
    """Return what ends, soonest first, as one for each day (UTC): somebody may have hundreds of lots."""
    days = groupby(lots, key=lambda lot: lot.expires_at.astimezone(UTC).date())
    grouped = [list(ending) for _, ending in days]
    return [
        selectors.ExpiringCredits(sum((lot.credits for lot in ending), ZERO), ending[0].expires_at)
        for ending in grouped
    ]


def daily_chart(daily: list[selectors.UsageOfDay]) -> dict[str, Any]:
    """Return what the template needs to draw usage by day. A day's refunds may exceed what it used; no bar then."""
    credits = [max(day.credits, ZERO) for day in daily]
    top = charts.round_top(credits)
    return {
        "daily": list(zip(daily, charts.columns(credits, top), strict=True)),
        "top": top,
        "half": top / 2,
        "spent": sum((day.credits for day in daily), ZERO),
        "first_date": daily[0].date,
        "last_date": daily[-1].date,
    }


def with_shares(usages: list[Any]) -> list[tuple[Any, Decimal]]:
    """Return usages, the most credits first, each with how wide its bar is."""
    ordered = sorted(usages, key=lambda usage: -usage.credits)
    return list(zip(ordered, charts.shares([usage.credits for usage in ordered]), strict=True))


# --- The history --------------------------------------------------------------------------------------------------


DAY_INPUT = forms.DateInput(attrs={"type": "date"})
LAST_DAY = date(2999, 12, 31)  # the day after the last that there is could not be written


def in_this_age(day: date) -> None:
    """:raises ValidationError: nobody means that day."""
    if day > LAST_DAY:
        raise forms.ValidationError(forms.DateField.default_error_messages["invalid"])


class FilterForm(forms.Form):
    """Which transactions; everything may be left out. Days are whole days, UTC."""

    search = forms.CharField(max_length=200, required=False)
    type = forms.ChoiceField(choices=[("", gettext_lazy("All types")), *ENTRY_TYPES.items()], required=False)
    date_from = forms.DateField(required=False, validators=[in_this_age], widget=DAY_INPUT)
    date_to = forms.DateField(required=False, validators=[in_this_age], widget=DAY_INPUT)

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        begins, ends = cleaned.get("date_from"), cleaned.get("date_to")
        if begins and ends and ends < begins:
            self.add_error("date_to", gettext_lazy("The last day must not come before the first."))
        return cleaned

    def moments(self) -> dict[str, datetime | None]:
        """Return the time that is covered: from (inclusive), to (exclusive)."""
        begins, ends = self.cleaned_data.get("date_from"), self.cleaned_data.get("date_to")
        return {
            "date_from": datetime.combine(begins, time(), tzinfo=UTC) if begins else None,
            "date_to": datetime.combine(ends + timedelta(days=1), time(), tzinfo=UTC) if ends else None,
        }


@login_required
@never_cache
@require_safe
def transactions(request: HttpRequest) -> HttpResponse:
    """The history, newest first, with what came in and what went out of the credits in that time."""
    account_id = signed_in(request).pk
    form, filter = read_filter(request)
    page = read_page(request)
    found = selectors.list_transactions(filter=filter, limit=ENTRIES_PER_PAGE, page=page)
    sums = selectors.summarise_transactions(account_id=account_id, date_from=filter.date_from, date_to=filter.date_to)
    of_type = [s for s in sums if filter.entry_type in (None, s.entry_type)]
    context = {
        "form": form,
        "found": found,
        "entries": found.transactions,
        "is_filtered": bool(filter.entry_type or filter.search or filter.date_from or filter.date_to),
        "came_in": sum((s.came_in for s in of_type), ZERO),
        "went_out": sum((s.went_out for s in of_type), ZERO),
        "query": query_of(request),
    }
    return render(request, "credits/transactions.html", context)


@login_required
@never_cache
@require_safe
def transaction(request: HttpRequest, entry_id: str) -> HttpResponse:
    """One row: model, job, the receipt of its lots. A page of its own, and what a row of the history opens to."""
    receipt = selectors.get_receipt(account_id=signed_in(request).pk, entry_id=entry_id)
    if receipt is None:
        raise Http404("No such transaction.")
    template = "credits/receipt.html" if request.headers.get("HX-Request") else "credits/transaction.html"
    return render(request, template, {"receipt": receipt, "entry": receipt.entry})


@login_required
@never_cache
@require_safe
def export_transactions(request: HttpRequest) -> HttpResponseBase:
    """The history as a file, by the same filters."""
    _, filter = read_filter(request)
    return send_export(filter, "json" if request.GET.get("format") == "json" else "csv")


def read_filter(request: HttpRequest) -> tuple[FilterForm, selectors.TransactionFilter]:
    """Return the form and the filter that it asks for; what is wrong in it is shown, and left out of the filter."""
    form = FilterForm(request.GET)
    form.is_valid()
    wanted = form.cleaned_data
    return form, selectors.TransactionFilter(
        account_id=signed_in(request).pk,
        entry_type=EntryType(wanted["type"]) if wanted.get("type") else None,
        search=wanted.get("search", ""),
        **form.moments(),
    )


def read_page(request: HttpRequest) -> int:
    """Return the page number of a request; 1 for what is none."""
    given = request.GET.get("page", "")
    return min(max(int(given), 1), LAST_PAGE) if given.isascii() and given.isdigit() and len(given) < 12 else 1


def query_of(request: HttpRequest) -> str:
    """Return the filters of a request as a query, without the page."""
    kept = request.GET.copy()
    kept.pop("page", None)
    return kept.urlencode()
