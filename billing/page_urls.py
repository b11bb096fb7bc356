"""The account pages about money, and the pages that Stripe leads back to."""

from django.urls import path

from billing.pages import buying, plans, returning, wallet

urlpatterns = [
    path("account/buy", buying.buy, name="account-buy"),
    path("account/buy/cards", buying.saved_cards, name="account-buy-cards"),
    path("account/plans", plans.plans, name="account-plans"),
    path("account/plans/change", plans.change_plan, name="account-plan-change"),
    path("account/plans/undo", plans.undo_change, name="account-plan-undo"),
    path("account/plans/cancel", plans.cancel_plan, name="account-plan-cancel"),
    path("account/plans/resume", plans.resume_plan, name="account-plan-resume"),
    path("account/billing", wallet.billing, name="account-billing"),
    path("account/billing/cards/<str:card_id>/default", wallet.make_default_card, name="account-card-default"),
    path("account/billing/cards/<str:card_id>/remove", wallet.remove_card, name="account-card-remove"),
    path("account/portal", wallet.portal, name="account-portal"),
    path("pay/return", returning.pay_return, name="pay-return"),
    path("pay/cancel", returning.pay_cancel, name="pay-cancel"),
    path("pay/back", returning.pay_back, name="pay-back"),
]
