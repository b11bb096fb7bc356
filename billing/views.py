"""/api/payment/…: parse, one call, render."""

from http import HTTPStatus

from django.conf import settings
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from billing import gateway, pricing, selectors, serializers, services
from smartspec import clock
from smartspec.api import Endpoint, caller, caller_id, idempotency_key, read_body, read_query, replayed
from smartspec.errors import DomainError

IDEMPOTENCY_HEADER = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="1 to 255 characters; a retry gets the first answer.",
)


class CheckoutNotFound(DomainError):
    """There is no such checkout, or it is somebody else's."""

    code = "not_found"
    status = 404
    title = "Not Found"


# --- Catalogue ----------------------------------------------------------------------------------------------------


class ConfigView(Endpoint):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(operation_id="get_payment_config", auth=[], responses=serializers.ConfigSerializer)
    def get(self, request: Request) -> Response:
        """What the app needs to show Stripe's forms."""
        if not gateway.is_configured():
            raise gateway.PaymentsNotConfigured("Payments are not set up on this server yet. Please try again later.")
        config = {
            "publishable_key": settings.STRIPE_PUBLISHABLE_KEY,
            "currency": settings.STRIPE_CURRENCY,
            "livemode": settings.STRIPE_LIVE_MODE,
        }
        return Response(serializers.ConfigSerializer(config).data)


class PackagesView(Endpoint):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(operation_id="list_packages", auth=[], responses=serializers.PackageListSerializer)
    def get(self, request: Request) -> Response:
        """The packages for sale, and the limits of a custom amount."""
        custom = {
            "min_credits": pricing.MIN_CREDITS,
            "max_credits": pricing.MAX_CREDITS,
            "cents_per_credit": pricing.CUSTOM_CREDIT_PRICE_CENTS,
        }
        answer = {"packages": selectors.list_packages(), "custom": custom}
        return Response(serializers.PackageListSerializer(answer).data)


class QuoteView(Endpoint):
    @extend_schema(
        operation_id="get_quote",
        parameters=[serializers.QuoteQuerySerializer],
        responses=serializers.QuoteSerializer,
    )
    def get(self, request: Request) -> Response:
        """Exactly what a checkout for this many credits would charge."""
        wanted = read_query(request, serializers.QuoteQuerySerializer)
        quote = selectors.get_quote(credits_amount=wanted["credits_amount"])
        return Response(serializers.QuoteSerializer(quote).data)


# --- Checkout -----------------------------------------------------------------------------------------------------


class CreditsCheckoutView(Endpoint):
    throttle_rate = "60/m"

    @extend_schema(
        operation_id="open_credits_checkout",
        parameters=[IDEMPOTENCY_HEADER],
        request=serializers.CreditsCheckoutSerializer,
        responses=serializers.OpenedCheckoutSerializer,
    )
    def post(self, request: Request) -> Response:
        """Open a hosted checkout for a package or a custom amount."""
        wanted = read_body(request, serializers.CreditsCheckoutSerializer)
        opened = services.open_credits_checkout(
            user=caller(request), now=clock.now(), idempotency_key=idempotency_key(request), **wanted
        )
        return replayed(Response(serializers.OpenedCheckoutSerializer(opened).data), opened.is_replay)


class SubscriptionCheckoutView(Endpoint):
    throttle_rate = "60/m"

    @extend_schema(
        operation_id="open_subscription_checkout",
        parameters=[IDEMPOTENCY_HEADER],
        request=serializers.SubscriptionCheckoutSerializer,
        responses=serializers.OpenedCheckoutSerializer,
    )
    def post(self, request: Request) -> Response:
        """Open a hosted checkout for a plan."""
        wanted = read_body(request, serializers.SubscriptionCheckoutSerializer)
        opened = services.open_subscription_checkout(
            user=caller(request), now=clock.now(), idempotency_key=idempotency_key(request), **wanted
        )
        return replayed(Response(serializers.OpenedCheckoutSerializer(opened).data), opened.is_replay)


class CheckoutView(Endpoint):
    throttle_rate = "240/m"  # the app polls it

    @extend_schema(operation_id="get_checkout", responses=serializers.CheckoutStatusSerializer)
    def get(self, request: Request, session_id: str) -> Response:
        """Where a checkout stands. Fulfils it, once, if Stripe says paid and the webhook has not come yet."""
        checkout = services.refresh_checkout(session_id=session_id, user_id=caller_id(request), now=clock.now())
        if checkout is None:
            raise CheckoutNotFound("You have no such checkout.")
        return Response(serializers.CheckoutStatusSerializer(selectors.get_checkout_status(checkout)).data)


# --- Subscription -------------------------------------------------------------------------------------------------


class SubscriptionView(Endpoint):
    @extend_schema(operation_id="get_subscription", responses=serializers.SubscriptionSerializer)
    def get(self, request: Request) -> Response:
        """My plan, paid or Free."""
        view = selectors.get_subscription_view(user_id=caller_id(request), now=clock.now())
        return Response(serializers.SubscriptionSerializer(view).data)


class CancelView(Endpoint):
    throttle_rate = "60/m"

    @extend_schema(
        operation_id="cancel_subscription",
        parameters=[IDEMPOTENCY_HEADER],
        request=serializers.CancelSerializer,
        responses=serializers.CancelledSerializer,
    )
    def post(self, request: Request) -> Response:
        """End my subscription, at the end of the paid period or now."""
        wanted = read_body(request, serializers.CancelSerializer)
        cancelled = services.cancel_subscription_once(
            user=caller(request), now=clock.now(), idempotency_key=idempotency_key(request), **wanted
        )
        shown = {**vars(cancelled), "success": True}
        return replayed(Response(serializers.CancelledSerializer(shown).data), cancelled.is_replay)


class ReactivateView(Endpoint):
    throttle_rate = "60/m"

    @extend_schema(
        operation_id="reactivate_subscription",
        request=serializers.SubscriptionIdSerializer,
        responses=serializers.ReactivatedSerializer,
    )
    def post(self, request: Request) -> Response:
        """Undo a cancellation at period end."""
        wanted = read_body(request, serializers.SubscriptionIdSerializer)
        subscription = services.reactivate_subscription(user=caller(request), now=clock.now(), **wanted)
        answer = {"success": True, "subscription_id": subscription.pk}
        return Response(serializers.ReactivatedSerializer(answer).data)


class ChangePlanView(Endpoint):
    throttle_rate = "60/m"

    @extend_schema(
        operation_id="change_plan",
        parameters=[IDEMPOTENCY_HEADER],
        request=serializers.ChangePlanSerializer,
        responses=serializers.ChangedPlanSerializer,
    )
    def post(self, request: Request) -> Response:
        """Change my plan: upwards now, downwards at the end of the paid period."""
        wanted = read_body(request, serializers.ChangePlanSerializer)
        answer = services.change_plan(
            user=caller(request), now=clock.now(), idempotency_key=idempotency_key(request), **wanted
        )
        shown = {**vars(answer), "success": True}
        return replayed(Response(serializers.ChangedPlanSerializer(shown).data), answer.is_replay)


class CancelChangeView(Endpoint):
    throttle_rate = "60/m"

    @extend_schema(
        operation_id="cancel_plan_change",
        request=serializers.SubscriptionIdSerializer,
        responses=serializers.SuccessSerializer,
    )
    def post(self, request: Request) -> Response:
        """Undo a scheduled change of plan."""
        wanted = read_body(request, serializers.SubscriptionIdSerializer)
        services.cancel_pending_change(user=caller(request), now=clock.now(), **wanted)
        return Response(serializers.SuccessSerializer({"success": True}).data)


# --- Portal, cards, invoices --------------------------------------------------------------------------------------


class PortalView(Endpoint):
    throttle_rate = "60/m"

    @extend_schema(
        operation_id="open_billing_portal", request=serializers.PortalSerializer, responses=serializers.UrlSerializer
    )
    def post(self, request: Request) -> Response:
        """The address of Stripe's Customer Portal for me; good for a short while."""
        wanted = read_body(request, serializers.PortalSerializer)
        url = services.open_portal(user=caller(request), now=clock.now(), **wanted)
        return Response(serializers.UrlSerializer({"url": url}).data)


class PaymentMethodsView(Endpoint):
    throttle_rate = "60/m"

    @extend_schema(operation_id="list_payment_methods", responses=serializers.PaymentMethodListSerializer)
    def get(self, request: Request) -> Response:
        """My cards."""
        found = selectors.list_payment_methods(user_id=caller_id(request))
        return Response(serializers.PaymentMethodListSerializer({"payment_methods": found}).data)


class PaymentMethodView(Endpoint):
    throttle_rate = "60/m"

    @extend_schema(operation_id="delete_payment_method", responses={204: None})
    def delete(self, request: Request, payment_method_id: str) -> Response:
        """Remove a card of mine."""
        services.delete_payment_method(user=caller(request), payment_method_id=payment_method_id)
        return Response(status=HTTPStatus.NO_CONTENT)


class DefaultPaymentMethodView(Endpoint):
    throttle_rate = "60/m"

    @extend_schema(operation_id="make_default_payment_method", request=None, responses={204: None})
    def post(self, request: Request, payment_method_id: str) -> Response:
        """Let everything that renews be paid by this card of mine."""
        services.make_default_payment_method(user=caller(request), payment_method_id=payment_method_id)
        return Response(status=HTTPStatus.NO_CONTENT)


class InvoicesView(Endpoint):
    throttle_rate = "60/m"

    @extend_schema(
        operation_id="list_invoices",
        parameters=[serializers.InvoiceQuerySerializer],
        responses=serializers.InvoiceListSerializer,
    )
    def get(self, request: Request) -> Response:
        """My invoices, newest first."""
        wanted = read_query(request, serializers.InvoiceQuerySerializer)
        invoices, has_more = selectors.list_invoices(user_id=caller_id(request), **wanted)
        return Response(serializers.InvoiceListSerializer({"invoices": invoices, "has_more": has_more}).data)


class UpcomingInvoiceView(Endpoint):
    throttle_rate = "60/m"

    @extend_schema(operation_id="get_upcoming_invoice", responses=serializers.UpcomingSerializer)
    def get(self, request: Request) -> Response:
        """What will be charged next."""
        upcoming = selectors.get_upcoming_invoice(user_id=caller_id(request))
        return Response(serializers.UpcomingSerializer({"upcoming_invoice": upcoming}).data)
