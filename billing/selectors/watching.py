"""What operators watch of billing."""

from datetime import datetime, timedelta

from billing.models import PaidInvoice, Purchase, Webhook
from billing.selectors.webhooks import NOT_DONE


def count_unfinished_webhooks(*, received_before: datetime) -> int:
    """Return how many webhooks that call for something were received before a moment and are still not done."""
    return Webhook.objects.filter(NOT_DONE, received_at__lt=received_before).count()


def count_payments_without_webhook(*, now: datetime, within: timedelta) -> int:
    """Return how many payments became credits, `within` ago or earlier, since the last webhook of any kind."""
    last_at = Webhook.objects.order_by("-pk").values_list("received_at", flat=True).first()
    since = {"gt": last_at} if last_at else {}
    until = {"lt": now - within}
    purchases = Purchase.objects.filter(**{f"fulfilled_at__{name}": at for name, at in (since | until).items()})
    invoices = PaidInvoice.objects.filter(**{f"paid_at__{name}": at for name, at in (since | until).items()})
    return purchases.count() + invoices.count()
