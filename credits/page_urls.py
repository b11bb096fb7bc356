"""The account pages of credits."""

from django.urls import path

from credits import pages

urlpatterns = [
    path("account", pages.dashboard, name="account"),
    path("account/transactions", pages.transactions, name="account-transactions"),
    path("account/transactions/export", pages.export_transactions, name="account-transactions-export"),
    path("account/transactions/<str:entry_id>", pages.transaction, name="account-transaction"),
]
