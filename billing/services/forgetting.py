"""A customer who asked to be forgotten: what they have goes on no more, and the copies of what Stripe told us go."""

import json
from contextlib import suppress
from datetime import datetime

from django.db import transaction
from django.db.models import Q, TextField
from django.db.models.functions import Cast
from djstripe import models as djstripe_models

from billing import gateway, selectors, stripe_data
from billing.models import Customer, PlanChange, Purchase, SubscriptionCheckout
from billing.services.cancellations import cancel_subscription
from billing.services.checkouts import end_open_checkouts
from billing.services.exclusive import SubscriptionEnded
from smartspec.logs import get_logger
from smartspec.mentions import mentions
from smartspec.paging import in_pages
from smartspec.users.models import User

log = get_logger(__name__)


def forget_customer(*, user: User, now: datetime) -> None:
    """This will end what a person has at Stripe, have Stripe forget them, and take what is personal out of our copies.

    What was bought, paid and given back stays, under a person without name or address. Any number of times is once.

    :raises gateway.StripeUnavailable: Stripe cannot be reached; call again.
    """
    customer = Customer.objects.filter(user=user).first()
    if customer is not None:
        for model in (Purchase, SubscriptionCheckout):
            end_open_checkouts(user=user, model=model, now=now)
        subscription = selectors.current_subscription(user_id=user.pk)
        if subscription is not None:
            with suppress(SubscriptionEnded):  # of which we had not heard
                cancel_subscription(user=user, subscription_id=subscription.pk, at_period_end=False, now=now)
        delete_at_stripe(customer)
    with transaction.atomic():
        # Their program chose its own addresses and keys, and may have put anything into them.
        chosen = {"session_url": "", "success_url": "", "cancel_url": "", "idempotency_key": None}
        Purchase.objects.filter(user=user).update(**chosen)
        SubscriptionCheckout.objects.filter(user=user).update(**chosen)
        PlanChange.objects.filter(user=user).update(idempotency_key=None)
        PlanChange.objects.filter(user=user, answer__isnull=False).update(answer={})  # with the link to pay by
        mask_webhooks(user, customer)
        delete_mirrored(user, customer)


def delete_at_stripe(customer: Customer) -> None:
    """Have Stripe forget the customer, and tell a database that is restored from an older backup that we did."""
    try:
        gateway.update_customer(customer.pk, {"metadata": {stripe_data.ERASED: "yes"}})
        gateway.delete_customer(customer.pk)
    except gateway.StripeObjectMissing:
        log.info("Stripe had forgotten the customer already", customer_id=customer.pk)


def mask_webhooks(user: User, customer: Customer | None) -> None:
    """Take the person out of stored webhooks: those known to be about them, and any that names them."""
    about = Q(webhook__user=user) | naming("body", user, customer)
    for trigger in in_pages(djstripe_models.WebhookEventTrigger.objects.filter(about)):
        event = trigger.json_body
        trigger.body = json.dumps(stripe_data.without_person(event)) if isinstance(event, dict) else ""
        trigger.exception, trigger.traceback = trigger.exception and stripe_data.MASK, ""
        trigger.save(update_fields=["body", "exception", "traceback"])


def delete_mirrored(user: User, customer: Customer | None) -> None:
    """Delete dj-stripe's rows of the customer, and any other that names them."""
    if customer is not None:
        for customer_id in customer.all_ids:
            for cards in selectors.used_cards(customer_id):
                cards.delete()
        for model in selectors.mirrored_models("customer"):
            model._default_manager.filter(customer__id__in=customer.all_ids).delete()
    for name in ("stripe_data", "data"):
        for model in selectors.mirrored_models(name):
            texts = model._default_manager.annotate(as_text=Cast(name, TextField()))
            texts.filter(naming("as_text", user, customer)).delete()


def naming(field: str, user: User, customer: Customer | None) -> Q:
    """Return the condition that a text names the person's address or a customer id of theirs."""
    named = mentions(field, user.email)
    for customer_id in customer.all_ids if customer else []:
        named |= mentions(field, customer_id)
    return named
