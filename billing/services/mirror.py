"""dj-stripe's copy of Stripe's objects. For reading by staff and reports; nothing that gives credits waits for it."""

from datetime import datetime, timedelta
from traceback import format_exc

from django.conf import settings
from django.db.models import Exists, OuterRef
from djstripe.enums import APIKeyType
from djstripe.models import APIKey, Event, PaymentMethod, WebhookEventTrigger

from billing import selectors
from billing.models import Webhook, WebhookRefusal
from billing.selectors.webhooks import NOT_DONE
from smartspec.logs import get_logger
from smartspec.users import selectors as users_selectors

log = get_logger(__name__)


def mirror_event(*, trigger_id: int) -> None:
    """This will let dj-stripe fetch and store what the event of a stored webhook is about; done once, it does nothing.

    A failure is noted on the trigger, where staff see it, and raised, so that the queue tries again.
    """
    trigger = WebhookEventTrigger.objects.filter(pk=trigger_id).first()
    if trigger is None or trigger.processed:
        return
    if is_of_somebody_erased(trigger_id):
        WebhookEventTrigger.objects.filter(pk=trigger_id).update(processed=True)
        return
    forget_old_keys()
    try:
        trigger.process(api_key=settings.STRIPE_SECRET_KEY)
    except Exception as error:
        WebhookEventTrigger.objects.filter(pk=trigger_id).update(exception=str(error)[:128], traceback=format_exc())
        log.warning("Mirror failed", trigger_id=trigger_id, error=str(error))
        raise
    forget_detached_card(trigger_id)


def is_of_somebody_erased(trigger_id: int) -> bool:
    """Tell whether a webhook is about a person who asked to be forgotten: Stripe goes on telling us of them."""
    webhook = Webhook.objects.filter(pk=trigger_id).first()
    if webhook is None:
        return False
    owner_id = selectors.owner_of_customer(webhook.customer_id)
    return any(users_selectors.is_erased(user_id=user_id) for user_id in (webhook.user_id, owner_id))


def forget_detached_card(trigger_id: int) -> None:
    """Delete the copy of a card that was taken off its customer: it never pays again, and would outlive an erasure."""
    told = Webhook.objects.filter(pk=trigger_id, event_type__startswith="payment_method.").values("object_id")
    PaymentMethod.objects.filter(id__in=told, customer=None).delete()


def forget_old_keys() -> None:
    """Delete keys that are no longer ours: dj-stripe notes the first key that it sees, and would prefer it for ever."""
    kept = APIKey.objects.filter(type__in=(APIKeyType.secret, APIKeyType.restricted))
    kept.exclude(secret=settings.STRIPE_SECRET_KEY).delete()


def clear_old_webhooks(*, now: datetime) -> dict[str, int]:
    """This will delete what webhooks left behind, once it is as old as WEBHOOKS_KEPT_DAYS: counts of refused calls,
    webhooks that are done, and the mirror's copies of their events.

    One whose mirror failed, or whose effect was not had, stays until somebody has seen to it. Returns how many rows of
    each went.
    """
    before = now - timedelta(days=settings.WEBHOOKS_KEPT_DAYS)
    refusals, _ = WebhookRefusal.objects.filter(minute_at__lt=before).delete()
    done = WebhookEventTrigger.objects.filter(processed=True, created__lt=before)
    _, webhooks = done.exclude(pk__in=Webhook.objects.filter(NOT_DONE).values("pk")).delete()
    # A copy stays as long as one of its webhooks does, and that is until it is mirrored and had its effect.
    of_webhooks = WebhookEventTrigger.objects.filter(event=OuterRef("id"))
    _, events = Event.objects.filter(~Exists(of_webhooks), created__lt=before).delete()
    return {
        "refusals": refusals,
        "webhooks": webhooks.get(WebhookEventTrigger._meta.label, 0),
        "events": events.get(Event._meta.label, 0),
    }
