"""Invoices: drafts, finalisation, payment and its failures."""

from billing.sandbox.services.invoices.closing import (
    finalize_invoice,
    mark_paid,
    mark_uncollectible,
    void_invoice,
)
from billing.sandbox.services.invoices.collecting import (
    attach_intent,
    do_what_is_due,
    note_failure,
    open_payment,
    pay_invoice,
    settle_by_intent,
)
from billing.sandbox.services.invoices.drafting import (
    DRAFT_FOR,
    add_up,
    build_invoice,
    create_draft,
    create_invoice,
    delete_invoice,
    line_of_item,
    new_preview_id,
    update_invoice,
)
from billing.sandbox.services.invoices.items import (
    create_item,
    delete_item,
)
from billing.sandbox.services.invoices.reading import (
    describe,
    find_default_payment,
    find_payment_method,
    subscription_of,
)

__all__ = [
    "DRAFT_FOR",
    "add_up",
    "attach_intent",
    "build_invoice",
    "create_draft",
    "create_invoice",
    "create_item",
    "delete_invoice",
    "delete_item",
    "describe",
    "do_what_is_due",
    "finalize_invoice",
    "find_default_payment",
    "find_payment_method",
    "line_of_item",
    "mark_paid",
    "mark_uncollectible",
    "new_preview_id",
    "note_failure",
    "open_payment",
    "pay_invoice",
    "settle_by_intent",
    "subscription_of",
    "update_invoice",
    "void_invoice",
]
