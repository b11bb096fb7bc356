"""Which user a customer at Stripe is, or was until it was deleted there."""

from uuid import UUID

from billing.models import Customer


def find_customer(customer_id: str) -> Customer | None:
    """Return the customer that a user is now of whom this id is the customer, or was one; None: nobody of ours."""
    known = Customer.objects.filter(pk=customer_id).first()
    return known or Customer.objects.filter(former_ids__contains=[customer_id]).first()


def owner_of_customer(customer_id: str) -> UUID | None:
    """Return the id of the user whose customer this is, or was."""
    customer = find_customer(customer_id)
    return None if customer is None else customer.user_id
