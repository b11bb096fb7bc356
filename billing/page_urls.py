"""The account pages and the pages that Stripe leads back to."""

from django.urls import path

from billing import pages

urlpatterns = [
    path("account/buy", pages.buy, name="account-buy"),
    path("account/plans", pages.plans, name="account-plans"),
    path("account/plans/cancel", pages.cancel_plan, name="account-plan-cancel"),
    path("account/portal", pages.portal, name="account-portal"),
    path("pay/return", pages.pay_return, name="pay-return"),
    path("pay/cancel", pages.pay_cancel, name="pay-cancel"),
    path("pay/back", pages.pay_back, name="pay-back"),
]
