"""The ledger's words as people read them, in the language of the page."""

import re
from datetime import UTC, datetime

from django import template
from django.utils.formats import date_format
from django.utils.translation import gettext, gettext_lazy, gettext_noop, pgettext_lazy

register = template.Library()

ENTRY_TYPES = {
    "purchase": pgettext_lazy("kind of transaction", "Purchase"),
    "usage": pgettext_lazy("kind of transaction", "Usage"),
    "refund": pgettext_lazy("kind of transaction", "Refund"),
    "bonus": pgettext_lazy("kind of transaction", "Bonus"),
    "subscription": pgettext_lazy("kind of transaction", "Plan credits"),
    "adjustment": pgettext_lazy("kind of transaction", "Adjustment"),
    "expiry": pgettext_lazy("kind of transaction", "Expired"),
    "clawback": pgettext_lazy("kind of transaction", "Taken back"),
}
OPERATIONS = {
    "image_generation": gettext_lazy("Images"),
    "video_generation": gettext_lazy("Video"),
    "audio_generation": gettext_lazy("Audio"),
    "storage": gettext_lazy("Storage"),
}
FEATURES = {
    "image_generation": gettext_lazy("Image generation"),
    "video_generation": gettext_lazy("Video generation"),
    "audio_generation": gettext_lazy("Audio generation"),
    "priority_queue": gettext_lazy("Priority queue"),
    "api_access": gettext_lazy("API access"),
    "basic_support": gettext_lazy("Community support"),
    "email_support": gettext_lazy("E-mail support"),
    "custom_models": gettext_lazy("Custom models"),
    "sla": gettext_lazy("Service level agreement"),
    "dedicated_support": gettext_lazy("Dedicated support"),
    "audit_logs": gettext_lazy("Audit logs"),
}
# What the catalogue and the ledger say of themselves is kept in English. These sentences have another form.
SAYINGS = (
    gettext_noop("Try it: 10 credits every month."),
    gettext_noop("Images, video and audio: 500 credits every month."),
    gettext_noop("For teams: 5,000 credits every month, custom models and an SLA."),
    gettext_noop("Credits of a refunded payment"),
    gettext_noop("Credits of a disputed payment"),
    gettext_noop("The refund failed: credits given back"),
    gettext_noop("The dispute was won: credits given back"),
    gettext_noop("Image generation"),
    gettext_noop("Video generation"),
    gettext_noop("Audio generation"),
    gettext_noop("Storage"),
    gettext_noop("Credits of your plan"),
    gettext_noop("Credits bought"),
    gettext_noop("Bonus credits"),
    gettext_noop("Credits refunded"),
    gettext_noop("Credits given back"),
    gettext_noop("Adjustment"),
    gettext_noop("Unused credits expired"),
)
PATTERNS = (
    (re.compile(r"(?P<name>.+): (?P<credits>[\d,]+) credits"), gettext_noop("%(name)s: %(credits)s credits")),
    (
        re.compile(r"(?P<name>.+): (?P<credits>[\d,]+) bonus credits"),
        gettext_noop("%(name)s: %(credits)s bonus credits"),
    ),
    (re.compile(r"Upgrade to (?P<name>.+)"), gettext_noop("Upgrade to %(name)s")),
    (
        re.compile(r"(?P<name>.+) credits for (?P<first>\d+ \w+ \d{4}) to (?P<last>\d+ \w+ \d{4})"),
        gettext_noop("%(name)s credits for %(first)s to %(last)s"),
    ),
    (
        re.compile(r"Storage on (?P<first>\d{4}-\d\d-\d\d): (?P<size>[\d.]+) GB on average"),
        gettext_noop("Storage on %(first)s: %(size)s GB on average"),
    ),
    (re.compile(r"Storage owed since (?P<first>\d{4}-\d\d-\d\d)"), gettext_noop("Storage owed since %(first)s")),
)
DAY_FORMATS = ("%d %B %Y", "%Y-%m-%d")
CUSTOM_AMOUNT = gettext_noop("Custom amount")


@register.filter
def entry_type_name(entry_type: str) -> str:
    return str(ENTRY_TYPES.get(entry_type, entry_type))


@register.filter
def operation_name(operation: str) -> str:
    return str(OPERATIONS.get(operation, operation.replace("_", " ")))


@register.filter
def feature_name(feature: str) -> str:
    return str(FEATURES.get(feature, feature.replace("_", " ").capitalize()))


@register.filter
def saying(text: str) -> str:
    """Return a description in the language of the page; what has no other form stays as it is."""
    if text in SAYINGS:
        return gettext(text)
    for pattern, sentence in PATTERNS:
        match = pattern.fullmatch(text)
        if match:
            return gettext(sentence) % {name: local(name, part) for name, part in match.groupdict().items()}
    return text


def local(name: str, part: str) -> str:
    """Return a part of a description in the language of the page: a day, or what somebody named."""
    if name in ("first", "last"):
        return local_day(part)
    return gettext(part) if part == CUSTOM_AMOUNT else part


def local_day(part: str) -> str:
    """Return a day as the page writes it; what only looks like a day (staff write descriptions too) as it is."""
    for day_format in DAY_FORMATS:
        try:
            return date_format(datetime.strptime(part, day_format).replace(tzinfo=UTC))
        except ValueError:
            continue
    return part


@register.filter
def model_name(model_id: str) -> str:
    return model_id or gettext("No model named")
