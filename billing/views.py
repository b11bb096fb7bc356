"""/api/payment/…: parse, one call, render."""

from http import HTTPStatus
from typing import Any

from django.conf import settings
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from billing import gateway, pricing, selectors, serializers, services
from smartspec import clock
from smartspec.api import idempotency_key
from smartspec.errors import DomainError
from smartspec.users.models import User

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


class ConfigView(APIView):
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


class PackagesView(APIView):
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


class QuoteView(APIView):
    @extend_schema(
        operation_id="get_quote",
        parameters=[serializers.QuoteQuerySerializer],
        responses=serializers.QuoteSerializer,
    )
    def get(self, request: Request) -> Response:
        """Exactly what a checkout for this many credits would charge."""
        wanted = parse(serializers.QuoteQuerySerializer(data=request.query_params))
        quote = selectors.get_quote(credits_amount=wanted["credits_amount"])
        return Response(serializers.QuoteSerializer(quote).data)


# --- Checkout -----------------------------------------------------------------------------------------------------


class CreditsCheckoutView(APIView):
    throttle_rate = "60/m"

    @extend_schema(
        operation_id="open_credits_checkout",
        parameters=[IDEMPOTENCY_HEADER],
        request=serializers.CreditsCheckoutSerializer,
        responses=serializers.OpenedCheckoutSerializer,
    )
    def post(self, request: Request) -> Response:
        """Open a hosted checkout for a package or a custom amount."""
        wanted = parse(serializers.CreditsCheckoutSerializer(data=request.data))
        opened = services.open_credits_checkout(
            user=caller(request), now=clock.now(), idempotency_key=idempotency_key(request), **wanted
        )
        return replayable(serializers.OpenedCheckoutSerializer(opened), is_replay=opened.is_replay)


class SubscriptionCheckoutView(APIView):
    throttle_rate = "60/m"

    @extend_schema(
        operation_id="open_subscription_checkout",
        parameters=[IDEMPOTENCY_HEADER],
        request=serializers.SubscriptionCheckoutSerializer,
        responses=serializers.OpenedCheckoutSerializer,
    )
    def post(self, request: Request) -> Response:
        """Open a hosted checkout for a plan."""
        wanted = parse(serializers.SubscriptionCheckoutSerializer(data=request.data))
        opened = services.open_subscription_checkout(
            user=caller(request), now=clock.now(), idempotency_key=idempotency_key(request), **wanted
        )
        return replayable(serializers.OpenedCheckoutSerializer(opened), is_replay=opened.is_replay)


class CheckoutView(APIView):
    throttle_rate = "240/m"  # the app polls it

    @extend_schema(operation_id="get_checkout", responses=serializers.CheckoutStatusSerializer)
    def get(self, request: Request, session_id: str) -> Response:
        """Where a checkout stands. Fulfils it, once, if Stripe says paid and the webhook has not come yet."""
        checkout = services.refresh_checkout(session_id=session_id, user_id=caller(request).pk, now=clock.now())
        if checkout is None:
            raise CheckoutNotFound("You have no such checkout.")
        return Response(serializers.CheckoutStatusSerializer(selectors.get_checkout_status(checkout)).data)


# --- Subscription -------------------------------------------------------------------------------------------------


class SubscriptionView(APIView):
    @extend_schema(operation_id="get_subscription", responses=serializers.SubscriptionSerializer)
    def get(self, request: Request) -> Response:
        """My plan, paid or Free."""
        view = selectors.get_subscription_view(user_id=caller(request).pk, now=clock.now())
        return Response(serializers.SubscriptionSerializer(view).data)


class CancelView(APIView):
    throttle_rate = "60/m"

    @extend_schema(
        operation_id="cancel_subscription",
        request=serializers.CancelSerializer,
        responses=serializers.CancelledSerializer,
    )
    def post(self, request: Request) -> Response:
        """End my subscription, at the end of the paid period or now."""
        wanted = parse(serializers.CancelSerializer(data=request.data))
        subscription = services.cancel_subscription(user=caller(request), now=clock.now(), **wanted)
        answer = {
            "success": True,
            "subscription_id": subscription.pk,
            "cancel_at_period_end": selectors.ends_with_period(subscription),
            "current_period_end": subscription.current_period_end,
        }
        return Response(serializers.CancelledSerializer(answer).data)


class ReactivateView(APIView):
    throttle_rate = "60/m"

    @extend_schema(
        operation_id="reactivate_subscription",
        request=serializers.SubscriptionIdSerializer,
        responses=serializers.ReactivatedSerializer,
    )
    def post(self, request: Request) -> Response:
        """Undo a cancellation at period end."""
        wanted = parse(serializers.SubscriptionIdSerializer(data=request.data))
        subscription = services.reactivate_subscription(user=caller(request), now=clock.now(), **wanted)
        answer = {"success": True, "subscription_id": subscription.pk}
        return Response(serializers.ReactivatedSerializer(answer).data)


class ChangePlanView(APIView):
    throttle_rate = "60/m"

    @extend_schema(
        operation_id="change_plan",
        parameters=[IDEMPOTENCY_HEADER],
        request=serializers.ChangePlanSerializer,
        responses=serializers.ChangedPlanSerializer,
    )
    def post(self, request: Request) -> Response:
        """Change my plan: upwards now, downwards at the end of the paid period."""
        wanted = parse(serializers.ChangePlanSerializer(data=request.data))
        answer = services.change_plan(
            user=caller(request), now=clock.now(), idempotency_key=idempotency_key(request), **wanted
        )
        shown = {**vars(answer), "success": True}
        return replayable(serializers.ChangedPlanSerializer(shown), is_replay=answer.is_replay)


class CancelChangeView(APIView):
    throttle_rate = "60/m"

    @extend_schema(
        operation_id="cancel_plan_change",
        request=serializers.SubscriptionIdSerializer,
        responses=serializers.SuccessSerializer,
    )
    def post(self, request: Request) -> Response:
        """Undo a scheduled change of plan."""
        wanted = parse(serializers.SubscriptionIdSerializer(data=request.data))
        services.cancel_pending_change(user=caller(request), now=clock.now(), **wanted)
        return Response(serializers.SuccessSerializer({"success": True}).data)


# --- Portal, cards, invoices --------------------------------------------------------------------------------------


class PortalView(APIView):
    throttle_rate = "60/m"

    @extend_schema(
        operation_id="open_billing_portal", request=serializers.PortalSerializer, responses=serializers.UrlSerializer
    )
    def post(self, request: Request) -> Response:
        """The address of Stripe's Customer Portal for me; good for a short while."""
        wanted = parse(serializers.PortalSerializer(data=request.data))
        url = services.open_portal(user=caller(request), now=clock.now(), **wanted)
        return Response(serializers.UrlSerializer({"url": url}).data)


class PaymentMethodsView(APIView):
    throttle_rate = "60/m"

    @extend_schema(operation_id="list_payment_methods", responses=serializers.PaymentMethodListSerializer)
    def get(self, request: Request) -> Response:
        """My cards."""
        found = selectors.list_payment_methods(user_id=caller(request).pk)
        return Response(serializers.PaymentMethodListSerializer({"payment_methods": found}).data)


class PaymentMethodView(APIView):
    throttle_rate = "60/m"

    @extend_schema(operation_id="delete_payment_method", responses={204: None})
    def delete(self, request: Request, payment_method_id: str) -> Response:
        """Remove a card of mine."""
        services.delete_payment_method(user=caller(request), payment_method_id=payment_method_id)
        return Response(status=HTTPStatus.NO_CONTENT)


class DefaultPaymentMethodView(APIView):
    throttle_rate = "60/m"

    @extend_schema(operation_id="make_default_payment_method", request=None, responses={204: None})
    def post(self, request: Request, payment_method_id: str) -> Response:
        """Let everything that renews be paid by this card of mine."""
        services.make_default_payment_method(user=caller(request), payment_method_id=payment_method_id)
        return Response(status=HTTPStatus.NO_CONTENT)


class InvoicesView(APIView):
    throttle_rate = "60/m"

    @extend_schema(
        operation_id="list_invoices",
        parameters=[serializers.InvoiceQuerySerializer],
        responses=serializers.InvoiceListSerializer,
    )
    def get(self, request: Request) -> Response:
        """My invoices, newest first."""
        wanted = parse(serializers.InvoiceQuerySerializer(data=request.query_params))
        invoices, has_more = selectors.list_invoices(user_id=caller(request).pk, **wanted)
        return Response(serializers.InvoiceListSerializer({"invoices": invoices, "has_more": has_more}).data)


class UpcomingInvoiceView(APIView):
    throttle_rate = "60/m"

    @extend_schema(operation_id="get_upcoming_invoice", responses=serializers.UpcomingSerializer)
    def get(self, request: Request) -> Response:
        """What will be charged next."""
        upcoming = selectors.get_upcoming_invoice(user_id=caller(request).pk)
        return Response(serializers.UpcomingSerializer({"upcoming_invoice": upcoming}).data)


# --- What they share ----------------------------------------------------------------------------------------------


def caller(request: Request) -> User:
    """Return the person who is asking; IsUser has made sure that it is one."""
    assert isinstance(request.user, User)  # noqa: S101 - for the type checker
    return request.user


def parse(serializer: Serializer[Any]) -> dict[str, Any]:
    """Return the validated input.

    :raises ValidationError: naming every field that is wrong.
    """
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def replayable(serializer: Serializer[Any], *, is_replay: bool) -> Response:
    """Answer, marked when it is the first answer to this Idempotency-Key given again."""
    return Response(serializer.data, headers={"Idempotent-Replayed": "true"} if is_replay else None)
