"""/api/credits/…"""

from django.urls import path

from credits.views import balance, batches, catalogue, holds, transactions, usage

urlpatterns = [
    path("balance", balance.BalanceView.as_view()),
    path("transactions", transactions.TransactionsView.as_view()),
    path("transactions/export", transactions.TransactionExportView.as_view()),
    path("transactions/summary", transactions.TransactionSummaryView.as_view()),
    path("usage/summary", usage.UsageSummaryView.as_view()),
    path("usage/daily", usage.UsageByDayView.as_view()),
    path("usage/models", usage.UsageByModelView.as_view()),
    path("plans", catalogue.PlansView.as_view()),
    path("rates", catalogue.RatesView.as_view()),
    path("quote", catalogue.QuoteView.as_view()),
    path("holds", holds.HoldsView.as_view()),
    path("holds/batch", batches.HoldBatchView.as_view()),
    path("holds/batch/capture", batches.CaptureBatchView.as_view()),
    path("holds/<str:hold_id>/capture", holds.CaptureView.as_view()),
    path("holds/<str:hold_id>/release", holds.ReleaseView.as_view()),
    path("holds/<str:hold_id>/extend", holds.ExtendView.as_view()),
    path("holds/<str:hold_id>/refund", holds.RefundView.as_view()),
]
