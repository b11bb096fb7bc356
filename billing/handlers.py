"""One short function per event type. Each looks at what is now, by one call of a service that may be called any number
of times; what the message said, and in which order messages came, does not matter."""

from collections.abc import Callable
from datetime import datetime

from billing import services

Handler = Callable[[str, datetime], object]


def checkout_session_changed(session_id: str, now: datetime) -> object:
    return services.settle_session(session_id=session_id, now=now)


def payment_intent_succeeded(payment_intent_id: str, now: datetime) -> object:
    return services.settle_payment(payment_intent_id=payment_intent_id, now=now)


def customer_deleted(customer_id: str, now: datetime) -> object:
    return services.replace_deleted(customer_id=customer_id, now=now)


def subscription_changed(subscription_id: str, now: datetime) -> object:
    return services.sync_subscription(subscription_id=subscription_id, now=now)


def update_lapsed(subscription_id: str, now: datetime) -> None:
    services.put_back_change(subscription_id=subscription_id, now=now)


def schedule_changed(schedule_id: str, now: datetime) -> object:
    return services.sync_scheduled(schedule_id=schedule_id, now=now)


def invoice_changed(invoice_id: str, now: datetime) -> object:
    return services.record_invoice(invoice_id=invoice_id, now=now)


def refund_changed(refund_id: str, now: datetime) -> object:
    return services.settle_refund(refund_id=refund_id, now=now)


def charge_refunded(charge_id: str, now: datetime) -> object:
    return services.settle_refunds_of_charge(charge_id=charge_id, now=now)


def dispute_changed(dispute_id: str, now: datetime) -> object:
    return services.settle_dispute(dispute_id=dispute_id, now=now)


HANDLERS: dict[str, Handler] = {
    "checkout.session.completed": checkout_session_changed,
    "checkout.session.async_payment_succeeded": checkout_session_changed,
    "checkout.session.async_payment_failed": checkout_session_changed,
    "checkout.session.expired": checkout_session_changed,
    "payment_intent.succeeded": payment_intent_succeeded,
    "customer.deleted": customer_deleted,
    "customer.subscription.created": subscription_changed,
    "customer.subscription.updated": subscription_changed,
    "customer.subscription.deleted": subscription_changed,
    "customer.subscription.pending_update_applied": subscription_changed,
    "customer.subscription.pending_update_expired": update_lapsed,
    "subscription_schedule.created": schedule_changed,
    "subscription_schedule.updated": schedule_changed,
    "subscription_schedule.released": schedule_changed,
    "subscription_schedule.canceled": schedule_changed,
    "subscription_schedule.completed": schedule_changed,
    "invoice.paid": invoice_changed,
    "invoice.payment_failed": invoice_changed,
    "invoice.payment_action_required": invoice_changed,
    "refund.created": refund_changed,
    "refund.updated": refund_changed,
    "refund.failed": refund_changed,
    "charge.refund.updated": refund_changed,
    "charge.refunded": charge_refunded,
    "charge.dispute.created": dispute_changed,
    "charge.dispute.updated": dispute_changed,
    "charge.dispute.closed": dispute_changed,
    "charge.dispute.funds_withdrawn": dispute_changed,
    "charge.dispute.funds_reinstated": dispute_changed,
}
