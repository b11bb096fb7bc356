"""What operators watch of billing."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, Sum
from django.db.models.functions import Coalesce

from billing.models import PaidInvoice, Purchase, Webhook, WebhookRefusal
from billing.selectors.webhooks import NOT_DONE

# That a session is complete says nothing yet of a payment that takes days.
TELLS_OF_PURCHASE = Q(event_type="payment_intent.succeeded", object_id=OuterRef("payment_intent_id")) | Q(
    event_type="checkout.session.async_payment_succeeded", object_id=OuterRef("session_id")
)


def count_unfinished_webhooks(*, received_before: datetime) -> int:
    """Return how many webhooks that call for something were received before a moment and are still not done."""
    return Webhook.objects.filter(NOT_DONE, received_at__lt=received_before).count()


def count_wrong_signatures(*, since: datetime) -> int:
    """Return how many webhook calls were refused since a moment because nobody who knows our secret signed them."""
    refused = WebhookRefusal.objects.filter(cause="bad_signature", minute_at__gte=since)
    return refused.aggregate(calls=Coalesce(Sum("count"), 0))["calls"]


def has_webhooks(*, since: datetime) -> bool:
    """Tell whether a webhook was accepted since a moment."""
    return Webhook.objects.filter(received_at__gte=since).exists()


def count_payments_without_webhook(*, now: datetime, within: timedelta) -> int:
    """Return how many payments became credits, `within` ago or earlier, since the last webhook of any kind; less those
    of which a webhook had told us, and whose credits came late for another reason. What webhooks told before those that
    are still kept, nobody knows any more."""
    last_at = Webhook.objects.order_by("-pk").values_list("received_at", flat=True).first()
    since = last_at or now - timedelta(days=settings.WEBHOOKS_KEPT_DAYS)
    purchases = Purchase.objects.filter(fulfilled_at__gt=since, fulfilled_at__lt=now - within)
    purchases = purchases.exclude(Exists(Webhook.objects.filter(TELLS_OF_PURCHASE)))
    invoices = PaidInvoice.objects.filter(paid_at__gt=since, paid_at__lt=now - within)
    return purchases.count() + invoices.count()
