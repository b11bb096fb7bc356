"""What a rate would have made of usage that has been."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Count, Sum

from credits import catalogue
from credits.models import Hold, Rate
from credits.prices import InvalidJob, price_by_rate

PREVIEWED = timedelta(days=30)
ZERO, MILLIONTH = Decimal(0), Decimal("0.000001")


@dataclass(frozen=True)
class RatePreview:
    """Captured jobs of the last 30 days: what they cost, and what they would have cost."""

    jobs: int
    old_credits: Decimal
    new_credits: Decimal


def preview_rate(*, rate: Rate, now: datetime) -> RatePreview:
    """Return what a rate would have made of the captured jobs of its operation and model; without a model, of all
    models that have no rate of their own.

    Where less was captured than was held, the same share of the new price counts. A job that the rate does not know
    (a quality that it leaves out) keeps its price.
    """
    done = Hold.objects.filter(
        operation=rate.operation, status=Hold.Status.CAPTURED, created_at__gt=now - PREVIEWED, created_at__lte=now
    )
    if rate.model_id:
        done = done.filter(model_id=rate.model_id)
    else:
        own = Rate.objects.filter(operation=rate.operation, effective_from__lte=max(now, rate.effective_from))
        done = done.exclude(model_id__in=own.exclude(model_id="").values("model_id"))
    in_effect = catalogue.get().rate(rate.operation, "", now) if rate.operation == Rate.Operation.STORAGE else None
    jobs, old, new = 0, ZERO, ZERO
    alike = done.values("model_id", "parameters").annotate(
        jobs=Count("number"), held=Sum("credits"), spent=Sum("captured")
    )
    for group in alike.order_by():
        jobs, old = jobs + group["jobs"], old + group["spent"]
        if in_effect is not None:  # storage: by the byte-second, so in proportion
            new += group["spent"] * rate.base_credits / in_effect.base_credits
            continue
        try:
            price = price_by_rate(rate=rate, **(group["parameters"] or {})).credits * group["jobs"]
        except InvalidJob:
            price = group["held"]
        new += (price * group["spent"] / group["held"]) if group["held"] else ZERO
    return RatePreview(jobs, old, new.quantize(MILLIONTH))
