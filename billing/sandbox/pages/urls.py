"""The hosted pages, under `/sandbox/stripe/`."""

from django.urls import path

from billing.sandbox.pages import authentication, checkout, invoices, overview
from billing.sandbox.pages.portal import cancelling, cards, details, home, switching

urlpatterns = [
    path("", overview.index, name="sandbox_index"),
    path("events/<str:event_id>", overview.event, name="sandbox_event"),
    path("debits/<str:intent_id>", overview.settle_debit, name="sandbox_settle_debit"),
    path("checkout/<str:session_id>", checkout.pay, name="sandbox_checkout"),
    path("checkout/<str:session_id>/bank", checkout.pay_by_bank, name="sandbox_checkout_bank"),
    path("checkout/<str:session_id>/promotion-code", checkout.promotion_code, name="sandbox_checkout_code"),
    path("authenticate/<str:intent_id>", authentication.authenticate, name="sandbox_authenticate"),
    path("portal/<str:secret>", home.home, name="sandbox_portal"),
    path("portal/<str:secret>/card", cards.add_card, name="sandbox_portal_card"),
    path("portal/<str:secret>/details", details.change, name="sandbox_portal_details"),
    path("portal/<str:secret>/cancel/<str:subscription_id>", cancelling.cancel, name="sandbox_portal_cancel"),
    path("portal/<str:secret>/plans/<str:subscription_id>", switching.choose, name="sandbox_portal_plans"),
    path(
        "portal/<str:secret>/plans/<str:subscription_id>/<str:price_id>",
        switching.confirm,
        name="sandbox_portal_confirm",
    ),
    path("invoice/<str:invoice_id>", invoices.show, name="sandbox_invoice"),
    path("invoice/<str:invoice_id>/pdf", invoices.pdf, name="sandbox_invoice_pdf"),
    path("receipt/<str:charge_id>", invoices.receipt, name="sandbox_receipt"),
]
