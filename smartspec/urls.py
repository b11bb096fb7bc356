"""The whole URL map."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularSwaggerSplitView

from smartspec import operations
from smartspec.watching.metrics import metrics

handler400 = "smartspec.operations.bad_request"
handler404 = "smartspec.operations.not_found"
handler429 = "smartspec.operations.too_many_requests"  # asked for by allauth
handler500 = "smartspec.operations.server_error"

urlpatterns = [
    # The app and the workers
    path("api/", include("smartspec.users.urls")),
    path("api/credits/", include("credits.urls")),
    path("api/media/", include("media.urls")),
    path("api/payment/", include("billing.urls")),
    path("api/webhooks/", include("billing.webhook_urls")),
    path("api/schema", operations.DocumentView.as_view(), name="schema"),
    path("api/docs", SpectacularSwaggerSplitView.as_view(url_name="schema", template_name="docs.html"), name="docs"),
    # People
    path("", include("smartspec.users.page_urls")),
    path("accounts/", include("allauth.urls")),
    path("", include("credits.page_urls")),
    path("", include("billing.page_urls")),
    path("admin/", include("smartspec.backoffice.urls")),
    # The admin's own page would tell nobody by mail.
    path("admin/password_change/", RedirectView.as_view(pattern_name="account_change_password")),
    path("admin/", admin.site.urls),
    # Operators
    path("healthz", operations.healthz),
    path("readyz", operations.readyz),
    path("metrics", metrics),
]
if settings.STRIPE_SANDBOX:
    urlpatterns.append(path("sandbox/stripe/", include("billing.sandbox.urls")))
if settings.R2_SANDBOX:
    urlpatterns.append(path("sandbox/r2", include("media.sandbox.urls")))
if settings.MAIL_SANDBOX:
    urlpatterns += [
        path("sandbox/mail", operations.mail_list),
        path("sandbox/mail/<str:name>", operations.mail_message),
    ]
