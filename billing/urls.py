"""/api/payment/…"""

from django.urls import path

from billing import views

urlpatterns = [
    path("config", views.ConfigView.as_view()),
    path("packages", views.PackagesView.as_view()),
    path("quote", views.QuoteView.as_view()),
    path("checkout/subscription", views.SubscriptionCheckoutView.as_view()),
    path("checkout/credits", views.CreditsCheckoutView.as_view()),
    path("checkout/<str:session_id>", views.CheckoutView.as_view()),
    path("subscription", views.SubscriptionView.as_view()),
    path("subscription/cancel", views.CancelView.as_view()),
    path("subscription/reactivate", views.ReactivateView.as_view()),
    path("subscription/change-plan", views.ChangePlanView.as_view()),
    path("subscription/cancel-change", views.CancelChangeView.as_view()),
    path("billing-portal", views.PortalView.as_view()),
    path("payment-methods", views.PaymentMethodsView.as_view()),
    path("payment-methods/<str:payment_method_id>", views.PaymentMethodView.as_view()),
    path("payment-methods/<str:payment_method_id>/default", views.DefaultPaymentMethodView.as_view()),
    path("invoices", views.InvoicesView.as_view()),
    path("invoices/upcoming", views.UpcomingInvoiceView.as_view()),
]
